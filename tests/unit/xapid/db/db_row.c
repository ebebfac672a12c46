/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows in memory: create, read, write, delete; both sides of relations; what is refused.
 */
#include "tests/unit/test.h"

#include "common/loop.h"
#include "xapid/db/db.h"

#include "core.gen.h"

#include <stdio.h>
#include <string.h>

static int open_db(void **state)
{
	const struct db_options options = {0};

	loop_init();
	CHECK_OK(db_open(&options));
	return 0;
}

static int close_db(void **state)
{
	db_close();
	loop_fini();
	return 0;
}

static const char *make_vm(const char *name)
{
	struct xenapi_vm vm = db_blank(vm);
	const char *ref = NULL;

	vm.name_label = name;
	CHECK_OK(db_create(vm, &vm, &ref));
	return ref;
}

static const char *make_vbd(const char *vm)
{
	struct xenapi_vbd vbd = db_blank(vbd);
	const char *ref = NULL;

	vbd.VM = vm;
	CHECK_OK(db_create(vbd, &vbd, &ref));
	return ref;
}

static void a_new_row_is_found(void **state)
{
	const char *ref = make_vm("one");
	const struct xenapi_vm *vm = NULL;
	const char *found = NULL;

	assert_memory_equal(ref, "OpaqueRef:", 10);
	CHECK_OK(db_get(vm, ref, &vm));
	assert_string_equal(vm->name_label, "one");
	assert_int_equal(strlen(vm->uuid), 36);
	assert_string_equal(vm->affinity, REF_NULL);
	CHECK_OK(db_get_uuid(vm, vm->uuid, &found));
	assert_string_equal(found, ref);
	assert_ptr_equal(db_find(vm, ref), vm);
	assert_int_equal(db_count(vm), 1);
	assert_null(db_find(host, ref));
	CHECK_ERR(db_get(vm, "OpaqueRef:none", &vm), HANDLE_INVALID);
	CHECK_ERR(db_get_uuid(vm, "none", &found), UUID_INVALID);
}

static void a_write_is_a_delta_unless_it_changes_nothing(void **state)
{
	const char *ref = make_vm("one");
	const struct xenapi_vm *vm = db_find(vm, ref);
	uint64_t before = db_generation();

	CHECK_OK(db_write(vm, ref, name_label, "one"));
	assert_int_equal(db_generation(), before);
	const char *borrowed = vm->name_label;
	CHECK_OK(db_write(vm, ref, name_label, "two"));
	assert_int_equal(db_generation(), before + 1);
	assert_string_equal(vm->name_label, "two");
	assert_string_equal(borrowed, "one");
}

static void keys_of_maps_and_members_of_sets(void **state)
{
	const char *ref = make_vm("one");
	const struct xenapi_vm *vm = db_find(vm, ref);

	CHECK_OK(db_map_put(vm, ref, other_config, "a", "1"));
	CHECK_OK(db_map_put(vm, ref, other_config, "b", "2"));
	CHECK_OK(db_map_put(vm, ref, other_config, "a", "3"));
	assert_int_equal(vm->other_config.n, 2);
	assert_string_equal(string_map_get(&vm->other_config, "a"), "3");
	CHECK_OK(db_map_remove(vm, ref, other_config, "a"));
	CHECK_OK(db_map_remove(vm, ref, other_config, "a"));
	assert_null(string_map_get(&vm->other_config, "a"));
	CHECK_OK(db_set_add(vm, ref, tags, "x"));
	CHECK_OK(db_set_add(vm, ref, tags, "x"));
	CHECK_OK(db_set_add(vm, ref, tags, "y"));
	assert_int_equal(vm->tags.n, 2);
	CHECK_OK(db_set_remove(vm, ref, tags, "x"));
	assert_int_equal(vm->tags.n, 1);
	assert_string_equal(vm->tags.v[0], "y");
}

static void both_sides_of_a_relation_agree(void **state)
{
	const char *one = make_vm("one"), *two = make_vm("two");
	const struct xenapi_vm *vm1 = db_find(vm, one), *vm2 = db_find(vm, two);
	const char *vbds[5];

	for (size_t i = 0; i < 5; i++)
		vbds[i] = make_vbd(one);
	assert_int_equal(vm1->VBDs.n, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(vm1->VBDs.v[i], vbds[i]);
	CHECK_OK(db_write(vbd, vbds[2], VM, two));
	assert_int_equal(vm1->VBDs.n, 4);
	assert_int_equal(vm2->VBDs.n, 1);
	CHECK_OK(db_delete(vbd, vbds[0]));
	assert_int_equal(vm1->VBDs.n, 3);
	CHECK_OK(db_delete(vm, one));
	assert_string_equal(db_find(vbd, vbds[1])->VM, REF_NULL);
	assert_string_equal(db_find(vbd, vbds[2])->VM, two);
}

static void what_refers_to_a_deleted_row_refers_to_nothing(void **state)
{
	struct xenapi_host host = db_blank(host);
	const char *host_ref = NULL, *vm_ref = make_vm("one");

	CHECK_OK(db_create(host, &host, &host_ref));
	CHECK_OK(db_write(vm, vm_ref, affinity, host_ref));
	CHECK_OK(db_write(vm, vm_ref, resident_on, host_ref));
	assert_int_equal(db_find(host, host_ref)->resident_VMs.n, 1);
	CHECK_OK(db_delete(host, host_ref));
	assert_string_equal(db_find(vm, vm_ref)->affinity, REF_NULL);
	assert_string_equal(db_find(vm, vm_ref)->resident_on, REF_NULL);
}

static void sets_on_both_sides(void **state)
{
	struct xenapi_pgpu pgpu = db_blank(pgpu);
	struct xenapi_vgpu_type type = db_blank(vgpu_type);
	const char *p = NULL, *t[3];

	CHECK_OK(db_create(pgpu, &pgpu, &p));
	for (size_t i = 0; i < 3; i++) {
		CHECK_OK(db_create(vgpu_type, &type, &t[i]));
		CHECK_OK(db_set_add(vgpu_type, t[i], enabled_on_PGPUs, p));
	}
	assert_int_equal(db_find(pgpu, p)->enabled_VGPU_types.n, 3);
	CHECK_OK(db_set_remove(pgpu, p, enabled_VGPU_types, t[1]));
	assert_int_equal(db_find(vgpu_type, t[1])->enabled_on_PGPUs.n, 0);
	CHECK_OK(db_delete(vgpu_type, t[0]));
	assert_int_equal(db_find(pgpu, p)->enabled_VGPU_types.n, 1);
	CHECK_OK(db_delete(pgpu, p));
	assert_int_equal(db_find(vgpu_type, t[2])->enabled_on_PGPUs.n, 0);
}

static void what_is_not_there_is_not_referred_to(void **state)
{
	const char *ref = make_vm("one");
	struct xenapi_vbd vbd = db_blank(vbd);

	CHECK_ERR(db_write(vm, ref, affinity, "OpaqueRef:none"), HANDLE_INVALID);
	CHECK_ERR(db_write(vm, ref, affinity, ref), HANDLE_INVALID);
	vbd.VM = "OpaqueRef:none";
	CHECK_ERR(db_create(vbd, &vbd, NULL), HANDLE_INVALID);
	assert_int_equal(db_count(vbd), 0);
}

static void uuids_are_unique(void **state)
{
	const char *ref = make_vm("one");
	struct xenapi_vm vm = db_blank(vm);

	vm.uuid = db_find(vm, ref)->uuid;
	CHECK_ERR(db_create(vm, &vm, NULL), DB_UNIQUENESS_CONSTRAINT_VIOLATION);
	CHECK_OK(db_delete(vm, ref));
	CHECK_OK(db_create(vm, &vm, NULL));
}

static size_t count_named(const char *name)
{
	const struct field *f = db_field_named(&xenapi_class_vm, "name_label");
	size_t n = 0;

	for (struct db_row *row = db_first_named(&xenapi_class_vm, f, name); row;
		row = db_next_named(row, f)) {
		assert_string_equal(((const struct xenapi_vm *)db_record(row))->name_label, name);
		n++;
	}
	return n;
}

static void rows_are_found_by_name(void **state)
{
	enum { MANY = 100 };
	const char *refs[MANY];

	assert_int_equal(count_named("none"), 0);
	for (int i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vm %d", i % 40);
		refs[i] = make_vm(name);
	}
	assert_int_equal(count_named("vm 0"), 3);
	assert_int_equal(count_named("vm 39"), 2);
	assert_int_equal(count_named("vm 40"), 0);
	CHECK_OK(db_write(vm, refs[0], name_label, "vm 39"));
	CHECK_OK(db_write(vm, refs[1], name_label, ""));
	CHECK_OK(db_delete(vm, refs[40]));
	assert_int_equal(count_named("vm 0"), 1);
	assert_int_equal(count_named("vm 39"), 3);
	assert_int_equal(count_named(""), 1);
	for (int i = 0; i < MANY; i++)
		if (i != 40)
			CHECK_OK(db_delete(vm, refs[i]));
	assert_int_equal(count_named("vm 39"), 0);
}

#define DB_TEST(fn) cmocka_unit_test_setup_teardown(fn, open_db, close_db)

TEST_MAIN(DB_TEST(a_new_row_is_found), DB_TEST(a_write_is_a_delta_unless_it_changes_nothing),
	DB_TEST(keys_of_maps_and_members_of_sets), DB_TEST(both_sides_of_a_relation_agree),
	DB_TEST(what_refers_to_a_deleted_row_refers_to_nothing), DB_TEST(sets_on_both_sides),
	DB_TEST(what_is_not_there_is_not_referred_to), DB_TEST(uuids_are_unique),
	DB_TEST(rows_are_found_by_name))
