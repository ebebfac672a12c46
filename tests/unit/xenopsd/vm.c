/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd/vm.c: ids, the order of devices, and what stays in memory while somebody holds a VM.
 */
#include "xenopsd/vm.h"

#include "core.gen.h"
#include "tests/unit/test.h"
#include "tests/unit/xenopsd/model.h"

#include <string.h>

static void ids(void **state)
{
	static const char *const good[] = {"0f9c2c9e-5d0b-4c4e-8f0c-0d6f3d6a1b11", "a", "A_1.b"};
	static const char *const bad[] = {
		"", ".", "..", ".a", "a/b", "a b", "a\n", "\xc3\xa4", "a:b"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK_OK(vm_check_id(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_ERR(vm_check_id(bad[i]), INVALID_VALUE);
	char longest[66];
	memset(longest, 'a', 65);
	longest[65] = '\0';
	CHECK_ERR(vm_check_id(longest), INVALID_VALUE);
	longest[64] = '\0';
	CHECK_OK(vm_check_id(longest));
}

static void device_ids(void **state)
{
	static const char *const good[] = {"a/xvda", "a/0", "a/0000:03:00.0", "a/2-1.3"};
	static const char *const bad[] = {"", "a", "a/", "/xvda", "a/b/c", "a/..", "a/.x", "../x"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK_OK(device_check_id(DEVICE_PCI, good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_ERR(device_check_id(DEVICE_PCI, bad[i]), INVALID_VALUE);
}

static void order(void **state)
{
	model_begin("/nowhere");
	struct vm *vm = model_vm("a");
	char text[64] = "";

	model_vif(vm, "a/1", 1);
	model_vbd(vm, "a/xvdc", "xvda");
	model_vif(vm, "a/10", 0);
	model_vbd(vm, "a/xvdb", NULL);
	vec_for_each (i, &vm->devices)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ",
			vm->devices.v[i]->name);
	assert_string_equal(text, "xvdc xvdb 10 1 ");
	*text = '\0';
	vm_for_each (d, vm, DEVICE_VIF)
		strcat(text, d->name); /* lint: fits */
	assert_string_equal(text, "101");
	vms_free();
}

static void found_by_id(void **state)
{
	struct device *d;
	struct vm *vm;

	model_begin("/nowhere");
	model_vbd(model_vm("a"), "a/0", NULL);
	CHECK_OK(vm_get("a", &vm));
	CHECK_ERR(vm_get("b", &vm), Does_not_exist);
	CHECK_OK(device_get(DEVICE_VBD, "a/0", &d));
	CHECK_ERR(device_get(DEVICE_VIF, "a/0", &d), Does_not_exist);
	CHECK_ERR(device_get(DEVICE_VBD, "b/0", &d), Does_not_exist);
	CHECK_ERR(device_get(DEVICE_VBD, "a", &d), Does_not_exist);
	vms_free();
}

/* What a holder sees may be replaced and removed; the sanitizers see whether it was freed. */
static void held(void **state)
{
	model_begin("/nowhere");
	struct vm *vm = model_vm("a");
	struct device *d = model_vbd(vm, "a/0", NULL);
	struct vm *holder = vm_hold(vm);
	const char *name = vm->config.name, *id = d->id;
	struct xenops_vm config = vm->config;
	struct xenops_vbd vbd = d->vbd;

	config.vcpus = 7;
	vbd.position = "xvdz";
	vm_set_config(vm, &config);
	device_set_config(d, &vbd);
	assert_int_equal(vm->config.vcpus, 7);
	assert_ptr_not_equal(vm->config.name, name);
	assert_string_equal(name, "a name");
	assert_string_equal(id, "a/0");
	device_remove(d);
	assert_int_equal(vm->devices.n, 0);
	assert_string_equal(d->vbd.position, "xvdz");
	vm_remove(vm);
	assert_null(vm_find("a"));
	assert_string_equal(holder->id, "a");
	vm_release(&holder);
	vms_free();
}

TEST_MAIN(cmocka_unit_test(ids), cmocka_unit_test(device_ids), cmocka_unit_test(order),
	cmocka_unit_test(found_by_id), cmocka_unit_test(held))
