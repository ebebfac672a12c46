/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables' common part (schema.h): the base types, lists and maps of them, and look-ups. All of
 * it is constant, so any thread may use it.
 */
#include "common/schema.h"

#include <string.h>

#define BASE_TYPE(id, KIND, ctype) \
	const struct type type_##id = { \
		.kind = TYPE_##KIND, .size = sizeof(ctype), .name = #id, .unknown_case = -1}

const struct type type_void = {.kind = TYPE_VOID, .name = "void", .unknown_case = -1};
BASE_TYPE(bool, BOOL, bool);
BASE_TYPE(int, INT, int64_t);
BASE_TYPE(float, FLOAT, double);
BASE_TYPE(string, STRING, const char *);
BASE_TYPE(secret, SECRET, struct secret);
BASE_TYPE(bytes, BYTES, struct bytes);
BASE_TYPE(datetime, DATETIME, int64_t);
BASE_TYPE(any, ANY, struct json_text);

#define LIST_TYPE(id) \
	const struct type type_list_##id = {.kind = TYPE_LIST, \
		.size = sizeof(struct id##_list), \
		.name = "list " #id, \
		.of = &type_##id, \
		.unknown_case = -1}

LIST_TYPE(string);
LIST_TYPE(int);
LIST_TYPE(float);
LIST_TYPE(bool);

#define MAP_TYPE(id) \
	const struct type type_map_##id = {.kind = TYPE_MAP, \
		.size = sizeof(struct id##_map), \
		.name = "map " #id, \
		.of = &type_##id, \
		.value_offset = offsetof(struct id##_map_entry, value), \
		.entry_size = sizeof(struct id##_map_entry), \
		.unknown_case = -1}

MAP_TYPE(string);
MAP_TYPE(int);
MAP_TYPE(float);
MAP_TYPE(bool);

const char *string_map_get(const struct string_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->v[i].key, key))
			return m->v[i].value;
	return NULL;
}

/* As strcmp, of a NUL-terminated A and LEN bytes of B. */
static int compare(const char *a, const char *b, size_t len)
{
	int order = strncmp(a, b, len);

	return order ? order : a[len] != '\0';
}

const struct method *interface_method(const struct interface *i, const char *name, size_t len)
{
	size_t low = 0, high = i->n_methods;

	if (memchr(name, '\0', len))
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(i->methods[middle].name, name, len);

		if (!order)
			return &i->methods[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct type *interface_type(const struct interface *i, const char *name)
{
	for (uint32_t n = 0; n < i->n_types; n++)
		if (!strcmp(i->types[n]->name, name))
			return i->types[n];
	return NULL;
}

const struct type_case *type_case_of(const struct type *t, int value)
{
	/* The compiler numbers cases from 0 in their order. */
	if (value >= 0 && (uint32_t)value < t->n && t->cases[value].value == value)
		return &t->cases[value];
	for (uint32_t i = 0; i < t->n; i++)
		if (t->cases[i].value == value)
			return &t->cases[i];
	return NULL;
}

const struct type_case *type_case_named(const struct type *t, const char *name, size_t len)
{
	for (uint32_t i = 0; i < t->n; i++) {
		const char *candidate = t->cases[i].name;

		if (strlen(candidate) == len && !memcmp(candidate, name, len))
			return &t->cases[i];
	}
	return NULL;
}

const char *type_case_name(const struct type *t, int value)
{
	const struct type_case *found = type_case_of(t, value);

	return found ? found->name : NULL;
}

/* The types that are being looked into, innermost first: a type may contain itself. */
struct path {
	const struct path *outer;
	const struct type *type;
};

static bool has_secret(const struct type *t, const struct path *outer)
{
	struct path here = {outer, t};

	for (const struct path *p = outer; p; p = p->outer)
		if (p->type == t)
			return false;
	switch (t->kind) {
	case TYPE_SECRET:
		return true;
	case TYPE_LIST:
	case TYPE_MAP:
	case TYPE_OPTION:
		return has_secret(t->of, &here);
	case TYPE_RECORD:
		for (uint32_t i = 0; i < t->n; i++)
			if (has_secret(t->fields[i].type, &here))
				return true;
		return false;
	case TYPE_VARIANT:
		for (uint32_t i = 0; i < t->n; i++)
			if (t->cases[i].type && has_secret(t->cases[i].type, &here))
				return true;
		return false;
	case TYPE_VOID:
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_FLOAT:
	case TYPE_STRING:
	case TYPE_BYTES:
	case TYPE_DATETIME:
	case TYPE_ANY:
	case TYPE_ENUM:
		return false;
	}
	return false;
}

bool type_has_secret(const struct type *t)
{
	return has_secret(t, NULL);
}
