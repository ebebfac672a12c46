/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every unit test includes: cmocka, and checks for our errors. A test program takes a filter
 * as its argument ("name*") and prints TAP.
 *
 *	static void adds_up(void **state) { … }
 *	TEST_MAIN(TEST(adds_up))
 */
#ifndef XENITH_TESTS_UNIT_TEST_H
#define XENITH_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/err.h" /* lint: cmocka.h wants to be first */

#define TEST(fn) cmocka_unit_test(fn)

#define TEST_MAIN(...) \
	int main(int argc, char **argv) \
	{ \
		const struct CMUnitTest tests[] = {__VA_ARGS__}; \
\
		if (argc > 1) \
			cmocka_set_test_filter(argv[1]); \
		setlinebuf(stdout); \
		cmocka_set_message_output(CM_OUTPUT_TAP); \
		return cmocka_run_group_tests_name(argv[0], tests, NULL, NULL); \
	}

/* Ends the test as skipped; in a printf format, why. */
#define SKIP(...) \
	do { \
		printf("# skip: " __VA_ARGS__); \
		printf("\n"); \
		skip(); \
	} while (0)

/* The expression gives no error. */
#define CHECK_OK(expr) \
	do { \
		auto_err check_ = (expr); \
		if (check_) \
			fail_msg("%s: %s", #expr, err_text(check_)); \
	} while (0)

/* The expression gives the error ERR_KIND; it is freed. */
#define CHECK_ERR(expr, KIND) \
	do { \
		auto_err check_ = (expr); \
		if (!check_) \
			fail_msg("%s: no error, expected %s", #expr, #KIND); \
		else if (!err_is(check_, &ERR_##KIND)) \
			fail_msg("%s: %s, expected %s", #expr, err_text(check_), #KIND); \
	} while (0)

#endif
