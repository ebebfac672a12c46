/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/log.c: the form of a line, what hostile text becomes, levels by module, rate limits, lines
 * of many threads. What is logged is read back from a memory file put in place of stderr.
 */
#include "common/fiber.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/offload.h"
#include "core.gen.h"
#include "tests/unit/test.h"

#include "common/log.c"

#include <fcntl.h>
#include <regex.h>
#include <sys/mman.h>

#undef LOG_MODULE

static int captured_fd = -1, kept_stderr = -1;

static void capture(void)
{
	captured_fd = memfd_create("log", MFD_CLOEXEC);
	/* Threads write at once, and a memfd does not guard its offset. */
	assert_int_equal(fcntl(captured_fd, F_SETFL, O_APPEND), 0);
	kept_stderr = dup(STDERR_FILENO);
	dup2(captured_fd, STDERR_FILENO);
}

/* What was logged since capture(), for the caller to free. */
static char *captured(void)
{
	off_t size = lseek(captured_fd, 0, SEEK_END);
	char *text = xmalloc((size_t)size + 1);

	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	assert_int_equal(pread(captured_fd, text, (size_t)size, 0), size);
	text[size] = '\0';
	close(captured_fd);
	return text;
}

static void check_matches(const char *text, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	int r = regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	if (r)
		fail_msg("'%s' does not match %s", text, pattern);
}

#define TIME "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "

static void a_line_has_its_form(void **state)
{
	capture();
	log_warn("disk %d is %s", 3, "slow");
	auto_str text = captured();
	check_matches(text, TIME "warn testd\\[main\\] - disk 3 is slow\n$");
}

static void a_bug_is_recognised(void **state)
{
	capture();
	log_bug("two workers on one VM");
	auto_str text = captured();
	check_matches(text, TIME "bug testd\\[main\\] - two workers on one VM\n$");
}

static void an_error_is_shown_whole(void **state)
{
	auto_err e = err_wrap(err(INVALID_VALUE, "vm.name", "empty"), "starting");

	capture();
	log_err(LOG_ERROR_, e, "call %d", 7);
	log_err(LOG_ERROR_, NULL, "call %d", 8);
	auto_str text = captured();
	check_matches(text, "call 7: INVALID_VALUE\\(vm.name, empty\\): starting\n");
	check_matches(text, "call 8: no error\n$");
}

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* Whatever is logged, there is one line, and no byte of it moves a cursor. */
static void check_harmless(const char *text)
{
	size_t len = strlen(text);
	uint32_t c;

	assert_int_equal(count(text, '\n'), 1);
	assert_int_equal(text[len - 1], '\n');
	for (size_t at = 0, n; at < len - 1; at += n) {
		n = utf8_decode(text + at, len - at, &c);
		assert_true(n > 0);
		assert_true(utf8_is_plain(c));
	}
}

static void nothing_is_injected(void **state)
{
	static const char *const hostile[] = {
		"x\n2026-01-01T00:00:00.000Z bug xapid[main] - forged",
		"x\r\nforged",
		"\x1b[2J\x1b]0;title\x07",
		"\x9b"
		"31m", /* CSI as one byte */
		"\xc2\x9b"
		"31m", /* the same in UTF-8 */
		"\u202etxt.exe",
		"\u2066\u2069\u2028\u2029\xc2\x85",
		"\xff\xfe\xc0\xaf\xed\xa0\x80",
		"100%s%n%d",
		"tail is cut \xe2\x82",
		"\x7f\x08\x08\x08",
		"\U000e0041\u200b\ufeff",
	};

	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		capture();
		log_info("name is %s", hostile[i]);
		auto_str text = captured();
		check_harmless(text);
	}
}

static void every_byte_pair_is_harmless(void **state)
{
	for (unsigned pair = 0; pair < 0x10000; pair += 1 + (pair > 0x100) * 6) {
		char s[] = {'a', (char)(pair >> 8), (char)pair, 'b', '\0'};

		capture();
		log_info("%.*s", 4, s);
		auto_str text = captured();
		check_harmless(text);
	}
}

static void a_long_line_is_cut(void **state)
{
	size_t len = 1 << 20;
	auto_str text = xmalloc(len + 1);

	memset(text, '\n', len);
	text[len] = '\0';
	capture();
	log_info("%s", text);
	auto_str line = captured();
	check_harmless(line);
	assert_true(strlen(line) <= 4096);
	check_matches(line, "\\.\\.\\.\\[cut: 104[0-9]{4} bytes more\\]\n$");

	/* Cut in the middle of a character: the character goes, nothing is mangled. */
	for (size_t i = 0; i + 3 <= len; i += 3)
		memcpy(text + i, "世", 3);
	for (size_t shift = 0; shift < 3; shift++) {
		capture();
		log_info("%.*s%s", (int)shift, "xx", text);
		auto_str cut = captured();
		check_harmless(cut);
		assert_null(strstr(cut, "\\x"));
	}
}

static void a_line_of_full_length_is_whole(void **state)
{
	char text[LINE_SIZE - HEAD_SIZE + 1];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	capture();
	log_info("%s", text);
	auto_str line = captured();
	assert_null(strstr(line, "[cut"));
	assert_int_equal(count(line, 'x'), sizeof(text) - 1);
}

static void errno_stays(void **state)
{
	capture();
	errno = ENOSPC;
	log_info("writing: %m");
	assert_int_equal(errno, ENOSPC);
	auto_str text = captured();
	check_matches(text, "writing: No space left on device\n$");
}

static struct log_module queue_a = {.name = "queue", .level = -1};
static struct log_module queue_b = {.name = "queue", .level = -1};
static struct log_module late = {.name = "late", .level = -1};
static struct log_module other = {.name = "other", .level = -1};

static void levels_are_by_module(void **state)
{
	CHECK_OK(log_configure("warn"));
	assert_false(log_is_on(&queue_a, LOG_INFO_));
	assert_false(log_is_on(&other, LOG_INFO_));
	assert_true(log_is_on(&other, LOG_WARN_));

	assert_true(log_set_level("queue", LOG_DEBUG_));
	assert_true(log_is_on(&queue_a, LOG_DEBUG_));
	assert_true(log_is_on(&queue_b, LOG_DEBUG_)); /* another file, listed only now */
	assert_false(log_is_on(&other, LOG_INFO_));

	assert_false(log_set_level("late", LOG_ERROR_));
	assert_false(log_is_on(&late, LOG_WARN_));
	assert_true(log_set_level("late", LOG_INFO_));

	assert_true(log_set_level(NULL, LOG_BUG_));
	assert_false(log_is_on(&other, LOG_ERROR_));
	assert_true(log_is_on(&other, LOG_BUG_));
	assert_true(log_is_on(&queue_a, LOG_DEBUG_));
	CHECK_OK(log_configure("info"));
}

static void configures_all_at_once(void **state)
{
	CHECK_OK(log_configure("warn, queue=debug,other=error"));
	assert_true(log_is_on(&queue_a, LOG_DEBUG_));
	assert_false(log_is_on(&other, LOG_WARN_));
	assert_false(log_is_on(&late, LOG_INFO_));

	CHECK_ERR(log_configure("debug,queue=loud"), INVALID_VALUE);
	CHECK_ERR(log_configure("queue="), INVALID_VALUE);
	CHECK_ERR(log_configure("=debug"), INVALID_VALUE);
	assert_true(log_is_on(&queue_a, LOG_DEBUG_)); /* nothing has changed */
	assert_false(log_is_on(&late, LOG_INFO_));

	CHECK_OK(log_configure(""));
	assert_false(log_is_on(&queue_a, LOG_DEBUG_));
	assert_true(log_is_on(&late, LOG_INFO_));
}

/* A peer may name modules without end; what is remembered is bounded, known modules always obey. */
static void wishes_are_bounded(void **state)
{
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "module-%d", i);
		assert_false(log_set_level(name, LOG_DEBUG_));
	}
	assert_true(log_is_on(&other, LOG_INFO_));
	assert_true(log_set_level("other", LOG_BUG_));
	assert_false(log_is_on(&other, LOG_INFO_));
	CHECK_OK(log_configure("info"));
	assert_int_equal(n_wishes, 0);
}

static void a_rate_is_limited(void **state)
{
	struct log_rate rate = {.period_ns = 100, .burst = 2};
	unsigned dropped = 99;

	assert_true(log_rate_ok_at(&rate, 1000, &dropped));
	assert_int_equal(dropped, 0);
	assert_true(log_rate_ok_at(&rate, 1050, &dropped));
	assert_false(log_rate_ok_at(&rate, 1060, &dropped));
	assert_false(log_rate_ok_at(&rate, 1099, &dropped));
	assert_true(log_rate_ok_at(&rate, 1100, &dropped));
	assert_int_equal(dropped, 2);
	assert_true(log_rate_ok_at(&rate, 1150, &dropped));
	assert_int_equal(dropped, 0);
}

static void what_was_left_out_is_told(void **state)
{
	capture();
	for (int i = 0; i < 100; i++)
		log_rl(LOG_WARN_, "the same again");
	auto_str text = captured();
	assert_int_equal(count(text, '\n'), 5);
}

#define N_THREADS 8
#define N_LINES   500

static struct log_rate shared_rate = {.period_ns = INT64_MAX / 2, .burst = N_THREADS * N_LINES / 2};
static atomic_uint passed;

static void *logs_much(void *arg)
{
	unsigned dropped;

	for (int i = 0; i < N_LINES; i++) {
		log_info("thread %p says %0*d.", arg, 200, i);
		log_set_level("queue", i % 2 ? LOG_DEBUG_ : LOG_INFO_);
		log_is_on(&queue_a, LOG_DEBUG_);
		passed += log_rate_ok_at(&shared_rate, 0, &dropped);
	}
	return NULL;
}

/* Lines of threads never mix, and the rate limit counts them all. */
static void threads_log_whole_lines(void **state)
{
	pthread_t threads[N_THREADS];
	size_t n = 0;

	capture();
	/* A memory file has one offset only if it is appended to. */
	fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
	for (size_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, logs_much, (void *)(i + 1)), 0);
	for (size_t i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	auto_str text = captured();
	char *rest;
	for (char *l = strtok_r(text, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest)) {
		check_matches(
			l, TIME "info testd\\[main\\] - thread 0x[0-9a-f]+ says 0{190}[0-9]+\\.$");
		n++;
	}
	assert_int_equal(n, N_THREADS * N_LINES);
	assert_int_equal(passed, N_THREADS * N_LINES / 2);
	CHECK_OK(log_configure("info"));
}

static void tags_are_one_word(void **state)
{
	static struct line l;

	line_set_tag(&l, NULL);
	assert_string_equal(l.tag, "-");
	line_set_tag(&l, "");
	assert_string_equal(l.tag, "-");
	line_set_tag(&l, "task 17\nx");
	assert_string_equal(l.tag, "task_17\\nx");
}

static void logs_from_the_pool(void *arg)
{
	log_info("for %s", (const char *)arg);
}

static MAY_WAIT void logs_with_tag(void *arg)
{
	fiber_set_tag(arg);
	log_info("from a fiber");
	CHECK_OK(offload("logging", logs_from_the_pool, arg));
}

static MAY_WAIT void stops_when_alone(void *arg)
{
	while (fiber_count() > 1)
		CHECK_OK(fiber_yield());
	loop_stop();
}

static void lines_carry_the_fibers_tag(void **state)
{
	static char first[] = "task-1", second[] = "task 2";

	loop_init();
	capture();
	CHECK_OK(fiber_spawn(NULL, logs_with_tag, first, "one"));
	CHECK_OK(fiber_spawn(NULL, logs_with_tag, second, "two"));
	CHECK_OK(fiber_spawn(NULL, stops_when_alone, NULL, "three"));
	loop_run(10 * NS_PER_S);
	auto_str text = captured();
	check_matches(text, "testd\\[main\\] task-1 from a fiber\n");
	check_matches(text, "testd\\[main\\] task_2 from a fiber\n");
	check_matches(text, "testd\\[main\\] task-1 for task-1\n");
	check_matches(text, "testd\\[main\\] task_2 for task 2\n");
	offload_fini();
	loop_fini();
}

static void journal_has_its_fields(void **state)
{
	static union message m;
	static struct line l = {.module = &queue_a, .level = LOG_BUG_, .file = "a.c", .number = 12};
	static const char *const expected[] = {"MESSAGE=bug: two lines\\nof text", "PRIORITY=2",
		"SYSLOG_IDENTIFIER=testd", "CODE_FILE=a.c", "CODE_LINE=12", "XENITH_MODULE=queue",
		"XENITH_TAG=task-1"};

	line_set_tag(&l, "task-1");
	l.text_len = (size_t)snprintf(l.text, sizeof(l.text), "two lines\\nof text");
	(void)to_journald(&m, &l); /* there may be no journal here */
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_int_equal(m.journal.fields[i].iov_len, strlen(expected[i]));
		assert_memory_equal(m.journal.fields[i].iov_base, expected[i], strlen(expected[i]));
	}
}

static int set_up(void **state)
{
	unsetenv("XENITH_LOG");
	log_init("testd");
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {TEST(a_line_has_its_form), TEST(a_bug_is_recognised),
		TEST(an_error_is_shown_whole), TEST(nothing_is_injected),
		TEST(every_byte_pair_is_harmless), TEST(a_long_line_is_cut),
		TEST(a_line_of_full_length_is_whole), TEST(errno_stays), TEST(levels_are_by_module),
		TEST(configures_all_at_once), TEST(wishes_are_bounded), TEST(a_rate_is_limited),
		TEST(what_was_left_out_is_told), TEST(threads_log_whole_lines),
		TEST(tags_are_one_word), TEST(lines_carry_the_fibers_tag),
		TEST(journal_has_its_fields)};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(argv[0], tests, set_up, NULL);
}
