/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations begin, exclude each other, are waited for in order, and end.
 */
#include "tests/unit/test.h"

#include "common/fiber.h"
#include "common/loop.h"
#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define OP(name) XENAPI_VM_OPERATIONS_##name

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

static const char *make_vm(void)
{
	struct xenapi_vm vm = db_blank(vm);
	const char *ref = NULL;

	CHECK_OK(db_create(vm, &vm, &ref));
	return ref;
}

static void one_that_is_under_way_is_seen(void **state)
{
	const char *ref = make_vm();
	struct op op = {0};

	CHECK_OK(op_begin_now(&op, &vm_rules, ref, OP(START), "OpaqueRef:task"));
	const struct xenapi_vm *vm = db_find(vm, ref);
	assert_int_equal(vm->current_operations.n, 1);
	assert_string_equal(vm->current_operations.v[0].key, "OpaqueRef:task");
	assert_int_equal(vm->current_operations.v[0].value, OP(START));
	assert_true(op_is_under_way(&vm_rules, ref, OP_BIT(OP(START))));
	assert_int_equal(vm->allowed_operations.n, 0);
	op_end(&op);
	vm = db_find(vm, ref);
	assert_int_equal(vm->current_operations.n, 0);
	assert_true(vm->allowed_operations.n > 10);
	op_end(&op);
}

static void another_one_is_told_who_is_in_the_way(void **state)
{
	const char *ref = make_vm();
	struct op op = {0}, other = {0};

	CHECK_OK(op_begin_now(&op, &vm_rules, ref, OP(START), "OpaqueRef:task"));
	auto_err e = op_begin_now(&other, &vm_rules, ref, OP(DESTROY), "OpaqueRef:other");
	assert_true(err_is(e, &ERR_OTHER_OPERATION_IN_PROGRESS));
	assert_string_equal(e->params[0], "VM");
	assert_string_equal(e->params[1], ref);
	assert_string_equal(e->params[2], "start");
	assert_string_equal(e->params[3], "OpaqueRef:task");
	op_end(&op);
}

static void clones_are_made_beside_each_other(void **state)
{
	const char *ref = make_vm();
	struct op op = {0}, other = {0};

	CHECK_OK(op_begin_now(&op, &vm_rules, ref, OP(CLONE), "OpaqueRef:task"));
	CHECK_OK(op_begin_now(&other, &vm_rules, ref, OP(COPY), REF_NULL));
	op_end(&op);
	assert_true(op_is_under_way(&vm_rules, ref, OP_BIT(OP(COPY))));
	op_end(&other);
}

/* ---- waiting ---- */

static char order[8];
static size_t n_done;
static const char *shared;

static MAY_WAIT void destroy_it(void *arg)
{
	struct op op = {0};

	CHECK_OK(op_begin(&op, &vm_rules, shared, OP(MAKE_INTO_TEMPLATE), arg));
	order[n_done++] = *(const char *)arg;
	CHECK_OK(fiber_yield());
	CHECK_OK(db_delete(vm, shared));
	op_end(&op);
}

static MAY_WAIT void too_late(void *arg)
{
	struct op op = {0};

	CHECK_ERR(op_begin(&op, &vm_rules, shared, OP(MAKE_INTO_TEMPLATE), arg), HANDLE_INVALID);
	order[n_done++] = *(const char *)arg;
	loop_stop();
}

static void who_waits_goes_in_order_and_is_told_of_the_end(void **state)
{
	char ref[DB_REF_SIZE];

	snprintf(ref, sizeof(ref), "%s", make_vm());
	shared = ref;
	CHECK_OK(db_write(vm, ref, power_state, XENAPI_VM_POWER_STATE_HALTED));
	CHECK_OK(fiber_spawn(NULL, destroy_it, (void *)"1", "first"));
	CHECK_OK(fiber_spawn(NULL, too_late, (void *)"2", "second"));
	loop_run(0);
	assert_string_equal(order, "12");
}

static MAY_WAIT void end_it(void *arg)
{
	for (int i = 0; i < 3; i++)
		CHECK_OK(fiber_yield());
	op_end(arg);
}

/* ---- many ---- */

#define MANY 100

static size_t begun[MANY], n_begun, n_cancelled;
static struct fiber *fibers[MANY];

static MAY_WAIT void change_it(void *arg)
{
	AUTO(op_end) struct op op = {0};
	size_t i = (size_t)arg;
	auto_err e = op_begin(&op, &vm_rules, shared, OP(CHANGING_VCPUS), REF_NULL);

	if (e) {
		assert_true(err_is(e, &ERR_CANCELLED));
		n_cancelled++;
	} else {
		assert_int_equal(db_find(vm, shared)->current_operations.n, 1);
		begun[n_begun++] = i;
		CHECK_OK(fiber_yield());
	}
	if (n_begun + n_cancelled == MANY)
		loop_stop();
}

/* Every third of those who wait is told to go. */
static MAY_WAIT void cancel_some(void *arg)
{
	CHECK_OK(fiber_yield());
	for (size_t i = 0; i < MANY; i += 3)
		fiber_cancel(fibers[i]);
}

static void all_of_many_get_their_turn(void **state)
{
	char ref[DB_REF_SIZE];
	struct op op = {0};

	snprintf(ref, sizeof(ref), "%s", make_vm());
	shared = ref;
	CHECK_OK(op_begin_now(&op, &vm_rules, ref, OP(START), REF_NULL));
	for (size_t i = 0; i < MANY; i++)
		CHECK_OK(fiber_spawn(&fibers[i], change_it, (void *)i, "%zu", i));
	CHECK_OK(fiber_spawn(NULL, cancel_some, NULL, "cancel"));
	CHECK_OK(fiber_spawn(NULL, end_it, &op, "end"));
	loop_run(0);
	assert_int_equal(n_cancelled, (MANY + 2) / 3);
	for (size_t i = 0; i < n_begun; i++)
		assert_int_equal(begun[i], i / 2 * 3 + 1 + i % 2);
	assert_int_equal(db_find(vm, ref)->current_operations.n, 0);
}

/* ---- of another object ---- */

static MAY_WAIT void attach_it(void *arg)
{
	AUTO(op_end) struct op op = {0};

	CHECK_OK(op_begin(&op, &vbd_rules, arg, XENAPI_VBD_OPERATIONS_ATTACH, REF_NULL));
	n_begun++;
	loop_stop();
}

static void a_drive_waits_for_its_disk(void **state)
{
	struct xenapi_vdi vdi = db_blank(vdi);
	struct xenapi_vbd vbd = db_blank(vbd);
	const char *vdi_ref, *vbd_ref;
	struct op op = {0};

	vdi.managed = true;
	CHECK_OK(db_create(vdi, &vdi, &vdi_ref));
	vbd.VM = make_vm();
	vbd.VDI = vdi_ref;
	CHECK_OK(db_create(vbd, &vbd, &vbd_ref));
	CHECK_OK(db_map_put_at(&xenapi_class_vdi, vdi_ref, vdi_rules.current, "OpaqueRef:task",
		&(enum xenapi_vdi_operations){XENAPI_VDI_OPERATIONS_RESIZE}));
	op = (struct op){&vdi_rules, xstrdup(vdi_ref), xstrdup("OpaqueRef:task")};
	n_begun = 0;
	CHECK_OK(fiber_spawn(NULL, attach_it, (void *)vbd_ref, "attach"));
	CHECK_OK(fiber_spawn(NULL, end_it, &op, "end"));
	loop_run(0);
	assert_int_equal(n_begun, 1);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, open_db, close_db)

TEST_MAIN(CASE(one_that_is_under_way_is_seen), CASE(another_one_is_told_who_is_in_the_way),
	CASE(clones_are_made_beside_each_other),
	CASE(who_waits_goes_in_order_and_is_told_of_the_end), CASE(all_of_many_get_their_turn),
	CASE(a_drive_waits_for_its_disk))
