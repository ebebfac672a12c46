/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smd/automaton.c: the whole table, what it must not allow, and what users mean for a VDI.
 */
#include "smd/automaton.h"

#include "tests/unit/test.h"

#define NO N_DP_STATES

struct row {
	enum dp_state from;
	int to[N_DP_OPS]; /* NO: may not be done */
};

/* As the page tells it, written a second time. */
static void the_whole_table(void **state)
{
	static const struct row rows[] = {
		{DP_DETACHED, {DP_ATTACHED_RO, DP_ATTACHED_RW, NO, NO, DP_DETACHED, DP_DETACHED}},
		{DP_ATTACHED_RO,
			{DP_ATTACHED_RO, NO, DP_ACTIVATED_RO, DP_ACTIVATED_RO, DP_ATTACHED_RO,
				DP_DETACHED}},
		{DP_ATTACHED_RW,
			{DP_ATTACHED_RW, DP_ATTACHED_RW, DP_ACTIVATED_RW, DP_WAITING_RW,
				DP_ATTACHED_RW, DP_DETACHED}},
		{DP_ACTIVATED_RO,
			{DP_ACTIVATED_RO, NO, DP_ACTIVATED_RO, DP_ACTIVATED_RO, DP_ATTACHED_RO,
				NO}},
		{DP_WAITING_RW,
			{DP_WAITING_RW, DP_WAITING_RW, DP_ACTIVATED_RW, DP_WAITING_RW,
				DP_ATTACHED_RW, NO}},
		{DP_ACTIVATED_RW,
			{DP_ACTIVATED_RW, DP_ACTIVATED_RW, DP_ACTIVATED_RW, NO, DP_ATTACHED_RW,
				NO}},
	};

	assert_int_equal(sizeof(rows) / sizeof(rows[0]), N_DP_STATES);
	for (size_t i = 0; i < N_DP_STATES; i++) {
		for (int op = 0; op < N_DP_OPS; op++) {
			enum dp_state to = rows[i].from;
			bool may = dp_next(rows[i].from, (enum dp_op)op, &to);

			assert_int_equal(may, rows[i].to[op] != NO);
			if (may)
				assert_int_equal(to, rows[i].to[op]);
		}
	}
}

/* A call whose answer was lost is made again. */
static void every_step_may_be_repeated(void **state)
{
	for (int from = 0; from < N_DP_STATES; from++) {
		for (int op = 0; op < N_DP_OPS; op++) {
			enum dp_state to, again;

			if (!dp_next((enum dp_state)from, (enum dp_op)op, &to))
				continue;
			assert_true(dp_next(to, (enum dp_op)op, &again));
			assert_int_equal(again, to);
		}
	}
}

static void nobody_comes_to_write_by_reading(void **state)
{
	for (int from = 0; from < N_DP_STATES; from++) {
		for (int op = 0; op < N_DP_OPS; op++) {
			enum dp_state to;

			if (dp_is_read_write((enum dp_state)from) || op == DP_ATTACH_RW ||
				!dp_next((enum dp_state)from, (enum dp_op)op, &to))
				continue;
			assert_false(dp_is_read_write(to));
		}
	}
}

static void a_writer_has_it_alone(void **state)
{
	for (int a = 0; a < N_DP_STATES; a++) {
		for (int b = 0; b < N_DP_STATES; b++) {
			bool both_use = (a == DP_ACTIVATED_RW && b == DP_ACTIVATED_RW) ||
				(a == DP_ACTIVATED_RW && b == DP_ACTIVATED_RO) ||
				(a == DP_ACTIVATED_RO && b == DP_ACTIVATED_RW);

			assert_int_equal(dp_is_allowed_beside((enum dp_state)a, (enum dp_state)b),
				!both_use);
		}
	}
}

static void the_wire_keeps_every_state(void **state)
{
	for (int s = 0; s < N_DP_STATES; s++) {
		enum dp_state at = (enum dp_state)s;

		assert_int_equal(dp_state_of_wire(dp_wire_state(at), dp_is_read_write(at)), at);
	}
}

static void a_vdi_needs_what_its_users_need(void **state)
{
	struct vdi_need need = vdi_need_both(dp_need(DP_ACTIVATED_RO), dp_need(DP_ATTACHED_RW));

	assert_true(need.is_attached && need.attached_rw && need.is_activated);
	assert_false(need.activated_rw);
	need = dp_need(DP_WAITING_RW);
	assert_true(need.attached_rw && need.is_activated);
	assert_false(need.activated_rw);
	assert_true(dp_need(DP_ACTIVATED_RW).activated_rw);
	assert_false(dp_need(DP_DETACHED).is_attached);
}

TEST_MAIN(TEST(the_whole_table), TEST(every_step_may_be_repeated),
	TEST(nobody_comes_to_write_by_reading), TEST(a_writer_has_it_alone),
	TEST(the_wire_keeps_every_state), TEST(a_vdi_needs_what_its_users_need))
