/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The undo stack of a flow in steps: each step that succeeded pushes how to take it back.
 *
 *	AUTO(undo_run) struct undo undo = {0};
 *	TRY(disk_attach(vm));
 *	undo_push(&undo, disk_detach_undo, vm, "detaching the disk");
 *	…
 *	return undo_commit(&undo);
 *
 * Leaving the scope without undo_commit runs what was pushed, last first. Undo steps may wait: they
 * run with cancellation masked. One that fails is logged with its text, and the next one runs.
 */
#ifndef XENITH_COMMON_UNDO_H
#define XENITH_COMMON_UNDO_H

#include "common/dialect.h"
#include "common/err.h"

typedef MAY_WAIT struct err *(*undo_fn)(void *arg);

struct undo_step;

struct undo {
	struct undo_step *last; /* owned; each points to the one before */
};

/* ARG must be valid until the undo ran or was committed. */
void undo_push(struct undo *u, undo_fn fn, void *arg, const char *what);
/* Forgets all steps; returns NULL so that it can end a function. */
must_check struct err *undo_commit(struct undo *u);
MAY_WAIT void undo_run(struct undo *u);

#endif
