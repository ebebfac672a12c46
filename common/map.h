/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one map: from a string to a pointer, hashed with a secret seed of the process (a client that
 * chooses the keys cannot make it slow). Keys are copied; values belong to the caller. The order of
 * iteration is unspecified and no change is allowed during it.
 */
#ifndef XENITH_COMMON_MAP_H
#define XENITH_COMMON_MAP_H

#include "common/dialect.h"

struct map_slot {
	char *key; /* owned; NULL: free */
	void *value;
	uint32_t hash;
	uint32_t key_len;
};

struct map {
	struct map_slot *slots; /* owned */
	size_t n_slots; /* a power of two */
	size_t n; /* entries */
};

/* A zeroed struct map is a valid empty one. */
void map_fini(struct map *m);

/* NULL when there is none. */
void *map_get(const struct map *m, const char *key);
void *map_get_n(const struct map *m, const char *key, size_t len);
bool map_has(const struct map *m, const char *key);
/* Returns the value that was there before, or NULL. VALUE is not NULL. */
void *map_put(struct map *m, const char *key, void *value);
/* Returns the value that was removed, or NULL. */
void *map_remove(struct map *m, const char *key);

/* The first used slot at or behind SLOT, or NULL: what map_for_each walks with. */
struct map_slot *map_slot_from(const struct map *m, struct map_slot *slot);

#define map_for_each(slot, m) \
	for (struct map_slot *slot = map_slot_from(m, (m)->slots); slot; \
		slot = map_slot_from(m, slot + 1))

/* The seeded hash behind the map, for tables of another shape. */
uint32_t map_hash(const void *bytes, size_t len);

#endif
