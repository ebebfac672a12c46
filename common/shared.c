/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes with several holders (shared.h): a count of them in front of the bytes, and a count of all
 * that is old. A slab counts the bytes in it as its holders. Loop thread only.
 */
#include "common/shared.h"

#include "common/mem.h"
#include "common/sbuf.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

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

struct shared *shared_copy(const void *bytes, size_t n)
{
	struct shared *s = shared_new(n);

	memcpy(s->bytes, bytes, n);
	return s;
}

/* ---- slabs ---- */

#define SLAB_BYTES ((size_t)2 << 20) /* a huge page */
#define SLAB_ALIGN sizeof(size_t)

/* At the start of its memory. */
struct shared_slab {
	size_t n_holders; /* who fills it, and all that lies in it */
	size_t used;
	void *map; /* SLAB_BYTES twice, as it may begin anywhere */
};

/* NULL: there is no memory. A huge page comes at once, where small ones would come one by one, each
 * at the price of a fault; where there are none, nothing but that is lost. */
static struct shared_slab *slab_new(void)
{
	void *map = mmap(
		NULL, 2 * SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)map % SLAB_BYTES;
	struct shared_slab *slab = (void *)((char *)map + before);
	madvise(slab, SLAB_BYTES, MADV_HUGEPAGE);
	*slab = (struct shared_slab){.n_holders = 1, .used = sizeof(*slab), .map = map};
	return slab;
}

static void slab_drop(struct shared_slab *slab)
{
	if (!--slab->n_holders)
		munmap(slab->map, 2 * SLAB_BYTES);
}

void shared_slab_close(struct shared_slab **slab)
{
	if (*slab)
		slab_drop(*slab);
	*slab = NULL;
}

struct shared *shared_copy_into(struct shared_slab **slab, const void *bytes, size_t n)
{
	if (n > SLAB_BYTES / 8)
		return shared_copy(bytes, n);
	size_t size = (sizeof(struct shared) + n + SLAB_ALIGN - 1) / SLAB_ALIGN * SLAB_ALIGN;
	if (*slab && (*slab)->used + size > SLAB_BYTES)
		shared_slab_close(slab);
	if (!*slab && !(*slab = slab_new()))
		return shared_copy(bytes, n);
	struct shared *s = begin((void *)((char *)*slab + (*slab)->used), n);
	s->slab = *slab;
	s->slab->n_holders++;
	s->slab->used += size;
	memcpy(s->bytes, bytes, n);
	return s;
}

/* ---- holders ---- */

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
	if (s->slab)
		slab_drop(s->slab);
	else
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
