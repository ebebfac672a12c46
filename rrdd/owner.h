/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose figures are kept: the host, and each VM that ran here. An owner's short archives are its
 * series (series.h); its minutes are fed into its long ones (rrd_file.h) now and then, and before
 * those are read. Fibers.
 */
#ifndef XENITH_RRDD_OWNER_H
#define XENITH_RRDD_OWNER_H

#include "common/arena.h"
#include "common/fiber.h"
#include "rrdd/rrd_file.h"
#include "rrdd/series.h"

#include "rrd.gen.h"

struct owner {
	char *name; /* owned: "host", "vm-UUID"; of its files as well */
	const char *kind, *uuid; /* "vm" and its UUID, as legends have them; borrowed from name */
	struct series *series;
	struct mutex feeding;
	unsigned n_users; /* fibers that wait with it in hand */
	bool is_live; /* the last round of samples had it */
	bool is_gone; /* no longer in rrdd.owners */
};

/* Opens every series there is. */
must_check struct err *owners_open(void);
void owners_close(void);

/* NULL uuid: the host. Makes it when there is none. */
must_check struct err *owner_get(const char *vm, struct owner **out);
/* No_such_owner. */
must_check struct err *owner_find(const struct rrd_owner *id, struct owner **out);
/* Forgets it and its archives. */
MAY_WAIT must_check struct err *owner_remove(struct owner *o);

/* Drops the past of one of its columns. */
MAY_WAIT must_check struct err *owner_forget(struct owner *o, const char *column);

/* While a fiber that may wait has it in hand. */
void owner_ref(struct owner *o);
void owner_unref(struct owner *o);

/* Brings the long archives up to the last whole minute. */
MAY_WAIT must_check struct err *owner_feed(struct owner *o);
MAY_WAIT must_check struct err *owners_feed_all(void);

/* The rows of ROW_S that end in (FROM_S, TO_S], of all its columns; the names are the arena's.
 * No_such_owner: it was removed meanwhile. */
MAY_WAIT must_check struct err *owner_rows(struct owner *o, int64_t row_s, int64_t from_s,
	int64_t to_s, struct arena *a, struct table *out);

#endif
