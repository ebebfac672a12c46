/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A copy: what is written is noted once and comes back, what the master tells is put over the copy
 * but for what is on its way, and what is refused is told of.
 */
#include "common/sbuf.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "xapid/db/db.h"

#include <string.h>

static unsigned n_calls;

static void ops_are_there(void)
{
	n_calls++;
}

static void open_copy(void)
{
	n_calls = 0;
	CHECK_OK(db_open(&(struct db_options){0}));
	db_copy_begin(ops_are_there);
}

static const char *make_vm(const char *name)
{
	struct xenapi_vm vm = db_blank(vm);
	const char *ref = NULL;

	vm.name_label = name;
	CHECK_OK(db_create(vm, &vm, &ref));
	return ref;
}

static const char *name_of(const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);

	return vm ? vm->name_label : "(gone)";
}

/* ---- what is noted ---- */

static void note_changes(void *arg)
{
	open_copy();
	const char *vm = make_vm("one");
	struct xenapi_vbd vbd = db_blank(vbd);
	const char *drive;

	vbd.VM = vm;
	CHECK_OK(db_create(vbd, &vbd, &drive));
	CHECK_OK(db_map_put(vm, vm, other_config, "a", "b"));
	CHECK_OK(db_write(vm, vm, name_label, "one")); /* no change */
	CHECK_OK(db_delete(vm, vm)); /* the drive lets go of it: that follows */
	assert_null(db_ops_after(0));
	CHECK_ERR(db_barrier(0, 1), TIMEOUT);
	assert_int_equal(n_calls, 1);
	const struct db_ops *ops = db_ops_after(0);
	assert_int_equal(ops->number, 1);
	assert_int_equal(ops->v.n, 4);
	assert_int_equal(ops->v.v[0].kind, DB_OP_CREATE);
	assert_int_equal(ops->v.v[2].kind, DB_OP_PUT);
	assert_string_equal(ops->v.v[2].key, "a");
	assert_string_equal(ops->v.v[2].value, "\"b\"");
	assert_int_equal(ops->v.v[3].kind, DB_OP_DELETE);
	assert_null(db_ops_after(1));
	db_ops_included(1);
	CHECK_OK(db_barrier(0, 1));
	db_close();
}

static void each_change_is_noted_once(void **state)
{
	run_in_fiber(note_changes, NULL);
}

/* ---- what is told ---- */

static struct db_copied told(const char *ref, const char *text)
{
	return (struct db_copied){ref, {text, text ? strlen(text) : 0}};
}

#define VM_TEXT(name) \
	"{\"VM\":{\"uuid\":\"4f3f9a57-94a6-4b61-8a25-3f2f7a6b2b11\",\"name_label\":\"" name "\"}}"

static void take_what_is_told(void *arg)
{
	static const char ref[] = "OpaqueRef:1", drive[] = "OpaqueRef:2";

	open_copy();
	/* the drive refers to what comes behind it, and to what never comes */
	const struct db_copied first[] = {
		told(drive, "{\"VBD\":{\"VM\":\"OpaqueRef:1\",\"VDI\":\"OpaqueRef:none\"}}"),
		told(ref, VM_TEXT("there"))};
	CHECK_OK(db_copy_apply(first, 2, true));
	assert_string_equal(name_of(ref), "there");
	assert_int_equal(((const struct xenapi_vm *)db_find(vm, ref))->VBDs.n, 1);
	assert_string_equal(((const struct xenapi_vbd *)db_find(vbd, drive))->VDI, REF_NULL);
	assert_null(db_ops_after(0));
	/* what is not told of in full is gone */
	CHECK_OK(db_copy_apply(&first[1], 1, true));
	assert_null(db_find(vbd, drive));
	const struct db_copied gone = told(ref, NULL);
	CHECK_OK(db_copy_apply(&gone, 1, false));
	assert_null(db_find(vm, ref));
	db_close();
}

static void what_is_told_is_taken(void **state)
{
	run_in_fiber(take_what_is_told, NULL);
}

static void keep_what_is_on_its_way(void *arg)
{
	static const char ref[] = "OpaqueRef:1";
	const struct db_copied old = told(ref, VM_TEXT("old")), both = told(ref, VM_TEXT("both"));

	open_copy();
	CHECK_OK(db_copy_apply(&old, 1, true));
	CHECK_OK(db_write(vm, ref, name_label, "new"));
	CHECK_ERR(db_barrier(0, 1), TIMEOUT);
	CHECK_OK(db_copy_apply(&old, 1, false)); /* it does not have the write in it */
	assert_string_equal(name_of(ref), "new");
	CHECK_OK(db_copy_apply(&both, 0, true)); /* not even in full */
	assert_string_equal(name_of(ref), "new");
	db_ops_included(1);
	CHECK_OK(db_copy_apply(&both, 1, false));
	assert_string_equal(name_of(ref), "both");
	db_close();
}

static void what_is_on_its_way_is_kept(void **state)
{
	run_in_fiber(keep_what_is_on_its_way, NULL);
}

static void refuse(void *arg)
{
	open_copy();
	uint64_t since = db_generation();
	make_vm("one");
	CHECK_ERR(db_barrier(since, 1), TIMEOUT);
	db_ops_refused(1);
	CHECK_ERR(db_barrier(since, 1), STORE_READ_ONLY);
	CHECK_OK(db_barrier(db_generation(), 1));
	db_close();
}

static void who_waits_hears_of_a_refusal(void **state)
{
	run_in_fiber(refuse, NULL);
}

/* ---- at the master ---- */

static void do_ops(void *arg)
{
	static char ref[] = "OpaqueRef:1", whole[] = VM_TEXT("made"), value[] = "\"b\"",
		    key[] = "a";
	struct db_op op = {
		.kind = DB_OP_CREATE, .class = &xenapi_class_vm, .ref = ref, .value = whole};

	CHECK_OK(db_open(&(struct db_options){0}));
	assert_false(db_is_copy());
	CHECK_OK(db_op_apply(&op));
	CHECK_OK(db_op_apply(&op)); /* sent twice */
	assert_string_equal(name_of(ref), "made");
	op = (struct db_op){.kind = DB_OP_PUT,
		.class = &xenapi_class_vm,
		.ref = ref,
		.field = db_field_named(&xenapi_class_vm, "other_config"),
		.key = key,
		.value = value};
	CHECK_OK(db_op_apply(&op));
	const struct xenapi_vm *vm = db_find(vm, ref);
	assert_string_equal(string_map_get(&vm->other_config, "a"), "b");
	op.kind = DB_OP_REMOVE;
	op.value = NULL;
	CHECK_OK(db_op_apply(&op));
	assert_int_equal(vm->other_config.n, 0);
	op = (struct db_op){.kind = DB_OP_DELETE, .class = &xenapi_class_vm, .ref = ref};
	CHECK_OK(db_op_apply(&op));
	CHECK_OK(db_op_apply(&op));
	assert_null(db_find(vm, ref));
	db_close();
}

static void a_members_ops_are_done(void **state)
{
	run_in_fiber(do_ops, NULL);
}

TEST_MAIN(TEST(each_change_is_noted_once), TEST(what_is_told_is_taken),
	TEST(what_is_on_its_way_is_kept), TEST(who_waits_hears_of_a_refusal),
	TEST(a_members_ops_are_done))
