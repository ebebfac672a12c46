/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes of a part of a field: a key of a map, a member of a set. Each makes the new value and
 * writes it as one delta (db_row.c).
 */
#include "common/codec.h"
#include "xapid/db/db_priv.h"

#include <assert.h>
#include <string.h>

/* What a function here works on. */
struct place {
	struct db_row *row;
	struct db_field *field;
	const struct type *type;
	const struct any_list *value;
	size_t stride;
};

static struct err *find(
	const struct class *c, const char *ref, size_t offset, enum type_kind kind, struct place *p)
{
	p->row = db_row(c, ref);
	if (!p->row)
		return err(HANDLE_INVALID, c->name, ref ? ref : "");
	p->field = db_field_at(p->row->class, offset);
	p->type = p->field->field->type;
	assert(p->type->kind == kind);
	p->stride = kind == TYPE_MAP ? p->type->entry_size : p->type->of->size;
	p->value = db_place(p->row, p->field);
	return NULL;
}

/* A copy with room for one more, in the arena; its elements are still the row's. */
static struct any_list copy_list(const struct place *p, struct arena *a)
{
	struct any_list copy = {arena_calloc(a, p->value->n + 1, p->stride), p->value->n};

	if (copy.n)
		memcpy(copy.v, p->value->v, copy.n * p->stride);
	return copy;
}

static void remove_at(const struct place *p, struct any_list *list, size_t i)
{
	char *at = (char *)list->v + i * p->stride;

	list->n--;
	memmove(at, at + p->stride, (list->n - i) * p->stride);
}

/* ---- maps ---- */

static char *entry_at(const struct place *p, const struct any_list *list, size_t i)
{
	return (char *)list->v + i * p->stride;
}

/* list->n when the key is not there. */
static size_t key_index(const struct place *p, const struct any_list *list, const char *key)
{
	size_t i = 0;

	while (i < list->n && strcmp(*(const char **)entry_at(p, list, i), key) != 0)
		i++;
	return i;
}

bool db_has_key(const struct db_row *row, const struct field *map, const char *key)
{
	const struct place p = {.stride = map->type->entry_size};
	const struct any_list *list = db_value(row, map);

	return key_index(&p, list, key) < list->n;
}

struct err *db_map_put_at(
	const struct class *c, const char *ref, size_t offset, const char *key, const void *value)
{
	auto_arena a = {0};
	struct place p;

	TRY(find(c, ref, offset, TYPE_MAP, &p));
	struct any_list map = copy_list(&p, &a);
	size_t i = key_index(&p, &map, key);
	if (i == map.n)
		map.n++;
	*(const char **)entry_at(&p, &map, i) = key;
	memcpy(entry_at(&p, &map, i) + p.type->value_offset, value, p.type->of->size);
	return db_row_write_part(p.row, p.field, &map, &(struct db_part){DB_OP_PUT, key, value});
}

struct err *db_map_remove_at(const struct class *c, const char *ref, size_t offset, const char *key)
{
	auto_arena a = {0};
	struct place p;

	TRY(find(c, ref, offset, TYPE_MAP, &p));
	struct any_list map = copy_list(&p, &a);
	size_t i = key_index(&p, &map, key);
	if (i == map.n)
		return NULL;
	remove_at(&p, &map, i);
	return db_row_write_part(p.row, p.field, &map, &(struct db_part){DB_OP_REMOVE, key, NULL});
}

/* ---- sets ---- */

static size_t member_index(const struct place *p, const struct any_list *list, const void *value)
{
	size_t i = 0;

	while (i < list->n && !codec_equal(p->type->of, entry_at(p, list, i), value))
		i++;
	return i;
}

struct err *db_set_add_at(const struct class *c, const char *ref, size_t offset, const void *value)
{
	auto_arena a = {0};
	struct place p;

	TRY(find(c, ref, offset, TYPE_LIST, &p));
	struct any_list set = copy_list(&p, &a);
	if (member_index(&p, &set, value) < set.n)
		return NULL;
	memcpy(entry_at(&p, &set, set.n++), value, p.stride);
	return db_row_write_part(p.row, p.field, &set, &(struct db_part){DB_OP_ADD, NULL, value});
}

struct err *db_set_remove_at(
	const struct class *c, const char *ref, size_t offset, const void *value)
{
	auto_arena a = {0};
	struct place p;

	TRY(find(c, ref, offset, TYPE_LIST, &p));
	struct any_list set = copy_list(&p, &a);
	size_t i = member_index(&p, &set, value);
	if (i == set.n)
		return NULL;
	remove_at(&p, &set, i);
	return db_row_write_part(p.row, p.field, &set, &(struct db_part){DB_OP_DROP, NULL, value});
}
