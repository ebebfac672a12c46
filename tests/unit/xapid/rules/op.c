/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations begin, exclude each other, are waited for in order, and end.
 */
#include "tests/unit/test.h"

#include "common/fiber.h"
#include "common/loop.h"
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

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, open_db, close_db)

TEST_MAIN(CASE(one_that_is_under_way_is_seen), CASE(another_one_is_told_who_is_in_the_way),
	CASE(clones_are_made_beside_each_other),
	CASE(who_waits_goes_in_order_and_is_told_of_the_end))
