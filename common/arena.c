/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arenas (arena.h): a list of blocks, each twice the size of the one before up to a limit; what is
 * larger than a block gets one of its own. Under AddressSanitizer the free part of a block is
 * poisoned, so that a use past a piece's end is found.
 */
#include "common/arena.h"

#include "common/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define REDZONE        16
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define REDZONE        0
#endif

#define FIRST_BLOCK 4096
#define LARGEST     65536

struct arena_block {
	struct arena_block *next;
	size_t size; /* bytes behind this header */
	max_align_t bytes[];
};

static void block_add(struct arena *a, size_t size)
{
	struct arena_block *b = xmalloc(sizeof(*b) + size);
	b->next = a->blocks;
	b->size = size;
	a->blocks = b;
	a->next = (char *)b->bytes;
	a->end = a->next + size;
	POISON(a->next, size);
}

/* Of the next block, which must hold AT_LEAST. */
static size_t next_size(const struct arena *a, size_t at_least)
{
	size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;

	if (size < FIRST_BLOCK)
		size = FIRST_BLOCK;
	if (size > LARGEST)
		size = LARGEST;
	return size < at_least ? at_least : size;
}

void arena_fit(struct arena *a, size_t size)
{
	assert(!a->blocks);
	block_add(a, size);
}

static char *piece(struct arena *a, size_t size, size_t align)
{
	size_t pad = -(uintptr_t)a->next & (align - 1);

	if (size > SIZE_MAX / 2)
		abort();
	if (!a->next || (size_t)(a->end - a->next) < pad + size + REDZONE) {
		block_add(a, next_size(a, size + REDZONE));
		pad = 0;
	}
	char *p = a->next + pad;
	a->next = p + size + REDZONE;
	a->used += pad + size + REDZONE;
	UNPOISON(p, size);
	return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return memset(piece(a, size, _Alignof(max_align_t)), 0, size);
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		abort();
	return arena_alloc(a, total);
}

char *arena_bytes(struct arena *a, size_t size)
{
	return piece(a, size, 1);
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *copy = piece(a, len + 1, 1);

	if (len) /* nothing has no address */
		memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		abort();
	char *s = piece(a, (size_t)len + 1, 1);
	vsnprintf(s, (size_t)len + 1, fmt, ap);
	return s;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}

static void block_free(struct arena_block *b)
{
	UNPOISON(b->bytes, b->size);
	free(b);
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = a->blocks;

	if (!keep)
		return;
	while (keep->next) {
		struct arena_block *b = keep->next;

		keep->next = b->next;
		block_free(b);
	}
	if (keep->size > LARGEST) {
		arena_fini(a);
		return;
	}
	a->next = (char *)keep->bytes;
	a->used = 0;
	POISON(a->next, keep->size);
}

void arena_fini(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		block_free(b);
	}
	*a = (struct arena){0};
}
