/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * References. Each that a row has or a field holds is there once, counted; its text is what fields
 * point to, so that two are the same when their addresses are. The null reference is no name.
 */
#include "common/mem.h"
#include "common/uuid.h"
#include "xapid/db/db_priv.h"

#include <stdio.h>
#include <string.h>

static const char null_text[] = REF_NULL;

struct db_name *db_name_of(const char *text)
{
	return text == null_text ? NULL : container_of(text, struct db_name, text);
}

/* Where a reference is among the recent ones: the first two letters of its uuid tell. */
static struct db_name **recent_of(const char *ref)
{
	size_t at = 0;

	if (!strncmp(ref, "OpaqueRef:", 10) && ref[10])
		at = (unsigned char)ref[10] * 5U + (unsigned char)ref[11];
	return &db.recent[at % DB_RECENT_NAMES];
}

/* One call asks for the same few objects again and again: to compare a text costs less than to
 * hash it. */
struct db_name *db_name_find(const char *ref)
{
	if (ref_is_null(ref))
		return NULL;
	struct db_name **recent = recent_of(ref);
	if (*recent && ((*recent)->text == ref || !strcmp((*recent)->text, ref)))
		return *recent;
	struct db_name *n = map_get(&db.names, ref);
	if (n)
		*recent = n;
	return n;
}

/* It is about to go. */
static void forget_recent(const struct db_name *n)
{
	struct db_name **recent = recent_of(n->text);

	if (*recent == n)
		*recent = NULL;
}

struct db_name *db_name_make(const char *ref)
{
	struct db_name *n = map_get(&db.names, ref);

	if (n)
		return n;
	size_t size = strlen(ref) + 1;
	n = xcalloc(1, sizeof(*n) + size);
	memcpy(n->text, ref, size);
	map_put(&db.names, ref, n);
	return n;
}

const char *db_name_take(const char *ref)
{
	if (ref_is_null(ref))
		return null_text;
	struct db_name *n = db_name_make(ref);
	n->n_uses++;
	return n->text;
}

void db_name_drop(const char *text)
{
	struct db_name *n = db_name_of(text);

	if (!n)
		return;
	if (--n->n_uses)
		return;
	forget_recent(n);
	map_remove(&db.names, n->text);
	vec_fini(&n->users);
	db_bury(n);
}

char *db_new_ref(char out[static DB_REF_SIZE])
{
	memcpy(out, "OpaqueRef:", 10);
	uuid_random_text(out + 10);
	return out;
}
