/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes that several hold and nobody changes: who has newer ones replaces his, and the others keep
 * what they hold as it was. A stream sends them from where they are (stream_put_shared). Only the
 * loop's thread is here.
 *
 * Bytes that are kept no longer while somebody still holds them are old. So that those who read
 * slowly cannot make the process hold ever more of them, all old bytes together have a limit; what
 * is done about it is up to who holds them.
 */
#ifndef XENITH_COMMON_SHARED_H
#define XENITH_COMMON_SHARED_H

#include "common/dialect.h"
#include "common/vec.h"

struct sbuf;
struct shared_slab;

struct shared {
	uint32_t n_holders;
	bool is_old;
	size_t n;
	struct shared_slab *slab; /* that it lies in; NULL: it has memory of its own */
	char bytes[];
};

/* Room for N bytes, which the caller holds and fills before anybody else sees them. */
struct shared *shared_new(size_t n);
/* A copy of these. */
struct shared *shared_copy(const void *bytes, size_t n);
/* The same beside others in memory that goes when all of them have gone: for many that nobody keeps
 * for long. *SLAB is NULL at first, and another one when it is full; at the end it is closed. */
struct shared *shared_copy_into(struct shared_slab **slab, const void *bytes, size_t n);
void shared_slab_close(struct shared_slab **slab);
/* One more holder. */
struct shared *shared_hold(struct shared *s);
/* One holder less; NULL is fine. */
void shared_drop(struct shared *s);
/* The same for the holder who keeps them for others, and has newer ones now or none. */
void shared_replace(struct shared *s);

size_t shared_old_bytes(void);
/* The limit; RELIEVE is called from shared_replace as soon as there are more. It may not drop what
 * it finds at once. Standard: no limit. */
void shared_set_limit(size_t n, void (*relieve)(void));

/* Several, which belong one behind the other. A zeroed one is empty. */
struct shared_run {
	vec_of(struct shared *) held;
	size_t skip; /* bytes of the first that do not belong to it */
	size_t n; /* bytes that do */
};

/* Adds what the caller holds, and takes it over; SKIP of its bytes are left out, which only the
 * first can have. */
void shared_run_add(struct shared_run *run, struct shared *s, size_t skip);
/* What it was; it is empty then. */
struct shared_run shared_run_take(struct shared_run *run);
void shared_run_copy(const struct shared_run *run, struct sbuf *out);
void shared_run_fini(struct shared_run *run);

#endif
