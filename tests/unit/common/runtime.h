/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests of code that waits: runs a function in a fiber on a loop of its own, until it and every
 * fiber that it spawned have ended. A failed check may leave the fiber: cmocka jumps out, and the
 * program ends.
 */
#ifndef XENITH_TESTS_UNIT_COMMON_RUNTIME_H
#define XENITH_TESTS_UNIT_COMMON_RUNTIME_H

#include "common/clock.h"
#include "common/fiber.h"
#include "common/loop.h"
#include "tests/unit/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

struct run_in_fiber {
	fiber_fn fn;
	void *arg;
};

static maybe_unused void run_in_fiber_main(void *arg)
{
	struct run_in_fiber *r = arg;

	r->fn(r->arg);
	loop_stop();
}

static maybe_unused void run_in_fiber(fiber_fn fn, void *arg)
{
	struct run_in_fiber r = {.fn = fn, .arg = arg};

	loop_init();
	err_free(fiber_spawn(NULL, run_in_fiber_main, &r, "test"));
	loop_run(10 * NS_PER_S);
	loop_fini();
}

/* What FN printed to stderr in a process of its own; *STATUS is its wait status. */
static maybe_unused void run_in_child(void (*fn)(void), char *text, size_t size, int *status)
{
	int fds[2];
	size_t n = 0;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		fn();
		_exit(0);
	}
	close(fds[1]);
	for (ssize_t got; n < size - 1 && (got = read(fds[0], text + n, size - 1 - n)) > 0;)
		n += (size_t)got;
	text[n] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, status, 0), pid);
}

/* FN ends its process, and not well, with MESSAGE on stderr. */
static maybe_unused void check_dies(void (*fn)(void), const char *message)
{
	static char text[65536];
	int status;

	run_in_child(fn, text, sizeof(text), &status);
	if (!strstr(text, message))
		fail_msg("did not say \"%s\" but:\n%s", message, text);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A fiber: steps the clock, by so many ns, once it runs. */
static maybe_unused void step_clock(void *ns)
{
	clock_step((intptr_t)ns);
}

#endif
