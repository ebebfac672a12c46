/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libevent's own HTTP server, which answers every request with the same bytes: what a server costs
 * that looks at nothing. No code of the project.
 */
#ifndef XENITH_TESTS_BENCH_BARE_EVHTTP_H
#define XENITH_TESTS_BENCH_BARE_EVHTTP_H

#include <sys/types.h>

/* What is asked, as long as VM.get_power_state is; the answer is its answer, headers and all. */
extern const char bare_hello_body[];

/* Starts it in a process of its own, which ends with ours; its port. */
int bare_evhttp_start(pid_t *pid);

#endif
