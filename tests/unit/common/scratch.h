/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests that write files: a directory of each test's own, made and entered before it, removed
 * after it. `scratch` is its path.
 */
#ifndef XENITH_TESTS_UNIT_COMMON_SCRATCH_H
#define XENITH_TESTS_UNIT_COMMON_SCRATCH_H

#include "common/file.h"
#include "common/mem.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

static char scratch[64];

static maybe_unused int make_scratch(void **state)
{
	snprintf(scratch, sizeof(scratch), "/tmp/xenith-test-XXXXXX");
	return mkdtemp(scratch) && !chdir(scratch) ? 0 : -1;
}

static maybe_unused int remove_scratch(void **state)
{
	auto_str command = xasprintf("rm -rf '%s'", scratch);

	return chdir("/") || system(command) ? -1 : 0; /* lint: a test's own directory */
}

/* Puts a file with this text there. */
static maybe_unused void put(const char *path, const char *text)
{
	assert_int_equal(file_write(path, text, strlen(text), 0600, 0), 0);
}

static maybe_unused bool file_says(const char *path, const char *text)
{
	auto_str content = NULL;

	return !file_read(path, 1 << 20, &content, NULL) && strstr(content, text);
}

/* The file says TEXT somewhere; else the test fails and shows what it says. */
static maybe_unused void check_says(const char *path, const char *text)
{
	auto_str content = NULL;

	assert_int_equal(file_read(path, 1 << 20, &content, NULL), 0);
	if (!strstr(content, text))
		fail_msg("%s does not say '%s' but:\n%s", path, text, content);
}

#define IN_SCRATCH(fn) cmocka_unit_test_setup_teardown(fn, make_scratch, remove_scratch)

#endif
