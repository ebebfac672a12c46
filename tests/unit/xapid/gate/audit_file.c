/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xapid/gate/audit_file.h: lines stay whole, in order and within bounds, and are found by time.
 */
#include "xapid/gate/audit_file.h"

#include "common/mem.h"
#include "common/sbuf.h"
#include "tests/unit/common/runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *path; /* owned */

static void begin(int64_t max, int64_t kept)
{
	free(path);
	path = xasprintf("%s/audit", getenv("TMPDIR"));
	for (int i = 0; i < 10; i++) {
		auto_str name = i ? xasprintf("%s.%d", path, i) : xstrdup(path);

		unlink(name);
	}
	CHECK_OK(audit_file_open(path, max, kept));
}

static void end(void)
{
	audit_file_close();
	begin(1000, 0); /* which removes what was there */
	audit_file_close();
	unlink(path);
	free(take(path));
}

static void add(int second, const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line),
		"{\"time\":\"2027-01-01T00:00:%02d.000Z\",\"x\":\"%s\"}\n", second, text);

	audit_file_add(line, (size_t)n);
}

static MAY_WAIT void read_since(int64_t since, struct sbuf *out)
{
	struct audit_reader r;
	const char *bytes;
	size_t n;

	sbuf_clear(out);
	audit_reader_init(&r, since);
	do {
		CHECK_OK(audit_reader_next(&r, &bytes, &n));
		sbuf_add(out, bytes, n);
		assert_true(!n || bytes[n - 1] == '\n');
	} while (n);
	audit_reader_fini(&r);
}

#define FIRST INT64_C(1798761600) /* 2027-01-01T00:00:00Z */

static MAY_WAIT void check_since(void *arg)
{
	auto_sbuf all = {0}, some = {0};

	begin(100000, 3);
	for (int i = 0; i < 60; i++)
		add(i, "line");
	read_since(-1, &all);
	for (int i = 0; i < 60; i += 7) {
		size_t line = sbuf_len(&all) / 60;

		read_since(FIRST + i, &some);
		assert_int_equal(sbuf_len(&some), (60 - (size_t)i) * line);
		assert_memory_equal(
			sbuf_data(&some), sbuf_data(&all) + (size_t)i * line, sbuf_len(&some));
	}
	read_since(FIRST + 60, &some);
	assert_int_equal(sbuf_len(&some), 0);
	end();
}

/* Many blocks of many files, with a reader that began before the files stepped aside. */
static MAY_WAIT void check_bounds(void *arg)
{
	auto_sbuf all = {0};
	struct audit_reader early;
	const char *bytes;
	char text[200];
	size_t n;
	int first = -1, next;

	begin(200000, 2);
	add(0, "early");
	audit_reader_init(&early, -1);
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "%d-%0*d", i, i % 150, 0);
		add(0, text);
	}
	read_since(-1, &all);
	assert_true(sbuf_len(&all) <= 3 * 200000);
	assert_true(sbuf_len(&all) > 2 * 190000);
	for (char *line = sbuf_str(&all); *line; line = strchr(line, '\n') + 1) {
		assert_int_equal(sscanf(strstr(line, "\"x\":\"") + 5, "%d", &next), 1);
		assert_true(first < 0 || next == first + 1);
		first = next;
	}
	assert_int_equal(first, 9999);
	CHECK_OK(audit_reader_next(&early, &bytes, &n));
	assert_non_null(memmem(bytes, n, "early", 5));
	CHECK_OK(audit_reader_next(&early, &bytes, &n));
	assert_int_equal(n, 0);
	audit_reader_fini(&early);
	end();
}

/* A line that was cut off by a full disk does not take the next one with it. */
static MAY_WAIT void check_torn(void *arg)
{
	auto_sbuf all = {0};

	begin(100000, 1);
	audit_file_add("{\"time\":\"2027-", 14);
	audit_file_close();
	CHECK_OK(audit_file_open(path, 100000, 1));
	add(1, "whole");
	read_since(-1, &all);
	assert_non_null(strstr(sbuf_str(&all), "2027-\n{\"time\""));
	read_since(FIRST, &all);
	assert_true(!strncmp(sbuf_str(&all), "{\"time\":\"2027-01-01T00:00:01", 28));
	end();
}

static void since(void **state)
{
	run_in_fiber(check_since, NULL);
}

static void bounds(void **state)
{
	run_in_fiber(check_bounds, NULL);
}

static void torn(void **state)
{
	run_in_fiber(check_torn, NULL);
}

TEST_MAIN(TEST(since), TEST(bounds), TEST(torn))
