/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QMP, QEMU's control protocol: a client for one QEMU, over its Unix socket. Many commands may be
 * in flight; events go to one function. QEMU is not trusted more than the guest that it runs: what
 * it says is bounded and checked. Fibers only.
 */
#ifndef XENITH_XENOPSD_QMP_H
#define XENITH_XENOPSD_QMP_H

#include "common/dialect.h"
#include "common/err.h"
#include "common/json_value.h"

struct qmp;

/* An event and its data (borrowed; NULL: it has none). NAME NULL: the connection has ended, and
 * nothing comes any more. Must not wait; may call qmp_free. */
typedef void (*qmp_event_fn)(const char *name, const json_t *data, void *arg);

/* Connects, and waits until QEMU is ready for commands. The deadline is for all of it. */
MAY_WAIT must_check struct err *qmp_connect(
	struct qmp **out, const char *path, qmp_event_fn fn, void *arg, int64_t deadline);
/* Closes the connection; commands in flight end with CONNECTION_LOST. NULL is fine. */
void qmp_free(struct qmp *q);
bool qmp_is_open(const struct qmp *q);

/*
 * Carries out one command. ARGUMENTS is the text of a JSON object, or NULL. *RESULT (may be NULL)
 * is the caller's. What QEMU refuses is INTERNAL_ERROR with its words.
 */
MAY_WAIT must_check struct err *qmp_call(struct qmp *q, const char *command, const char *arguments,
	json_t **result, int64_t deadline);

#endif
