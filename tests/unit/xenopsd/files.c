/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd/files.c: what is written is read back the same, and what is half there goes.
 */
#include "xenopsd/files.h"

#include "common/codec.h"
#include "common/mem.h"
#include "core.gen.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"
#include "tests/unit/xenopsd/model.h"

#include <sys/stat.h>

static char *path_of(const char *name)
{
	return xasprintf("%s/VM/%s", scratch, name);
}

static bool is_there(const char *name)
{
	auto_str path = path_of(name);

	return access(path, F_OK) == 0;
}

static void begin(void)
{
	model_begin(scratch);
	CHECK_OK(files_load());
	assert_int_equal(vms.n, 0);
}

static void read_again(void)
{
	vms_free();
	CHECK_OK(files_load());
}

static void put_vm(struct vm *vm)
{
	CHECK_OK(files_make_folder(vm));
	CHECK_OK(files_put_config(vm));
}

static void round_trip(void **state)
{
	begin();
	struct vm *vm = model_vm("a");
	put_vm(vm);
	CHECK_OK(files_put_device(model_vbd(vm, "a/xvda", "xvda")));
	struct device *vif = model_vif(vm, "a/0", 0);
	CHECK_OK(files_put_device(vif));
	vif->is_active = true;
	vm->last_start_s = 1000;
	CHECK_OK(vm_set_phase(vm, XENOPSD_PHASE_UP));
	read_again();
	CHECK_OK(vm_get("a", &vm));
	assert_string_equal(vm->config.name, "a name");
	assert_int_equal(vm->phase, XENOPSD_PHASE_UP);
	assert_int_equal(vm->last_start_s, 1000);
	assert_int_equal(vm->devices.n, 2);
	assert_string_equal(vm->devices.v[0]->id, "a/xvda");
	assert_false(vm->devices.v[0]->is_active);
	assert_string_equal(vm->devices.v[1]->vif.backend.bridge, "xapi0");
	assert_true(vm->devices.v[1]->is_active);
	CHECK_OK(files_drop_device(vm->devices.v[0]));
	read_again();
	CHECK_OK(vm_get("a", &vm));
	assert_int_equal(vm->devices.n, 1);
	CHECK_OK(files_drop_vm(vm));
	assert_false(is_there("a"));
	read_again();
	assert_int_equal(vms.n, 0);
}

/* Killed while it was added (no config yet), removed (no longer one), or a file was written. */
static void half_there(void **state)
{
	begin();
	struct vm *vm = model_vm("a");
	put_vm(vm);
	CHECK_OK(files_put_device(model_vbd(vm, "a/xvda", "xvda")));
	auto_str config = path_of("a/config");
	auto_str left = path_of("a/.config.01234567.tmp");
	put(left, "");
	read_again();
	assert_int_equal(vms.n, 1);
	assert_false(is_there("a/.config.01234567.tmp"));
	assert_int_equal(unlink(config), 0);
	auto_str empty = path_of("b");
	assert_int_equal(mkdir(empty, 0700), 0);
	read_again();
	assert_int_equal(vms.n, 0);
	assert_false(is_there("a"));
	assert_false(is_there("b"));
}

/* A backend's own files in the folder are no devices, and go with the VM. */
static void files_of_the_backend(void **state)
{
	begin();
	struct vm *vm = model_vm("a");
	put_vm(vm);
	auto_str own = path_of("a/backend.qmp");
	put(own, "");
	read_again();
	CHECK_OK(vm_get("a", &vm));
	assert_int_equal(vm->devices.n, 0);
	CHECK_OK(files_drop_vm(vm));
	assert_false(is_there("a"));
	vms_free();
}

TEST_MAIN(IN_SCRATCH(round_trip), IN_SCRATCH(half_there), IN_SCRATCH(files_of_the_backend))
