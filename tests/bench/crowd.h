/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many clients of the XenAPI at once, for benches: plain sockets that speak JSON-RPC over HTTP, one
 * epoll for all of them, and as little work a byte as can be, since it is paid by the CPUs that are
 * measured. What goes wrong ends the program.
 */
#ifndef XENITH_TESTS_BENCH_CROWD_H
#define XENITH_TESTS_BENCH_CROWD_H

#include "common/dialect.h"

#include <stddef.h>
#include <stdint.h>

struct crowd_conn {
	int fd;
	unsigned number; /* its place in the crowd */
	unsigned step; /* for who uses it */
	char *bytes; /* owned; of answers that are not whole yet */
	size_t n, size;
};

struct crowd {
	struct crowd_conn *v; /* owned */
	size_t n;
	int epoll_fd;
};

/* The body of an answer, NUL-terminated, until the function returns. */
typedef void (*crowd_fn)(struct crowd_conn *c, char *body, size_t len, void *arg);

/* N connections to a port of this host, beside others that are open. */
void crowd_open(struct crowd *c, size_t n, unsigned port);
/* One to a Unix socket. */
void crowd_open_unix(struct crowd *c, const char *path);
void crowd_close(struct crowd *c);

/* Sends a call; PARAMS is what stands between the brackets. */
void crowd_call(struct crowd_conn *c, const char *method, const char *params_fmt, ...)
	printf_like(3, 4);
/* Sends bytes as they are. */
void crowd_send(struct crowd_conn *c, const char *bytes, size_t n);
/* Takes what comes, until *DONE or for at most TIMEOUT_MS; false: time is over. */
bool crowd_run(struct crowd *c, crowd_fn fn, void *arg, const bool *done, int timeout_ms);
/* The body of the next answer on the first connection, which is no error; until the next one. */
char *crowd_answer(struct crowd *c);
/* A call and its answer. */
char *crowd_ask(struct crowd *c, const char *method, const char *params_fmt, ...) printf_like(3, 4);

/* The string behind KEY ("\"token\":\""), copied; ends the program when it is not there. */
void crowd_string_after(const char *text, const char *key, char *out, size_t size);

#endif
