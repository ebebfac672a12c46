/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers that are kept (event_kept.h): the newest few, in a ring. Loop thread only.
 */
#include "xapid/api/event_kept.h"

#include "common/mem.h"

/* Everything that there is, which a new client asks for, is not kept: it may be large. */
enum { KEPT = 8, LARGEST = 256 * 1024 };

static struct kept {
	struct subscription to; /* owned */
	uint64_t since, until, newest; /* generations */
	enum gate_form form;
	struct shared *text; /* held; NULL: an empty place */
} ring[KEPT];
static unsigned next;

static bool is_from(uint64_t at, uint64_t since, uint64_t until)
{
	return since <= at && at < until;
}

/* Counts of all objects are in it, so it is as old as the newest change of any. */
static bool is_for(const struct kept *k, const struct event_batch *batch)
{
	return k->text && k->newest == batch->newest && k->form == batch->form &&
		is_from(batch->since, k->since, k->until) &&
		subscription_is_same(&k->to, batch->to);
}

struct shared *event_kept_find(const struct event_batch *batch)
{
	for (size_t i = 0; i < KEPT; i++)
		if (is_for(&ring[i], batch))
			return shared_hold(ring[i].text);
	return NULL;
}

static void drop(struct kept *k)
{
	subscription_drop_copy(&k->to);
	shared_drop(k->text);
	*k = (struct kept){0};
}

void event_kept_add(const struct event_batch *batch, uint64_t until, struct shared *text)
{
	struct kept *k = &ring[next];

	if (text->n > LARGEST)
		return;
	next = (next + 1) % KEPT;
	drop(k);
	*k = (struct kept){.since = batch->since,
		.until = until,
		.newest = batch->newest,
		.form = batch->form,
		.text = shared_hold(text)};
	subscription_copy(batch->to, &k->to);
}

void event_kept_forget(void)
{
	for (size_t i = 0; i < KEPT; i++)
		drop(&ring[i]);
}
