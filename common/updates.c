/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Updates (updates.h): one entry an object, in the order of its last change, each with the number
 * of that change. A token is the run's id and a number, so one of another run is known as such.
 * Entries that will never change again (objects that have gone, barriers) are bounded; dropping
 * one moves the oldest number that can still be answered with a difference. Loop thread only.
 */
#include "common/updates.h"

#include "common/fiber.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "core.gen.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_GONE     10000
#define MAX_BARRIERS 1000

#define BARRIER "barrier"

enum entry_kind { ENTRY_LIVE, ENTRY_GONE, ENTRY_BARRIER };

struct entry {
	uint64_t number; /* of its last change */
	struct list link; /* in set.entries */
	struct list kind_link; /* in set.gone or set.barriers */
	enum entry_kind kind;
	const char *class; /* borrowed, for ever */
	const char *id; /* behind the class in key */
	char key[]; /* class, a line feed, id */
};

struct bounded {
	struct list entries; /* oldest first */
	size_t n;
};

static struct {
	bool is_there;
	uint64_t run; /* of this run of the daemon */
	uint64_t number; /* of the newest change */
	uint64_t forgotten; /* every dropped entry has this number or an older one */
	struct map by_key;
	struct list entries; /* oldest change first */
	struct bounded gone, barriers;
	struct cond changed;
} set;

static void set_init(void)
{
	if (set.is_there)
		return;
	set.is_there = true;
	random_bytes(&set.run, sizeof(set.run));
	list_init(&set.entries);
	list_init(&set.gone.entries);
	list_init(&set.barriers.entries);
	cond_init(&set.changed);
}

/* ---- entries ---- */

static struct bounded *bounded_of(enum entry_kind kind)
{
	switch (kind) {
	case ENTRY_GONE:
		return &set.gone;
	case ENTRY_BARRIER:
		return &set.barriers;
	case ENTRY_LIVE:
		break;
	}
	return NULL;
}

static void leave_kind(struct entry *u)
{
	struct bounded *b = bounded_of(u->kind);

	if (b) {
		list_remove(&u->kind_link);
		b->n--;
	}
}

static void entry_drop(struct entry *u)
{
	leave_kind(u);
	list_remove(&u->link);
	map_remove(&set.by_key, u->key);
	free(u);
}

static void enter_kind(struct entry *u, enum entry_kind kind, size_t max)
{
	struct bounded *b = bounded_of(kind);

	leave_kind(u);
	u->kind = kind;
	if (!b)
		return;
	list_push_back(&b->entries, &u->kind_link);
	if (++b->n > max) {
		struct entry *oldest = list_first(&b->entries, struct entry, kind_link);

		if (oldest->number > set.forgotten)
			set.forgotten = oldest->number;
		entry_drop(oldest);
	}
}

static struct entry *entry_get(const char *class, const char *id)
{
	auto_str key = xasprintf("%s\n%s", class, id);
	struct entry *u = map_get(&set.by_key, key);
	size_t size = strlen(key) + 1;

	if (u)
		return u;
	u = xcalloc(1, sizeof(*u) + size);
	memcpy(u->key, key, size);
	u->class = class;
	u->id = u->key + strlen(class) + 1;
	map_put(&set.by_key, key, u);
	return u;
}

static void changed(const char *class, const char *id, enum entry_kind kind, size_t max)
{
	set_init();
	struct entry *u = entry_get(class, id);
	list_remove(&u->link);
	list_push_back(&set.entries, &u->link);
	u->number = ++set.number;
	enter_kind(u, kind, max);
	cond_broadcast(&set.changed);
}

void updates_add(const char *class, const char *id)
{
	changed(class, id, ENTRY_LIVE, 0);
}

void updates_remove(const char *class, const char *id)
{
	changed(class, id, ENTRY_GONE, MAX_GONE);
}

void updates_barrier(const char *id)
{
	changed(BARRIER, id, ENTRY_BARRIER, MAX_BARRIERS);
}

/* ---- asking ---- */

/* The number in a token; false when it can only be answered with everything. */
static bool token_read(const char *token, uint64_t *out)
{
	uint64_t run, number;
	int end = 0;

	if (!token || sscanf(token, "%" SCNx64 "-%" SCNu64 "%n", &run, &number, &end) != 2 ||
		token[end])
		return false;
	if (run != set.run || number > set.number || number < set.forgotten)
		return false;
	*out = number;
	return true;
}

/* The oldest entry that is newer than SINCE, by going back from the newest; NULL: none. */
static struct list *first_newer(uint64_t since)
{
	struct list *at = &set.entries;

	while (at->prev != &set.entries && list_entry(at->prev, struct entry, link)->number > since)
		at = at->prev;
	return at == &set.entries ? NULL : at;
}

static size_t count_from(const struct list *first)
{
	size_t n = 0;

	for (; first != &set.entries; first = first->next)
		n++;
	return n;
}

/* Copies the entries from FIRST on; whoever asks for everything needs not hear what has gone. */
static void collect(
	const struct list *first, bool is_complete, struct arena *a, struct update **out, size_t *n)
{
	*n = 0;
	*out = arena_calloc(a, count_from(first), sizeof(**out));
	for (; first != &set.entries; first = first->next) {
		const struct entry *u = list_entry(first, struct entry, link);

		if (is_complete && u->kind == ENTRY_GONE)
			continue;
		(*out)[(*n)++] = (struct update){.class = u->class,
			.id = arena_strdup(a, u->id),
			.is_deleted = u->kind == ENTRY_GONE};
	}
}

/* Waits until something is newer than SINCE (*FIRST), or DEADLINE (NULL). */
static MAY_WAIT struct err *wait_newer(uint64_t since, int64_t deadline, struct list **first)
{
	while (!(*first = first_newer(since))) {
		auto_err e = cond_wait(&set.changed, "UPDATES.get", deadline);

		if (!e)
			continue;
		return err_is(e, &ERR_TIMEOUT) && clock_mono_ns() >= deadline ? NULL : take(e);
	}
	return NULL;
}

MAY_WAIT struct err *updates_get(const char *since, int64_t deadline, struct arena *a,
	struct update **out, size_t *n, const char **token, bool *is_complete)
{
	uint64_t number = 0;
	struct list *first;

	set_init();
	bool is_known = token_read(since, &number);
	if (is_known) {
		TRY(wait_newer(number, deadline, &first));
		/* entries may have been dropped while this waited */
		is_known = number >= set.forgotten;
	}
	if (!is_known)
		first = set.entries.next;
	collect(first ?: &set.entries, !is_known, a, out, n);
	*is_complete = !is_known;
	*token = arena_printf(a, "%016" PRIx64 "-%" PRIu64, set.run, set.number);
	return NULL;
}

void updates_fini(void)
{
	struct entry *u;

	if (!set.is_there)
		return;
	while ((u = list_first(&set.entries, struct entry, link)))
		entry_drop(u);
	map_fini(&set.by_key);
	cond_fini(&set.changed);
	memset(&set, 0, sizeof(set));
}
