/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What changed since: a numbered set of (class, id), one entry an object, newest last. UPDATES.get
 * is a long poll over it: a client gives the token of its last answer (none: it wants everything)
 * and is answered at once when something is newer, else when something changes or the time is up.
 * Nothing polls. Subscribers read the objects anew; an update never carries contents.
 */
#ifndef XENITH_COMMON_UPDATES_H
#define XENITH_COMMON_UPDATES_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

/* CLASS is a literal that outlives everything ("vm", "task", …). */
void updates_add(const char *class, const char *id);
/* The object is gone: watchers are told so once; the entry is dropped when 10,000 have gone. */
void updates_remove(const char *class, const char *id);

struct update {
	const char *class;
	const char *id;
	bool is_deleted;
};

/* Updates newer than SINCE, each object once, oldest first; waits until there is one or DEADLINE
 * (then N is 0, and it is no error). *TOKEN is to be given the next time. A token of another run
 * of the daemon, or one too old for what was forgotten, is answered with everything and
 * *is_complete. */
MAY_WAIT must_check struct err *updates_get(const char *since, int64_t deadline, struct arena *a,
	struct update **out, size_t *n, const char **token, bool *is_complete);

/*
 * A barrier around a refresh: the answer that contains barrier ID comes after every update that was
 * added before it. updates_barrier adds it; it is an update of class "barrier".
 */
void updates_barrier(const char *id);
void updates_fini(void);

#endif
