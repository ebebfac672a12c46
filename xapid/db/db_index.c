/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows by the text of a field, for the fields that objects are looked for by and that several may
 * have alike. A chain of rows for each hash; the links are behind the rows' records (db_row_new).
 */
#include "common/mem.h"
#include "xapid/db/db_priv.h"

#include <assert.h>
#include <string.h>

#define FIRST_CHAINS 16

struct db_index {
	struct list *chains; /* owned */
	size_t n_chains; /* a power of two */
	size_t n;
};

/* A reference to a name is a name; a VDI is where its driver says. */
static bool is_wanted(const struct class *c, const struct field *f)
{
	return f->type == &type_string &&
		(!strcmp(f->name, "name_label") ||
			(c == &xenapi_class_vdi && !strcmp(f->name, "location")));
}

void db_index_prepare(struct db_class *c, struct db_field *f)
{
	if (!is_wanted(c->class, f->field))
		return;
	f->index = xnew(struct db_index);
	f->index_link = c->n_indexes++;
}

/* Of the field's link in a row. */
static size_t link_offset(const struct db_field *f, const struct class *c)
{
	size_t size = sizeof(struct list);

	return offsetof(struct db_row, record) + (c->record->size + size - 1) / size * size +
		f->index_link * size;
}

static struct list *link_of(const struct db_row *row, const struct db_field *f)
{
	return (struct list *)((char *)row + link_offset(f, row->class->class));
}

size_t db_index_room(const struct db_class *c)
{
	return c->n_indexes ? (c->n_indexes + 1) * sizeof(struct list) : 0;
}

static const char *text_of(const struct db_row *row, const struct db_field *f)
{
	return *(const char *const *)(row->record + f->field->offset);
}

static struct list *chain_of(const struct db_index *ix, const char *text)
{
	return &ix->chains[map_hash(text, strlen(text)) & (ix->n_chains - 1)];
}

/* Longer chains would be slower; the rows come to the new ones oldest first. */
static void grow(struct db_class *c, struct db_field *f)
{
	struct db_index *ix = f->index;

	free(ix->chains);
	ix->n_chains = ix->n_chains ? ix->n_chains * 2 : FIRST_CHAINS;
	ix->chains = xcalloc(ix->n_chains, sizeof(*ix->chains));
	for (size_t i = 0; i < ix->n_chains; i++)
		list_init(&ix->chains[i]);
	for (struct db_row *row = db_first_row(c->class); row; row = db_next_row(row)) {
		struct list *link = link_of(row, f);

		if (!list_is_linked(link))
			continue;
		list_init(link);
		list_push_back(chain_of(ix, text_of(row, f)), link);
	}
}

void db_index_add(struct db_row *row, struct db_field *f)
{
	struct db_index *ix = f->index;

	if (ix->n == ix->n_chains)
		grow(row->class, f);
	ix->n++;
	list_push_back(chain_of(ix, text_of(row, f)), link_of(row, f));
}

void db_index_remove(struct db_row *row, struct db_field *f)
{
	f->index->n--;
	list_remove(link_of(row, f));
}

void db_index_fini(struct db_field *f)
{
	if (f->index)
		free(f->index->chains);
	free(f->index);
}

/* The first at or behind the link that is of this text. */
static struct db_row *row_at(const struct db_class *c, const struct db_field *f,
	const struct list *chain, const struct list *link, const char *text)
{
	for (; link != chain; link = link->next) {
		struct db_row *row = (struct db_row *)((char *)link - link_offset(f, c->class));

		if (!strcmp(text_of(row, f), text))
			return row;
	}
	return NULL;
}

static struct db_field *indexed(struct db_class *c, const struct field *f)
{
	struct db_field *own = &c->fields[f - c->class->fields];

	assert(own->index);
	return own;
}

struct db_row *db_first_named(
	const struct class *class, const struct field *field, const char *text)
{
	struct db_class *c = db_class_of(class);

	if (!c->n_rows)
		return NULL;
	const struct db_field *f = indexed(c, field);
	const struct list *chain = chain_of(f->index, text);
	return row_at(c, f, chain, chain->next, text);
}

struct db_row *db_next_named(const struct db_row *row, const struct field *field)
{
	const struct db_field *f = indexed(row->class, field);
	const char *text = text_of(row, f);

	return row_at(row->class, f, chain_of(f->index, text), link_of(row, f)->next, text);
}
