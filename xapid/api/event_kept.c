/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers that are kept (event_kept.h): the newest few, in a ring. Loop thread only.
 */
#include "xapid/api/event_kept.h"

#include "common/mem.h"
#include "xapid/db/db.h"

#include <string.h>

/* Everything that there is, which a new client asks for, is not kept: it may be large. */
enum { KEPT = 8, LARGEST = 256 * 1024 };

static struct kept {
	struct subscription to; /* owned */
	struct event_point since, until, newest;
	enum gate_form form;
	char *text; /* owned; NULL: an empty place */
	size_t len;
} ring[KEPT];
static unsigned next;

static bool is_from(uint64_t at, uint64_t since, uint64_t until)
{
	return since <= at && at < until;
}

/* Counts of all objects are in it, so it is as old as the newest change of any. */
static bool is_for(const struct kept *k, const struct event_batch *batch)
{
	return k->text && k->newest.generation == batch->newest.generation &&
		k->newest.messages == batch->newest.messages && k->form == batch->form &&
		is_from(batch->since.generation, k->since.generation, k->until.generation) &&
		is_from(batch->since.messages, k->since.messages, k->until.messages) &&
		subscription_is_same(&k->to, batch->to);
}

struct json_text event_kept_find(const struct event_batch *batch, struct arena *a)
{
	for (size_t i = 0; i < KEPT; i++)
		if (is_for(&ring[i], batch))
			return (struct json_text){
				arena_strndup(a, ring[i].text, ring[i].len), ring[i].len};
	return (struct json_text){0};
}

static void drop(struct kept *k)
{
	subscription_drop_copy(&k->to);
	free(k->text);
	*k = (struct kept){0};
}

void event_kept_add(
	const struct event_batch *batch, struct event_point until, const char *text, size_t len)
{
	struct kept *k = &ring[next];

	if (len > LARGEST)
		return;
	next = (next + 1) % KEPT;
	drop(k);
	*k = (struct kept){.since = batch->since,
		.until = until,
		.newest = batch->newest,
		.form = batch->form,
		.text = xmalloc(len),
		.len = len};
	memcpy(k->text, text, len);
	subscription_copy(batch->to, &k->to);
}

void event_kept_forget(void)
{
	for (size_t i = 0; i < KEPT; i++)
		drop(&ring[i]);
}
