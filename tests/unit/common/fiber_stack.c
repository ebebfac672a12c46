/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/fiber_stack.c and fiber_guard.c: the pool, what an overflow says, and that the sanitizers
 * and Valgrind see through fibers: a true leak and a true overflow are reported, what a parked
 * fiber holds is not.
 */
#include "common/fiber_stack.h"

#include "common/fiber.h"
#include "common/fiber_priv.h"
#include "common/mem.h"
#include "tests/unit/common/runtime.h"

#include <sys/mman.h>

#if HAVE_ASAN
#include <sanitizer/lsan_interface.h>
#endif

/* ---- the pool ---- */

static void pools(void **state)
{
	struct fiber_stack *s = fiber_stack_get();

	assert_int_equal(fiber_stack_count(), 1);
	memset(s->bottom, 1, s->size);
	fiber_stack_put(s);
	assert_int_equal(fiber_stack_pooled(), 1);
	assert_ptr_equal(fiber_stack_get(), s);
	assert_int_equal(fiber_stack_pooled(), 0);
	fiber_stack_put(s);
	fiber_stack_fini();
	assert_int_equal(fiber_stack_count(), 0);
}

static size_t resident_pages(const struct fiber_stack *s)
{
	unsigned char pages[512 * 1024 / 4096];
	size_t n = 0;

	assert_int_equal(mincore(s->bottom, s->size, pages), 0);
	for (size_t i = 0; i < s->size / (size_t)getpagesize(); i++)
		n += pages[i] & 1;
	return n;
}

/* A fiber that went deep once does not hold its pages for ever. */
static void gives_deep_pages_back(void **state)
{
	struct fiber_stack *s = fiber_stack_get();

	memset(s->bottom, 1, s->size);
	assert_true(resident_pages(s) > 16);
	for (int i = 0; i < 16; i++) {
		fiber_stack_put(s);
		assert_ptr_equal(fiber_stack_get(), s);
	}
	assert_true(resident_pages(s) <= 4);
	fiber_stack_put(s);
	fiber_stack_fini();
}

static void guards_its_lower_end(void **state)
{
	struct fiber_stack *s = fiber_stack_get();

	assert_true(fiber_stack_guards(s, s->bottom - 1));
	assert_true(fiber_stack_guards(s, s->map));
	assert_false(fiber_stack_guards(s, s->bottom));
	assert_false(fiber_stack_guards(s, s->map - 1));
	fiber_stack_put(s);
	fiber_stack_fini();
}

/* ---- overflow of the stack ---- */

static int recurses(volatile char *above, int depth)
{
	volatile char here[512];

	here[0] = above ? above[0] : 0;
	return depth ? recurses(here, depth - 1) + here[0] : 0;
}

static void recurses_fiber(void *arg)
{
	recurses(NULL, 1 << 20);
}

static void overflows(void)
{
	loop_init();
	err_free(fiber_spawn(NULL, recurses_fiber, NULL, "bottomless"));
	loop_run(0);
}

static void a_plain_fault(void)
{
	loop_init();
	raise(SIGSEGV);
}

static void an_overflow_names_its_fiber(void **state)
{
	static char text[65536];
	int status;

	if (HAVE_ASAN) {
		check_dies(overflows, "stack-overflow");
		return;
	}
	check_dies(overflows, "fiber 'bottomless' overflowed its stack");
	run_in_child(a_plain_fault, text, sizeof(text), &status);
	assert_null(strstr(text, "overflowed"));
}

/* ---- what sanitizers see ---- */

static struct cond parked;

/* Some bytes past the end of a frame that was parked meanwhile. */
static void writes_past_end(void *arg)
{
	char bytes[16];
	volatile char *p = bytes;

	memset(bytes, 0, sizeof(bytes));
	CHECK_OK(fiber_yield());
	for (volatile int i = 0; i < 24; i++)
		p[i] = 1;
}

static void overflows_frame(void)
{
	run_in_fiber(writes_past_end, NULL);
}

static void an_overflow_in_a_parked_frame_is_seen(void **state)
{
	if (!HAVE_ASAN) {
		print_message("# skip: needs SAN=address\n");
		skip();
	}
	check_dies(overflows_frame, "stack-buffer-overflow");
}

enum { BLOCKS = 20, BLOCK_BYTES = 1000 };

/* Only its stack knows the blocks. */
static __attribute__((__noinline__)) void holds_blocks(void *arg)
{
	void *volatile blocks[BLOCKS];

	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(BLOCK_BYTES);
	err_free(cond_wait(&parked, "the check", NEVER));
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
}

/* Nobody knows the blocks. */
static __attribute__((__noinline__)) void loses_blocks(void *arg)
{
	for (int i = 0; i < BLOCKS; i++) {
		volatile char *volatile lost = malloc(BLOCK_BYTES);

		lost[0] = 1;
	}
}

static void check_leaks_now(void *arg)
{
#if HAVE_ASAN
	if (arg) /* what the stack's registration is good for */
		__lsan_unregister_root_region(
			((struct fiber *)arg)->stack->bottom, ((struct fiber *)arg)->stack->size);
	fprintf(stderr, __lsan_do_recoverable_leak_check() ? "leaky\n" : "tight\n");
	_exit(0);
#endif
}

static void check_leaks(fiber_fn fn, bool unregisters)
{
	struct fiber *f;

	cond_init(&parked);
	loop_init();
	err_free(fiber_spawn(&f, fn, NULL, "suspect"));
	err_free(fiber_spawn(NULL, check_leaks_now, unregisters ? f : NULL, "inspector"));
	loop_run(0);
}

static void leak_of_parked(void)
{
	check_leaks(holds_blocks, false);
}

static void leak_of_unregistered(void)
{
	check_leaks(holds_blocks, true);
}

static void leak_of_ended(void)
{
	check_leaks(loses_blocks, false);
}

static void check_says(void (*fn)(void), const char *message)
{
	static char text[65536];
	int status;

	run_in_child(fn, text, sizeof(text), &status);
	if (!strstr(text, message))
		fail_msg("did not say \"%s\" but:\n%s", message, text);
}

static void a_leak_is_seen_and_a_parked_fiber_is_none(void **state)
{
	if (!HAVE_ASAN) {
		print_message("# skip: needs SAN=address\n");
		skip();
	}
	check_says(leak_of_parked, "tight");
	check_says(leak_of_ended, "leaky");
	check_says(leak_of_unregistered, "leaky");
}

/* ---- what Valgrind sees: this program again, under it ---- */

static void valgrind_leaves(void *arg)
{
	fflush(NULL);
	_exit(0); /* Valgrind looks for leaks; the suspect is parked */
}

static int under_valgrind(const char *scene)
{
	struct fiber *f;

	cond_init(&parked);
	loop_init();
	err_free(fiber_spawn(
		&f, strcmp(scene, "holds") == 0 ? holds_blocks : loses_blocks, NULL, "suspect"));
	err_free(fiber_spawn(NULL, valgrind_leaves, NULL, "inspector"));
	loop_run(0);
	return 0;
}

static int valgrind(const char *scene, char *text, size_t size)
{
	auto_str command =
		xasprintf("exec /usr/bin/valgrind -q --leak-check=full --error-exitcode=9 "
			  "--errors-for-leak-kinds=definite /proc/%d/exe --scene %s 2>&1",
			(int)getpid(), scene);
	FILE *f = popen(command, "re");
	size_t n = fread(text, 1, size - 1, f);

	text[n] = '\0';
	int status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void valgrind_sees_it_too(void **state)
{
	static char text[65536];

	if (HAVE_ASAN || HAVE_TSAN || access("/usr/bin/valgrind", X_OK) < 0) {
		print_message("# skip: needs /usr/bin/valgrind and a build without sanitizers\n");
		skip();
	}
	int r = valgrind("holds", text, sizeof(text));
	if (r != 0 || strstr(text, "switching stacks"))
		fail_msg("exit %d: %s", r, text);
	r = valgrind("loses", text, sizeof(text));
	if (r != 9 || !strstr(text, "definitely lost"))
		fail_msg("exit %d: %s", r, text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {TEST(pools), TEST(gives_deep_pages_back),
		TEST(guards_its_lower_end), TEST(an_overflow_names_its_fiber),
		TEST(an_overflow_in_a_parked_frame_is_seen),
		TEST(a_leak_is_seen_and_a_parked_fiber_is_none), TEST(valgrind_sees_it_too)};

	if (argc == 3 && strcmp(argv[1], "--scene") == 0)
		return under_valgrind(argv[2]);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(argv[0], tests, NULL, NULL);
}
