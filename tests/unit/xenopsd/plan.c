/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd/plan.c: the order of atoms, what is undone when one fails, and plans that go on.
 */
#include "xenopsd/plan.h"

#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"
#include "tests/unit/xenopsd/model.h"
#include "xenopsd/repair.h"

static char trace[256];
static unsigned n_repairs; /* that the plan asked for */
static const char *fails_at; /* the name of an atom, or of an undoing */

/* In the place of repair.c's. */
void repair_later(struct vm *vm)
{
	n_repairs++;
}

static struct err *note(const char *atom, const struct vm *vm)
{
	strcat(trace, atom); /* lint: fits */
	strcat(trace, " "); /* lint: fits */
	if (fails_at && !strcmp(fails_at, atom))
		return err(INTERNAL_ERROR, atom);
	return NULL;
}

static MAY_WAIT struct err *run(struct plan *p, struct device *device)
{
	return fiber_yield();
}

static MAY_WAIT struct err *run_and_fail(struct plan *p, struct device *device)
{
	return err(Domain_not_built);
}

static MAY_WAIT struct err *run_and_be_refused(struct plan *p, struct device *device)
{
	return err(CONNECTION_REFUSED, "smd", "it is not there");
}

#define ATOM(letter, fn) \
	static const struct atom letter = { \
		.name = #letter, .run = fn, .undo = run, .undo_name = "~" #letter}

ATOM(a, run);
ATOM(b, run);
ATOM(c, run);
ATOM(d, run);
ATOM(failing, run_and_fail);
ATOM(refused, run_and_be_refused);

static struct plan plan;

static void begin(void)
{
	*trace = '\0';
	fails_at = NULL;
	n_repairs = 0;
	model_begin("/nowhere");
	model_backend.before_atom = note;
	plan_init(&plan, model_vm("a"), NULL);
}

#define IN_FIBER(name) \
	static void name##_fiber(void *arg); \
	static void name(void **state) \
	{ \
		begin(); \
		run_in_fiber(name##_fiber, NULL); \
		plan_fini(&plan); \
		vms_free(); \
	} \
	static void name##_fiber(void *arg)

/* a, then b and (c, d) side by side. */
static void add_tree(void)
{
	plan_add(&plan, &a, NULL);
	plan_open(&plan, PLAN_PARALLEL);
	plan_add(&plan, &b, NULL);
	plan_open(&plan, PLAN_SERIAL);
	plan_add(&plan, &c, NULL);
	plan_add(&plan, &d, NULL);
	plan_close(&plan);
	plan_close(&plan);
}

IN_FIBER(in_order)
{
	add_tree();
	CHECK_OK(plan_run(&plan));
	assert_string_equal(trace, "a b c d ");
	assert_int_equal(plan.done, 4);
	assert_int_equal(plan.top->weight, 4);
}

IN_FIBER(undone_last_first)
{
	add_tree();
	plan_add(&plan, &failing, NULL);
	CHECK_ERR(plan_run(&plan), Domain_not_built);
	assert_string_equal(trace, "a b c d failing ~failing ~d ~c ~b ~a ");
	assert_false(plan.has_left);
	assert_int_equal(n_repairs, 0);
}

IN_FIBER(not_begun_not_undone)
{
	fails_at = "c";
	add_tree();
	CHECK_ERR(plan_run(&plan), INTERNAL_ERROR);
	assert_string_equal(trace, "a b c ~b ~a ");
}

IN_FIBER(what_stays_is_known)
{
	fails_at = "~b";
	add_tree();
	plan_add(&plan, &failing, NULL);
	CHECK_ERR(plan_run(&plan), Domain_not_built);
	assert_string_equal(trace, "a b c d failing ~failing ~d ~c ~b ~a ");
	assert_true(plan.has_left);
	assert_int_equal(n_repairs, 1);
}

IN_FIBER(refused_is_not_undone)
{
	plan_add(&plan, &a, NULL);
	plan_add(&plan, &refused, NULL);
	CHECK_ERR(plan_run(&plan), CONNECTION_REFUSED);
	assert_string_equal(trace, "a refused ~a ");
}

IN_FIBER(goes_on)
{
	plan.goes_on = true;
	plan_add(&plan, &failing, NULL);
	fails_at = "b";
	add_tree();
	CHECK_ERR(plan_run(&plan), Domain_not_built);
	assert_string_equal(trace, "failing a b c d ");
}

IN_FIBER(cancelled_between_atoms)
{
	add_tree();
	fiber_cancel(fiber_current());
	CHECK_ERR(plan_run(&plan), CANCELLED);
	assert_string_equal(trace, "");
}

TEST_MAIN(cmocka_unit_test(in_order), cmocka_unit_test(undone_last_first),
	cmocka_unit_test(not_begun_not_undone), cmocka_unit_test(what_stays_is_known),
	cmocka_unit_test(refused_is_not_undone), cmocka_unit_test(goes_on),
	cmocka_unit_test(cancelled_between_atoms))
