/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The links to the other daemons of this host: typed calls out, and exactly one UPDATES.get stream
 * in, which keeps the database like what the daemon says. What a stream needs is the same for all
 * daemons and in link.c; what an update means is in one file a daemon (xenopsd.c, smd.c, …).
 *
 * After either side was restarted the stream begins from an empty token: everything is compared
 * anew. A daemon that is not there is tried again, ever less often, up to once a second; or when a
 * call has found it.
 */
#ifndef XENITH_XAPID_LINK_LINK_H
#define XENITH_XAPID_LINK_LINK_H

#include "common/fiber.h"
#include "common/map.h"
#include "common/rpc.h"
#include "common/vec.h"

struct core_update;

#define LINK_CALL_NS (60 * NS_PER_S) /* for a call that is no task */

/* What makes one daemon's link. */
struct link_spec {
	const char *daemon; /* "xenopsd" */
	/* Compares everything: the link has just come up. NULL: there is nothing to compare. */
	MAY_WAIT struct err *(*resync)(void);
	/* One object changed; tasks are not told. After an error everything is compared. */
	MAY_WAIT struct err *(*update)(const struct core_update *u);
	unsigned at_once; /* so many objects may be looked at beside each other; 0: one */
};

struct link {
	const struct link_spec *spec;
	struct rpc_client *client; /* NULL before link_open */
	char *token; /* owned; NULL: everything is to be compared */
	bool is_up; /* it has been compared since it was last lost */
	struct cond changed; /* of is_up */
	struct cond found; /* somebody has connected to the daemon */
	struct map tasks; /* of link_bound by the daemon's task id */
	vec_of(char *) ended; /* tasks that the daemon is to forget; owned */
	bool is_forgetting; /* a fiber sees to that */
	struct map objects; /* of link_object: told of and not yet looked at, owned */
	struct list due; /* those that nobody looks at, oldest first */
	unsigned n_looking; /* fibers that look */
	struct err *trouble; /* owned; why everything is to be compared, or NULL */
	uint64_t n_updates, n_resyncs; /* for `diagnostics` */
};

extern struct link link_xenopsd, link_smd, link_networkd, link_rrdd;

/* Opens and watches one. PATH is the daemon's socket. */
must_check struct err *link_open(struct link *l, const char *path);
/* After the last fiber has ended. Harmless on one that was not opened. */
void link_close(struct link *l);

/* All links of xapid; RUN is the folder of the sockets. */
must_check struct err *links_start(const char *run);
void links_stop(void);
/* At the daemon's end: who waits for one of the daemons waits no more, masked or not. */
void links_give_up(void);

/* Waits until the daemon is there and compared, for a moment at least; else CONNECTION_REFUSED. */
MAY_WAIT must_check struct err *link_wait_up(struct link *l);

/* ---- objects ---- */

/* It is looked at soon, beside the stream. */
must_check struct err *link_object_changed(struct link *l, const struct core_update *u);
/* Everything is about to be compared: what is due, or was in trouble, need not be looked at. */
void link_objects_forget(struct link *l);

/* ---- tasks ---- */

/*
 * How a daemon's task is shown. Each has one task of the XenAPI: the call's own where the call
 * needs just this one, else a part of it.
 */
struct link_work {
	struct call *call; /* NULL: of none, and then PART is needed */
	const char *part; /* the name of the part; NULL: it is the whole of the call */
	double from, weight; /* of the call's progress; weight 0: all of it */
};

/*
 * Waits until the daemon's TASK has ended, passes on progress and cancellation, and forgets it
 * there. RESULT is the type of OUT (or NULL). The error is what the daemon said; when the daemon
 * ended meanwhile and no longer knows the task, CONNECTION_LOST.
 */
MAY_WAIT must_check struct err *link_await(struct link *l, const struct link_work *work,
	const char *task, const struct type *result, struct arena *a, void *out);

/*
 * Whether a call that ended with E is worth being made again: the daemon was away, and is back. So
 * long as it is not it is waited for, until DEADLINE.
 */
MAY_WAIT bool link_is_back(struct link *l, const struct err *e, int64_t deadline);

/* The updates of tasks. */
void link_task_changed(struct link *l, const char *task);
/* Whoever waits for a task looks at it again: the daemon has gone, or is back. */
void link_tasks_look(struct link *l);
/* After the link came up: link_tasks_look, and each that runs and has nobody here gets a task of
 * the XenAPI. For the first time those too that have ended, which are forgotten so. */
MAY_WAIT must_check struct err *link_tasks_resync(struct link *l);

/* ---- errors ---- */

/*
 * What a daemon says, in the words of the XenAPI. VM is the reference of the VM it is about, or
 * NULL. Codes that XenAPI has stay as they are. Takes E; NULL stays NULL.
 */
must_check struct err *link_error(struct err *e, const char *vm);

#endif
