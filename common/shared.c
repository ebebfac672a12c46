/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes with several holders (shared.h): a count of them in front of the bytes, and a count of all
 * that is old. Loop thread only.
 */
#include "common/shared.h"

#include "common/mem.h"
#include "common/sbuf.h"

#include <assert.h>

static size_t old_bytes;
static size_t limit = SIZE_MAX;
static void (*relieve_fn)(void);

static struct shared *begin(struct shared *s, size_t n)
{
	*s = (struct shared){.n_holders = 1, .n = n};
	return s;
}

struct shared *shared_new(size_t n)
{
	return begin(xmalloc(sizeof(struct shared) + n), n);
}

void shared_begin(struct sbuf *b, size_t room)
{
	sbuf_room(b, sizeof(struct shared) + room);
	sbuf_added(b, sizeof(struct shared));
}

struct shared *shared_end(struct sbuf *b)
{
	struct shared *s = xrealloc(b->base, sbuf_len(b), 1);
	size_t n = sbuf_len(b) - sizeof(*s);

	*b = (struct sbuf){0};
	return begin(s, n);
}

struct shared *shared_hold(struct shared *s)
{
	s->n_holders++;
	return s;
}

void shared_drop(struct shared *s)
{
	if (!s)
		return;
	assert(s->n_holders);
	if (--s->n_holders)
		return;
	if (s->is_old)
		old_bytes -= s->n;
	free(s);
}

void shared_replace(struct shared *s)
{
	if (s && s->n_holders > 1 && !s->is_old) {
		s->is_old = true;
		old_bytes += s->n;
	}
	shared_drop(s);
	if (old_bytes > limit && relieve_fn)
		relieve_fn();
}

size_t shared_old_bytes(void)
{
	return old_bytes;
}

void shared_set_limit(size_t n, void (*relieve)(void))
{
	limit = n;
	relieve_fn = relieve;
}

void shared_run_add(struct shared_run *run, struct shared *s, size_t skip)
{
	assert(!skip || !run->held.n);
	if (skip)
		run->skip = skip;
	vec_push(&run->held, s);
	run->n += s->n - skip;
}

struct shared_run shared_run_take(struct shared_run *run)
{
	struct shared_run taken = *run;

	*run = (struct shared_run){0};
	return taken;
}

void shared_run_copy(const struct shared_run *run, struct sbuf *out)
{
	size_t skip = run->skip;

	sbuf_room(out, run->n);
	vec_for_each (i, &run->held) {
		sbuf_add(out, run->held.v[i]->bytes + skip, run->held.v[i]->n - skip);
		skip = 0;
	}
}

void shared_run_fini(struct shared_run *run)
{
	vec_for_each (i, &run->held)
		shared_drop(run->held.v[i]);
	vec_fini(&run->held);
	*run = (struct shared_run){0};
}
