/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The map (map.h): open addressing, linear probing, removal by shifting back, at most three
 * quarters full. The hash is SipHash-1-3 with a key drawn at the first use.
 */
#include "common/map.h"

#include "common/mem.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

static uint64_t seed[2];

static void draw_seed(void)
{
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		abort();
}

static inline uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

struct sip {
	uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *v)
{
	v->a += v->b;
	v->b = rotl(v->b, 13) ^ v->a;
	v->a = rotl(v->a, 32);
	v->c += v->d;
	v->d = rotl(v->d, 16) ^ v->c;
	v->a += v->d;
	v->d = rotl(v->d, 21) ^ v->a;
	v->c += v->b;
	v->b = rotl(v->b, 17) ^ v->c;
	v->c = rotl(v->c, 32);
}

uint32_t map_hash(const void *bytes, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const unsigned char *p = bytes;
	size_t left = len;
	uint64_t word;

	pthread_once(&once, draw_seed);
	struct sip v = {seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d,
		seed[0] ^ 0x6c7967656e657261, seed[1] ^ 0x7465646279746573};
	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		v.d ^= word;
		sip_round(&v);
		v.a ^= word;
	}
	word = (uint64_t)len << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)p[i] << (8 * i);
	v.d ^= word;
	sip_round(&v);
	v.a ^= word;
	v.c ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&v);
	return (uint32_t)(v.a ^ v.b ^ v.c ^ v.d);
}

void map_fini(struct map *m)
{
	for (size_t i = 0; i < m->n_slots; i++)
		free(m->slots[i].key);
	free(m->slots);
	*m = (struct map){0};
}

/* The slot of KEY, or the free one where it would go. */
static struct map_slot *find(const struct map *m, uint32_t hash, const char *key, size_t len)
{
	size_t mask = m->n_slots - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct map_slot *s = &m->slots[i];

		if (!s->key || (s->hash == hash && s->key_len == len && !memcmp(s->key, key, len)))
			return s;
	}
}

void *map_get_n(const struct map *m, const char *key, size_t len)
{
	return m->n ? find(m, map_hash(key, len), key, len)->value : NULL;
}

void *map_get(const struct map *m, const char *key)
{
	return map_get_n(m, key, strlen(key));
}

bool map_has(const struct map *m, const char *key)
{
	return map_get(m, key);
}

static void grow(struct map *m)
{
	struct map bigger = {.n = m->n, .n_slots = m->n_slots ? m->n_slots * 2 : 8};

	bigger.slots = xcalloc(bigger.n_slots, sizeof(*bigger.slots));
	for (size_t i = 0; i < m->n_slots; i++) {
		struct map_slot *s = &m->slots[i];

		if (s->key)
			*find(&bigger, s->hash, s->key, s->key_len) = *s;
	}
	free(m->slots);
	*m = bigger;
}

void *map_put(struct map *m, const char *key, void *value)
{
	size_t len = strlen(key);
	uint32_t hash = map_hash(key, len);

	if (!value || len > UINT32_MAX)
		abort();
	if ((m->n + 1) * 4 > m->n_slots * 3)
		grow(m);
	struct map_slot *s = find(m, hash, key, len);
	void *old = s->value;
	if (!s->key) {
		*s = (struct map_slot){.key = xstrdup(key), .hash = hash, .key_len = (uint32_t)len};
		m->n++;
	}
	s->value = value;
	return old;
}

/* Closes the gap at slot I: entries behind it that it kept from their own place move up. */
static void shift_back(struct map *m, size_t i)
{
	size_t mask = m->n_slots - 1;

	for (size_t j = (i + 1) & mask; m->slots[j].key; j = (j + 1) & mask) {
		size_t home = m->slots[j].hash & mask;

		if (((j - home) & mask) >= ((j - i) & mask)) {
			m->slots[i] = m->slots[j];
			i = j;
		}
	}
	m->slots[i] = (struct map_slot){0};
}

void *map_remove(struct map *m, const char *key)
{
	size_t len = strlen(key);

	if (!m->n)
		return NULL;
	struct map_slot *s = find(m, map_hash(key, len), key, len);
	if (!s->key)
		return NULL;
	void *old = s->value;
	free(s->key);
	m->n--;
	shift_back(m, (size_t)(s - m->slots));
	return old;
}

struct map_slot *map_slot_from(const struct map *m, struct map_slot *slot)
{
	if (!slot)
		return NULL;
	for (; slot < m->slots + m->n_slots; slot++)
		if (slot->key)
			return slot;
	return NULL;
}
