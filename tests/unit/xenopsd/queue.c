/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd/queue.c: one turn a VM at a time and in order, VMs side by side and by turns, and what
 * becomes of those who wait when the VM goes or they are cancelled.
 */
#include "xenopsd/queue.h"

#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"
#include "tests/unit/xenopsd/model.h"

/* One who takes a turn, notes his name, and gives it back when he is told to. */
struct taker {
	const char *vm, *name;
	enum turn_kind kind;
	struct fiber *fiber;
	struct cond may_end;
	bool has_turn, has_ended;
	struct err *e;
};

static char order[64];

static void take_turn(void *arg)
{
	struct taker *t = arg;
	AUTO(turn_end) struct turn turn = {0};

	t->e = turn_begin(&turn, t->vm, t->name, t->kind);
	if (!t->e) {
		strcat(order, t->name); /* lint: fits */
		t->has_turn = true;
		CHECK_OK(cond_wait(&t->may_end, "the test", NEVER));
		t->has_turn = false;
	}
	t->has_ended = true;
}

static void turn_taker(struct taker *t, const char *vm, const char *name, enum turn_kind kind)
{
	*t = (struct taker){.vm = vm, .name = name, .kind = kind};
	cond_init(&t->may_end);
	CHECK_OK(fiber_spawn(&t->fiber, take_turn, t, "%s", name));
	CHECK_OK(fiber_yield());
}

static void end(struct taker *t)
{
	assert_true(t->has_turn);
	cond_signal(&t->may_end);
	CHECK_OK(fiber_yield());
	CHECK_OK(fiber_yield());
	assert_true(t->has_ended);
}

static void begin(void)
{
	*order = '\0';
	queue_set_workers(16);
	model_begin("/nowhere");
	model_vm("a");
	model_vm("b");
	model_vm("c");
}

#define IN_FIBER(name) \
	static void name##_fiber(void *arg); \
	static void name(void **state) \
	{ \
		run_in_fiber(name##_fiber, NULL); \
		vms_free(); \
	} \
	static void name##_fiber(void *arg)

IN_FIBER(one_at_a_time)
{
	struct taker t[3];

	begin();
	turn_taker(&t[0], "a", "1", TURN_WORK);
	turn_taker(&t[1], "a", "2", TURN_QUICK);
	turn_taker(&t[2], "b", "3", TURN_WORK);
	assert_true(t[0].has_turn && !t[1].has_turn && t[2].has_turn);
	end(&t[0]);
	assert_true(t[1].has_turn);
	end(&t[1]);
	end(&t[2]);
	assert_string_equal(order, "132");
}

IN_FIBER(vms_take_turns)
{
	struct taker t[5];

	begin();
	queue_set_workers(1);
	turn_taker(&t[0], "a", "1", TURN_WORK);
	turn_taker(&t[1], "a", "2", TURN_WORK);
	turn_taker(&t[2], "b", "3", TURN_WORK);
	turn_taker(&t[3], "b", "4", TURN_WORK);
	turn_taker(&t[4], "c", "5", TURN_WORK);
	end(&t[0]);
	end(&t[2]);
	end(&t[4]);
	end(&t[1]);
	end(&t[3]);
	assert_string_equal(order, "13524");
}

IN_FIBER(workers_are_counted)
{
	struct taker t[4];

	begin();
	queue_set_workers(1);
	turn_taker(&t[0], "a", "1", TURN_WORK);
	turn_taker(&t[1], "b", "2", TURN_WORK);
	turn_taker(&t[2], "c", "3", TURN_QUICK);
	assert_true(t[0].has_turn && !t[1].has_turn && t[2].has_turn);
	queue_set_workers(2);
	CHECK_OK(fiber_yield());
	assert_true(t[1].has_turn);
	for (size_t i = 0; i < 3; i++)
		end(&t[i]);
}

IN_FIBER(the_vm_goes)
{
	struct taker t[2];

	begin();
	turn_taker(&t[0], "a", "1", TURN_WORK);
	turn_taker(&t[1], "a", "2", TURN_WORK);
	vm_remove(vm_find("a"));
	end(&t[0]);
	assert_true(t[1].has_ended);
	CHECK_ERR(t[1].e, Does_not_exist);
	struct turn turn;
	CHECK_ERR(turn_begin(&turn, "a", "none", TURN_WORK), Does_not_exist);
}

IN_FIBER(one_who_waits_is_cancelled)
{
	struct taker t[3];

	begin();
	queue_set_workers(1);
	turn_taker(&t[0], "a", "1", TURN_WORK);
	turn_taker(&t[1], "b", "2", TURN_WORK);
	turn_taker(&t[2], "b", "3", TURN_WORK);
	fiber_cancel(t[1].fiber);
	CHECK_OK(fiber_yield());
	assert_true(t[1].has_ended);
	CHECK_ERR(t[1].e, CANCELLED);
	end(&t[0]);
	assert_true(t[2].has_turn);
	end(&t[2]);
	assert_string_equal(order, "13");
}

TEST_MAIN(cmocka_unit_test(one_at_a_time), cmocka_unit_test(vms_take_turns),
	cmocka_unit_test(workers_are_counted), cmocka_unit_test(the_vm_goes),
	cmocka_unit_test(one_who_waits_is_cancelled))
