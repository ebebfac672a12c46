/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One call on its way through the gate, from the message that was found to the result. The fiber of
 * the request has it, or, of an Async one, a fiber of its own.
 */
#ifndef XENITH_XAPID_GATE_JOB_H
#define XENITH_XAPID_GATE_JOB_H

#include "xapid/gate/args.h"
#include "xapid/gate/call.h"

struct job {
	struct xapi_call c;
	struct arena arena; /* of an Async one: everything of it, the job too, lives here */
	void *in; /* of an explicit message */
	const void *args[MESSAGE_MAX_ARGS]; /* of an implicit one */
	void *out;
	const char *originator; /* of its session, for the audit; NULL: it says none */
	bool owns_task; /* made for it, so it is its to end */
	bool was_run; /* and the audit has been told what came of it */
	struct fiber *fiber; /* that runs the handler, while it does; to be cancelled */
};

/* Makes the job's task, a part of PARENT (or NULL). */
must_check struct err *job_make_task(struct job *j, const char *name, const char *parent);

/* Runs the handler in this fiber, and waits until what it saw is durable. */
MAY_WAIT must_check struct err *job_run(struct job *j);
/* The same so that task.cancel ends it and not the fiber of the request. */
MAY_WAIT must_check struct err *job_run_apart(struct job *j);
/* The same later, in a fiber of its own, which ends the task and frees the job. */
must_check struct err *job_run_later(struct job *j);

/* From now on whoever sends the message NAME gets NOT_IMPLEMENTED; "": all are served. */
must_check struct err *job_withhold(const char *name);

/* What gate_set_router was given; NULL: nothing. */
const struct gate_router *job_router(void);

/* What it answers with, which is the caller's from now on. */
struct gate_result job_result(struct job *j);

#endif
