/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of xapid for benches: one connection that is kept, over the Unix socket of root or TCP,
 * and calls of XML-RPC. It blocks, whoever calls it: nothing else is to run meanwhile. What goes
 * wrong, a failure that xapid answers too, ends the program.
 */
#ifndef XENITH_TESTS_BENCH_XAPID_CLIENT_H
#define XENITH_TESTS_BENCH_XAPID_CLIENT_H

#include "common/sbuf.h"
#include "tests/bench/host.h"

struct xapid_client {
	int fd;
	char session[64]; /* "" before the login */
	struct sbuf answer; /* the body of the last one, a string */
};

/* ---- hosts ---- */

/* The daemons that a host of a bench has beside xapid. */
enum { HOST_XENOPSD = 1, HOST_SMD = 2, HOST_NETWORKD = 4, HOST_RRDD = 8, HOST_ALL = 15 };
/* Besides: xapid has a port of TLS. */
enum { HOST_TLS = 16 };

/* Starts xapid, and those of DAEMONS, on a new directory in FOLDER. CONF: further lines of
 * xapid.conf. The host answers when this returns; host_end ends it. */
MAY_WAIT void xapid_host_begin(const char *folder, unsigned daemons, const char *conf);
/* Ends xapid with SIGTERM, or SIGKILL. */
MAY_WAIT void xapid_host_stop(int signum);
/* Starts it again, on what there was. */
MAY_WAIT void xapid_host_start(void);
/* Where what is synced is to lie: $BENCH_DIR, or a folder that is on a disk. */
const char *xapid_disk_folder(void);
/* The port of HTTP, of the host that runs. */
int xapid_port(void);
/* That of TLS, with HOST_TLS. */
int xapid_tls_port(void);

/* ---- connections ---- */

/* The Unix socket, and a new session. */
void xapid_client_open(struct xapid_client *c);
/* The same over TCP, in the session of another one (NULL: in none). */
void xapid_client_open_tcp(struct xapid_client *c, const struct xapid_client *in_session_of);
void xapid_client_close(struct xapid_client *c);

/*
 * A call in the client's session. Parameters are strings, NULL at the end; one that begins with '<'
 * is a whole <value> as it stands. The inside of the answer's Value, until the next call:
 * "Halted", "<struct>…".
 */
const char *xapid_call(struct xapid_client *c, const char *method, ...)
	__attribute__((__sentinel__));
/* The same of a message that needs no session. */
const char *xapid_call_plain(struct xapid_client *c, const char *method, ...)
	__attribute__((__sentinel__));

/* The bytes of such a call, for who sends them himself; in the arena. *LEN: without the NUL. */
const char *xapid_request(struct arena *a, size_t *len, const struct xapid_client *c,
	const char *method, ...) __attribute__((__sentinel__));

/* "OpaqueRef:…" out of an answer that is one; in the arena. */
const char *xapid_ref(struct arena *a, const char *answer);
/* A new VM without devices. */
const char *xapid_make_vm(struct xapid_client *c, struct arena *a, const char *name);

#endif
