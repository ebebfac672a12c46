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

/* ---- scenes: this program again, without cmocka, which takes over signals ---- */

static const char *scene;
static char said[65536]; /* on stderr */

static void become_scene(void)
{
	execl("/proc/self/exe", "fiber_stack", "--scene", scene, (char *)NULL);
}

/* Its exit status; -1 when a signal ended it. */
static int play(const char *name)
{
	int status;

	scene = name;
	run_in_child(become_scene, said, sizeof(said), &status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_scene(const char *name, const char *message)
{
	play(name);
	if (!strstr(said, message))
		fail_msg("%s did not say \"%s\" but:\n%s", name, message, said);
}

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
	check_scene("overflows",
		HAVE_ASAN ? "stack-overflow" : "fiber 'bottomless' overflowed its stack");
	assert_true(play("a plain fault") != 0);
	assert_null(strstr(said, "overflowed"));
}

/* ---- what sanitizers see ---- */

static struct cond parked;

/* Some bytes past the end of a frame that was parked meanwhile. */
static void writes_past_end(void *arg)
{
	char bytes[16];
	volatile char *volatile p = bytes; /* the compiler may not see through */

	memset(bytes, 0, sizeof(bytes));
	CHECK_OK(fiber_yield());
	for (volatile int i = 0; i < 24; i++)
		p[i] = 1;
}

static void overflows_frame(void)
{
	run_in_fiber(writes_past_end, NULL);
}

static maybe_unused void an_overflow_in_a_parked_frame_is_seen(void **state)
{
	check_scene("overflows a frame", "stack-buffer-overflow");
}

/* A thread and a fiber write the same word, and nothing orders them. */
static int contended;

static void *contends(void *arg)
{
	contended++;
	return NULL;
}

static void races_fiber(void *arg)
{
	pthread_t thread;

	pthread_create(&thread, NULL, contends, NULL);
	CHECK_OK(fiber_yield());
	contended++;
	pthread_join(thread, NULL);
}

static void races(void)
{
	run_in_fiber(races_fiber, NULL);
}

static maybe_unused void a_race_with_a_thread_is_seen(void **state)
{
	check_scene("races", "data race");
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

/* What AddressSanitizer finds now; Valgrind looks when the process ends. */
static void inspects(void *unregister)
{
#if HAVE_ASAN
	struct fiber *f = unregister;

	if (f) /* what the stack's registration is good for */
		__lsan_unregister_root_region(f->stack->bottom, f->stack->size);
	fprintf(stderr, __lsan_do_recoverable_leak_check() ? "leaky\n" : "tight\n");
#endif
	_exit(0);
}

static void inspect(fiber_fn fn, bool unregisters)
{
	char *volatile of_the_loop = malloc(BLOCK_BYTES); /* known to the thread's own stack */
	struct fiber *f;

	cond_init(&parked);
	loop_init();
	err_free(fiber_spawn(&f, fn, NULL, "suspect"));
	err_free(fiber_spawn(NULL, inspects, unregisters ? f : NULL, "inspector"));
	loop_run(0);
	free(of_the_loop);
}

static void holds(void)
{
	inspect(holds_blocks, false);
}

static void holds_unregistered(void)
{
	inspect(holds_blocks, true);
}

static void loses(void)
{
	inspect(loses_blocks, false);
}

static maybe_unused void a_leak_is_seen_and_a_parked_fiber_is_none(void **state)
{
	check_scene("holds blocks", "tight");
	check_scene("loses blocks", "leaky");
	check_scene("holds blocks, unregistered", "leaky");
}

/* ---- what gdb sees: tests/behave/test_fiber_gdb.py plays this ---- */

static __attribute__((__noinline__)) void waits_for_a_bus(int number)
{
	err_free(cond_wait(&parked, "a bus", NEVER));
	fprintf(stderr, "bus %d came\n", number); /* so the wait is no tail call */
}

static __attribute__((__noinline__)) void goes_to_town(void *arg)
{
	waits_for_a_bus(12);
	fprintf(stderr, "arrived\n");
}

static __attribute__((__noinline__)) void for_a_train(void *arg)
{
	err_free(cond_wait(&parked, "a train", NEVER));
	fprintf(stderr, "arrived\n");
}

static void aborts(struct timer *t)
{
	abort();
}

static void parks_and_aborts(void)
{
	cond_init(&parked);
	loop_init();
	err_free(fiber_spawn(NULL, goes_to_town, NULL, "by bus"));
	err_free(fiber_spawn(NULL, for_a_train, NULL, "by train"));
	struct timer t;
	timer_init(&t, aborts);
	timer_arm(&t, deadline_in(NS_PER_MS));
	loop_run(0);
}

/* ---- what Valgrind sees ---- */

static maybe_unused int valgrind(const char *name, char *text, size_t size)
{
	auto_str command =
		xasprintf("exec /usr/bin/valgrind -q --leak-check=full --error-exitcode=9 "
			  "--errors-for-leak-kinds=definite /proc/%d/exe --scene '%s' 2>&1",
			(int)getpid(), name);
	FILE *f = popen(command, "re");
	size_t n = fread(text, 1, size - 1, f);

	text[n] = '\0';
	int status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static maybe_unused void valgrind_sees_it_too(void **state)
{
	static char text[65536];

	if (access("/usr/bin/valgrind", X_OK) < 0) {
		print_message("# skip: there is no /usr/bin/valgrind\n");
		skip();
	}
	int r = valgrind("holds blocks", text, sizeof(text));
	if (r != 0 || strstr(text, "switching stacks"))
		fail_msg("exit %d: %s", r, text);
	r = valgrind("loses blocks", text, sizeof(text));
	if (r != 9 || !strstr(text, "definitely lost"))
		fail_msg("exit %d: %s", r, text);
}

static int play_here(const char *name)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} scenes[] = {
		{"overflows", overflows},
		{"a plain fault", a_plain_fault},
		{"overflows a frame", overflows_frame},
		{"holds blocks", holds},
		{"holds blocks, unregistered", holds_unregistered},
		{"loses blocks", loses},
		{"races", races},
		{"parks and aborts", parks_and_aborts},
	};

	for (size_t i = 0; i < ARRAY_LEN(scenes); i++) {
		if (strcmp(scenes[i].name, name) == 0)
			scenes[i].fn();
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(pools),
		TEST(gives_deep_pages_back),
		TEST(guards_its_lower_end),
		TEST(an_overflow_names_its_fiber),
#if HAVE_ASAN
		TEST(an_overflow_in_a_parked_frame_is_seen),
		TEST(a_leak_is_seen_and_a_parked_fiber_is_none),
#elif HAVE_TSAN
		TEST(a_race_with_a_thread_is_seen),
#elif !defined(__clang__) /* valgrind 3.19 cannot read what clang tells debuggers */
		TEST(valgrind_sees_it_too),
#endif
	};

	if (argc == 3 && strcmp(argv[1], "--scene") == 0)
		return play_here(argv[2]);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(argv[0], tests, NULL, NULL);
}
