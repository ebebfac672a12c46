/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one growable array. Its first members are those of a list of the IDL's (v, n), so that loops
 * over both look the same. A zeroed one is empty; for any thread, one at a time.
 *
 *	vec_of(struct disk *) disks = {0};
 *	vec_push(&disks, d);
 *	vec_for_each (i, &disks)
 *		disk_close(disks.v[i]);
 *	vec_fini(&disks);
 */
#ifndef XENITH_COMMON_VEC_H
#define XENITH_COMMON_VEC_H

#include "common/dialect.h"
#include "common/mem.h"

#include <string.h>

/* V is owned; N elements of the SIZE that there is room for are in use. */
#define vec_of(type) \
	struct { \
		type *v; \
		size_t n, size; \
	}

/* Gives back the memory; what the elements own is the caller's. */
#define vec_fini(vec) \
	do { \
		free((vec)->v); \
		(vec)->v = NULL; \
		(vec)->n = (vec)->size = 0; \
	} while (0)

/* Room for COUNT elements in all. */
#define vec_reserve(vec, count) \
	((vec)->v = vec_grow_((vec)->v, &(vec)->size, (count), sizeof(*(vec)->v)))

/* Adds an element at the end. */
#define vec_push(vec, ...) \
	do { \
		vec_reserve(vec, (vec)->n + 1); \
		(vec)->v[(vec)->n++] = (__VA_ARGS__); \
	} while (0)

/* Adds an element before the one at AT (at most n). */
#define vec_insert(vec, at, ...) \
	do { \
		size_t insert_at_ = (at); \
		vec_reserve(vec, (vec)->n + 1); \
		memmove(&(vec)->v[insert_at_ + 1], &(vec)->v[insert_at_], \
			((vec)->n - insert_at_) * sizeof(*(vec)->v)); \
		(vec)->v[insert_at_] = (__VA_ARGS__); \
		(vec)->n++; \
	} while (0)

/* Takes out the element at AT; those behind it move up. */
#define vec_remove(vec, at) \
	do { \
		size_t remove_at_ = (at); \
		(vec)->n--; \
		memmove(&(vec)->v[remove_at_], &(vec)->v[remove_at_ + 1], \
			((vec)->n - remove_at_) * sizeof(*(vec)->v)); \
	} while (0)

/* The last element, taken off. There must be one. */
#define vec_pop(vec) ((vec)->v[--(vec)->n])

/* I counts from 0 to n - 1; the body may add elements, and sees them. */
#define vec_for_each(i, vec) for (size_t i = 0; i < (vec)->n; i++)

static inline void *vec_grow_(void *v, size_t *size, size_t want, size_t element_size)
{
	if (want <= *size)
		return v;
	size_t to = *size ? *size : 4;
	while (to < want)
		to = to > SIZE_MAX / 2 ? want : to * 2;
	v = xrealloc(v, to, element_size);
	*size = to;
	return v;
}

#endif
