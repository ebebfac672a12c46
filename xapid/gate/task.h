/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tasks of the XenAPI: rows of class task (not those of common/task.h, which each daemon has).
 * The gate makes one for every message that may run asynchronously; link makes one for each task of
 * another daemon, as a part of the call's. They end with xapid.
 */
#ifndef XENITH_XAPID_GATE_TASK_H
#define XENITH_XAPID_GATE_TASK_H

#include "common/arena.h"
#include "common/err.h"
#include "common/schema.h"

#include "xenapi.gen.h"

struct xtask_spec {
	const char *name; /* "Async.VM.start" */
	const char *description; /* NULL: "" */
	const char *session; /* the ref of who made it, or NULL */
	const char *parent; /* the ref of the task that it is a part of, or NULL */
	/* What task.cancel of it does besides noting it, on the loop or in a fiber, while it is
	 * pending; NULL: nothing. */
	void (*cancel)(const char *ref, void *arg);
	void *arg;
};

/* Makes one that is pending; the ref is copied into A. */
must_check struct err *xtask_create(
	const struct xtask_spec *spec, struct arena *a, const char **ref);

/* All of the following do nothing when there is no such task (REF_NULL, or a client destroyed it)
 * or when it has ended: its status never changes again. */

/* A task of the master's for which this host runs a message: its progress is told from here until
 * xtask_let_go. USER: whose it is. CANCEL: as in struct xtask_spec, for a plan here that ends
 * another one. */
void xtask_adopt(
	const char *ref, const char *user, void (*cancel)(const char *ref, void *arg), void *arg);
void xtask_let_go(const char *ref);
/* At the master: a member wrote how a task ended that was made here. */
void xtask_ended_there(const char *ref);

/* 0 to 1. */
void xtask_progress(const char *ref, double fraction);
/* Its end with success; RESULT is the XML of the value, "" for none. */
void xtask_succeed(const char *ref, const char *result);
/* Its end with an error, which stays the caller's; CANCELLED and TASK_CANCELLED make it cancelled.
 */
void xtask_fail(const char *ref, const struct err *e);
/* What a client says of a task of its own. One that has ended stays as it is. */
must_check struct err *xtask_set_status(const char *ref, enum xenapi_task_status_type status);
/* Its row is deleted, and those of its parts that have ended. */
void xtask_destroy(const char *ref);
/* How to cancel it from now on: somebody took over a task that a client has made. */
must_check struct err *xtask_set_cancel(
	const char *ref, void (*cancel)(const char *ref, void *arg), void *arg);
/* What there was to cancel it is gone. */
void xtask_uncancellable(const char *ref);

bool xtask_is_pending(const char *ref);
/* Whether it is pending and nobody is at work on it who could be told to stop. */
bool xtask_is_free(const char *ref);
/* Whether task.cancel was called and the task has not ended yet. */
bool xtask_is_cancelling(const char *ref);
/* Notes it, as asked for by the task BY, and calls what the task was made with. */
must_check struct err *xtask_cancel(const char *ref, const char *by);
/* Whose it is: the name that was logged in with; "" of xapid's own. */
const char *xtask_user(const char *ref);

void xtask_start(void);
/* Forgets all, without telling. */
void xtask_stop(void);

#endif
