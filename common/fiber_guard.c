/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a stack that overflows says before the program dies: a fault in the guard below the running
 * fiber's stack is told with the fiber's name; then the fault happens again, as it would have
 * without us, and the core file shows it. On a signal stack, since the fiber has none left. Loop
 * thread only. AddressSanitizer has a better message of its own, so there this file does nothing.
 */
#include "common/fiber_priv.h"

#include <signal.h>
#include <string.h>

static char signal_stack[64 * 1024];
static struct sigaction before;
static stack_t stack_before;

/* Only what a signal handler may call. */
static void say(const char *s)
{
	ssize_t ignored = write(STDERR_FILENO, s, strlen(s));

	(void)ignored;
}

static void fault(int signum, siginfo_t *info, void *context)
{
	const struct fiber *f = fiber_current();

	if (f && fiber_stack_guards(f->stack, info->si_addr)) {
		say("bug: fiber '");
		say(f->name);
		say("' overflowed its stack\n");
	}
	/* Back to where it faulted, and once more, now to whoever was to handle it. */
	sigaction(SIGSEGV, &before, NULL);
	if (info->si_code <= 0) /* somebody sent it: nothing will fault again */
		raise(signum);
}

void fiber_guard_init(void)
{
	if (HAVE_ASAN)
		return;
	stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
	struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};

	action.sa_sigaction = fault;
	sigemptyset(&action.sa_mask);
	sigaltstack(&stack, &stack_before);
	sigaction(SIGSEGV, &action, &before);
}

void fiber_guard_fini(void)
{
	if (HAVE_ASAN)
		return;
	sigaction(SIGSEGV, &before, NULL);
	sigaltstack(&stack_before, NULL);
}
