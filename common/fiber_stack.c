/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stacks that fibers run on (fiber_stack.h), and who must know of them: LeakSanitizer takes a
 * stack in use as a root, Valgrind as a stack. Loop thread only.
 *
 * What a fiber touched stays resident when its stack goes back to the pool; a stack gives back its
 * deep pages now and then, not each time, since that costs more than the rest of a spawn. Many free
 * stacks stay for a moment: those who have all been told of something come back together.
 */
#include "common/fiber_stack.h"

#include "common/fiber_switch.h"
#include "common/loop.h"
#include "common/mem.h"

#include <errno.h>
#include <sys/mman.h>

#if HAVE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0
#define VALGRIND_STACK_DEREGISTER(id)       (void)(id)
#endif

#define STACK_BYTES ((size_t)(HAVE_ASAN ? 512 : 256) * 1024)
/* Libraries that were built without -fstack-clash-protection may step over a single page. */
#define GUARD_BYTES ((size_t)64 * 1024)
/* Free stacks beyond this are unmapped when nobody has wanted them for a while, some at a time;
 * beyond the other, trimmed more often. */
#define POOL_MAX        256
#define SURPLUS_NS      NS_PER_S
#define UNMAP_AT_ONCE   256
#define POOL_DEEP       32
#define TRIM_EVERY      64 /* uses; asking the kernel costs as much as the rest of a spawn */
#define TRIM_EVERY_DEEP 16
#define KEEP_BYTES      ((size_t)16 * 1024)
#define N_COLORS        16
#define COLOR_BYTES     ((size_t)64)

static struct list pool = LIST_INIT(pool);
static size_t n_pooled, n_mapped;
static size_t least_pooled; /* since SURPLUS_TIMER was armed */
static struct timer surplus_timer; /* armed while there are more than POOL_MAX */
static unsigned next_color;

static struct fiber_stack *stack_map(void)
{
	char *map = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	if (mprotect(map, GUARD_BYTES, PROT_NONE) < 0) {
		int saved = errno;

		munmap(map, GUARD_BYTES + STACK_BYTES);
		errno = saved;
		return NULL;
	}
	struct fiber_stack *s = xnew(struct fiber_stack);
	s->map = map;
	s->bottom = map + GUARD_BYTES;
	s->size = STACK_BYTES;
	s->color = next_color++ % N_COLORS;
	s->valgrind_id = VALGRIND_STACK_REGISTER(s->bottom, s->bottom + s->size);
	n_mapped++;
	return s;
}

static void stack_unmap(struct fiber_stack *s)
{
	VALGRIND_STACK_DEREGISTER(s->valgrind_id);
	munmap(s->map, GUARD_BYTES + STACK_BYTES);
	free(s);
	n_mapped--;
}

struct fiber_stack *fiber_stack_get(void)
{
	struct fiber_stack *s = list_pop_front(&pool, struct fiber_stack, link);

	if (s)
		n_pooled--;
	else
		s = stack_map();
	if (n_pooled < least_pooled)
		least_pooled = n_pooled;
#if HAVE_ASAN
	if (s)
		__lsan_register_root_region(s->bottom, s->size);
#endif
	return s;
}

/* Gives the deep pages back when there are any. */
static void stack_trim(struct fiber_stack *s)
{
	char *deep = s->bottom + s->size - KEEP_BYTES;
	unsigned char is_resident = 0;

	/* A stack is used from its top: if the page there was not touched, none below it was. */
	if (mincore(deep - getpagesize(), (size_t)getpagesize(), &is_resident) == 0 &&
		is_resident & 1)
		madvise(s->bottom, (size_t)(deep - s->bottom), MADV_DONTNEED);
}

static void watch_surplus(int64_t ns)
{
	least_pooled = n_pooled;
	timer_arm(&surplus_timer, deadline_in(ns));
}

/* What was free all the time was not needed. The coldest are at the end. */
static void unmap_surplus(struct timer *t)
{
	size_t n = 0;

	while (n < UNMAP_AT_ONCE && least_pooled > POOL_MAX) {
		struct fiber_stack *s = list_entry(pool.prev, struct fiber_stack, link);

		list_remove(&s->link);
		stack_unmap(s);
		n_pooled--;
		least_pooled--;
		n++;
	}
	if (n_pooled > POOL_MAX)
		watch_surplus(n == UNMAP_AT_ONCE ? SURPLUS_NS / 10 : SURPLUS_NS);
}

static bool is_watching_surplus(void)
{
	return surplus_timer.fn && surplus_timer.at != NEVER;
}

void fiber_stack_put(struct fiber_stack *s)
{
#if HAVE_ASAN
	__lsan_unregister_root_region(s->bottom, s->size);
	/* The first frame never returned, so its red zones are still there. */
	__asan_unpoison_memory_region(s->bottom, s->size);
#endif
	unsigned every = n_pooled >= POOL_DEEP ? TRIM_EVERY_DEEP : TRIM_EVERY;
	if (s->uses++ % every == 0) /* the first time too: most of a burst is used once */
		stack_trim(s);
	list_push_front(&pool, &s->link);
	if (++n_pooled <= POOL_MAX || is_watching_surplus())
		return;
	timer_init(&surplus_timer, unmap_surplus);
	watch_surplus(SURPLUS_NS);
}

void fiber_stack_fini(void)
{
	struct fiber_stack *s;

	if (is_watching_surplus())
		timer_disarm(&surplus_timer);
	while ((s = list_pop_front(&pool, struct fiber_stack, link)))
		stack_unmap(s);
	n_pooled = 0;
}

size_t fiber_stack_top_offset(const struct fiber_stack *s)
{
	return (s->color + 1) * COLOR_BYTES;
}

bool fiber_stack_guards(const struct fiber_stack *s, const void *address)
{
	return (const char *)address >= s->map && (const char *)address < s->bottom;
}

size_t fiber_stack_count(void)
{
	return n_mapped;
}

size_t fiber_stack_pooled(void)
{
	return n_pooled;
}
