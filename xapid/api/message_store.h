/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages to administrators: a file each in xapid-messages of the state directory, the newest
 * 10,000 of them. They are no rows of the database; events tell of them by a count of their own.
 */
#ifndef XENITH_XAPID_API_MESSAGE_STORE_H
#define XENITH_XAPID_API_MESSAGE_STORE_H

#include "common/arena.h"
#include "common/err.h"
#include "common/list.h"

#include "xenapi.gen.h"

#define MESSAGE_STORE_MAX 10000

struct stored_message {
	struct list link;
	uint64_t generation; /* of when it came to be seen */
	char *ref, *path; /* owned */
	struct xenapi_message record; /* in the arena */
	struct arena arena;
};

/* One that was removed, as long as it is remembered. */
struct removed_message {
	uint64_t made, removed; /* generations */
	char ref[48];
};

/* Reads what there is. Before anyone is served. */
MAY_WAIT must_check struct err *message_store_open(void);
void message_store_close(void);

/* Keeps a message, durably; uuid and timestamp of the record are made here. *REF is in A. */
MAY_WAIT must_check struct err *message_store_add(
	const struct xenapi_message *record, struct arena *a, const char **ref);
/* HANDLE_INVALID. */
MAY_WAIT must_check struct err *message_store_remove(const char *ref);

/* NULL when there is none. Borrowed until the fiber waits, as all that follows. */
const struct stored_message *message_store_find(const char *ref);
size_t message_store_count(void);
/* The oldest (M is NULL), or the one behind it; NULL: no more. */
const struct stored_message *message_store_next(const struct stored_message *m);

/* The count of the newest change. */
uint64_t message_store_generation(void);
/* Those that were removed, oldest first; *N: how many are remembered. */
const struct removed_message *message_store_removed(size_t *n);
/* Who was told of changes up to a count below this one may have missed a removal. */
uint64_t message_store_removed_from(void);

#endif
