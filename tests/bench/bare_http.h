/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests over kept connections to a port of this machine, as fast as they are answered: the same
 * client for what is measured and for its base. No code of the project, so that bases may have it.
 * What goes wrong ends the program.
 */
#ifndef XENITH_TESTS_BENCH_BARE_HTTP_H
#define XENITH_TESTS_BENCH_BARE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

/* Ends the program with what errno says. */
void bare_must(bool ok, const char *what);
long bare_now_ns(void);

struct bare_figures {
	double rate; /* a second */
	double p50, p99; /* microseconds */
};
/* Of N durations in nanoseconds, which are sorted; the rate is left alone. */
void bare_figures(long *ns, size_t n, struct bare_figures *out);

/* A call of XML-RPC as bytes of HTTP, for free(). */
char *bare_http_post(const char *body, size_t *len);
/* A connection to 127.0.0.1, without delay. */
int bare_http_connect(int port);
/* Sends the request and reads the answer, whole; how long that is. ANSWER, of SIZE, gets it. */
size_t bare_http_ask(int fd, const char *request, size_t len, char *answer, size_t size);

struct bare_load {
	int port;
	unsigned n_conns; /* each has one request under way */
	size_t n; /* answers in all */
	const char *request;
	size_t len;
};
/* All answers are as long as the first one, and say that they are well. */
void bare_http_load(const struct bare_load *load, struct bare_figures *out);

#endif
