/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this host remembers of the VMs that have migrated here, for senders that did not hear that
 * theirs arrived and ask. A VM has the token of its migration in its file "state" (came_by) until
 * its sender knows; one that leaves earlier leaves the token behind. Files in the run directory, as
 * files.h.
 */
#ifndef XENITH_XENOPSD_ARRIVALS_H
#define XENITH_XENOPSD_ARRIVALS_H

#include "common/arena.h"
#include "common/err.h"

struct vm;

/* Whether it can be one: it becomes part of a path. Stream_unusable. */
must_check struct err *arrivals_check_token(const char *token);
/* The name of this memory; another one has none of what was remembered before. In the arena. */
must_check struct err *arrivals_memory(struct arena *a, const char **out);
/* VM goes, and its sender may still ask. Harmless for one that nobody asks for. */
must_check struct err *arrivals_keep(const struct vm *vm);
/* Whether a VM has come by it; VM_ID: which, if it is still here, else "". */
must_check struct err *arrivals_find(
	const char *token, struct arena *a, bool *has_arrived, const char **vm_id);
/* Its sender knows. */
must_check struct err *arrivals_forget(const char *token);

#endif
