/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/fiber_switch.c where there is no assembly for the processor: this program compiles the
 * portable switch (swapcontext) into itself, in place of the archive's.
 */
#define FIBER_SWITCH_PORTABLE
#include "common/fiber_switch.c"

#include "tests/unit/test.h"

static struct fiber_context self, other;
static int n_rounds;

static void other_main(void)
{
	fiber_context_entered(&other, &self);
	for (volatile int i = 0; i < 3; i++) {
		n_rounds++;
		fiber_context_switch(&other, &self);
	}
	fiber_context_leave(&other, &self);
}

static void switches_without_assembly(void **state)
{
	size_t size = 256 * 1024;
	void *stack = malloc(size);

	fiber_context_init_self(&self);
	fiber_context_init(&other, stack, size, 64, other_main);
	for (int i = 1; i <= 3; i++) {
		fiber_context_switch(&self, &other);
		assert_int_equal(n_rounds, i);
	}
	fiber_context_switch(&self, &other);
	assert_int_equal(n_rounds, 3);
	fiber_context_fini(&other);
	free(stack);
}

TEST_MAIN(TEST(switches_without_assembly))
