/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables: a column for each scalar of the record and of the records in it, and for each list and
 * map of scalars. Names and states come first, maps last. A column that has the same as when
 * nothing was said in every row is left out, and on a terminal so are those that do not fit.
 */
#include "common/cli_table.h"

#include "common/arena.h"
#include "common/cli_text.h"
#include "common/codec.h"
#include "common/vec.h"

#include <ctype.h>
#include <string.h>

enum { GAP = 2, CELL_WIDTH_MAX = 48 };

struct column {
	const char *name;
	const char *record; /* the field that holds the record it is in, or NULL */
	const char *unsaid; /* what it shows by default */
	const struct type *type;
	size_t offset; /* in the row */
	const char **cells;
	size_t width;
	unsigned rank; /* lower ones come first */
};

struct table {
	struct arena arena;
	vec_of(struct column) columns;
	size_t n_rows;
};

/* The value; of a variant that holds a record, the name of the case alone. */
static const char *cell(struct table *tb, const struct column *c, const char *value)
{
	const struct type *t = c->type;
	const void *v = cli_peel(&t, value);
	auto_sbuf text = {0};

	if (v && t->kind == TYPE_VARIANT) {
		const struct type_case *k = cli_variant_case(t, v);

		if (k && k->type && !cli_is_scalar(k->type))
			return k->name;
	}
	cli_add_value(&text, c->name, c->type, value);
	return arena_strdup(&tb->arena, sbuf_str(&text));
}

static bool is_number(const struct type *t)
{
	while (t->kind == TYPE_OPTION)
		t = t->of;
	return t->kind == TYPE_INT || t->kind == TYPE_FLOAT;
}

static unsigned rank_of(const struct field *f, bool is_first)
{
	if (is_first)
		return 0;
	if (!strncmp(f->name, "name", 4))
		return 1;
	if (f->type->kind == TYPE_ENUM)
		return 2;
	return f->type->kind == TYPE_MAP ? 4 : 3;
}

static bool has_column(const struct type *t)
{
	return cli_is_scalar(t) ||
		((t->kind == TYPE_LIST || t->kind == TYPE_MAP) && cli_is_scalar(t->of));
}

/* Adds the columns of record T, which lies at OFFSET in the row. */
static void add_columns(struct table *tb, const struct type *t, const char *record, size_t offset)
{
	char *unsaid = arena_alloc(&tb->arena, t->size);

	codec_init_record(t, &tb->arena, unsaid);
	for (uint32_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];

		if (f->type->kind == TYPE_RECORD)
			add_columns(tb, f->type, f->name, offset + f->offset);
		if (!has_column(f->type))
			continue;
		struct column c = {
			.name = f->name,
			.record = record,
			.type = f->type,
			.offset = offset + f->offset,
			.rank = rank_of(f, !tb->columns.n),
		};
		bool can_be_unsaid = (f->flags & FIELD_HAS_DEFAULT) || f->type->kind == TYPE_OPTION;
		c.unsaid = can_be_unsaid ? cell(tb, &c, unsaid + f->offset) : "";
		vec_push(&tb->columns, c);
	}
}

/* Fills the cells; false: no row has anything to say. */
static bool fill(struct table *tb, struct column *c, const struct any_list *rows, size_t row_size)
{
	bool is_said = false;

	c->cells = arena_calloc(&tb->arena, rows->n + 1, sizeof(*c->cells));
	for (size_t i = 0; i < rows->n; i++) {
		c->cells[i] = cell(tb, c, (const char *)rows->v + i * row_size + c->offset);
		is_said |= strcmp(c->cells[i], c->unsaid) != 0;
		if (cli_text_width(c->cells[i]) > c->width)
			c->width = cli_text_width(c->cells[i]);
	}
	return is_said || c->rank == 0;
}

/* The heading: the name, with its record's where another column is called the same. */
static const char *heading(struct table *tb, size_t at)
{
	const struct column *c = &tb->columns.v[at];
	bool is_alone = true;

	vec_for_each (i, &tb->columns)
		if (i != at && !strcmp(tb->columns.v[i].name, c->name))
			is_alone = false;
	char *text = is_alone || !c->record ? arena_strdup(&tb->arena, c->name)
					    : arena_printf(&tb->arena, "%s.%s", c->record, c->name);
	for (char *p = text; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return text;
}

/* By rank, and in their order otherwise. */
static void sort_columns(struct table *tb)
{
	for (size_t i = 1; i < tb->columns.n; i++) {
		struct column c = tb->columns.v[i];
		size_t k = i;

		for (; k && tb->columns.v[k - 1].rank > c.rank; k--)
			tb->columns.v[k] = tb->columns.v[k - 1];
		tb->columns.v[k] = c;
	}
}

static void drop_silent_columns(struct table *tb, const struct any_list *rows, size_t row_size)
{
	for (size_t i = 0; i < tb->columns.n;)
		if (fill(tb, &tb->columns.v[i], rows, row_size))
			i++;
		else
			vec_remove(&tb->columns, i);
}

static void drop_columns_beyond(struct table *tb, unsigned indent, unsigned width)
{
	size_t used = indent;

	vec_for_each (i, &tb->columns) {
		struct column *c = &tb->columns.v[i];

		if (c->width > CELL_WIDTH_MAX)
			c->width = CELL_WIDTH_MAX;
		used += c->width + (i ? GAP : 0);
		if (i && used > width) {
			tb->columns.n = i;
			return;
		}
	}
}

static void add_padding(struct sbuf *out, size_t n)
{
	while (n--)
		sbuf_addc(out, ' ');
}

/* How many bytes the first N characters take. */
static size_t bytes_of(const char *s, size_t n)
{
	size_t len = 0;

	for (; s[len]; len++)
		if (((unsigned char)s[len] & 0xC0) != 0x80 && !n--)
			break;
	return len;
}

/* A cell; one that is too wide is cut and ends with "…". */
static void add_cell(struct sbuf *out, const struct column *c, const char *text, bool is_last)
{
	size_t width = cli_text_width(text);

	if (width > c->width) {
		sbuf_add(out, text, bytes_of(text, c->width - 1));
		sbuf_adds(out, "…");
	} else if (is_number(c->type)) {
		add_padding(out, c->width - width);
		sbuf_adds(out, text);
	} else {
		sbuf_adds(out, text);
		if (!is_last)
			add_padding(out, c->width - width);
	}
}

static void add_row(struct table *tb, const char *const *cells, unsigned indent, struct sbuf *out)
{
	add_padding(out, indent);
	vec_for_each (i, &tb->columns) {
		if (i)
			add_padding(out, GAP);
		add_cell(out, &tb->columns.v[i], cells[i], i + 1 == tb->columns.n);
	}
	sbuf_addc(out, '\n');
}

void cli_table(
	const struct type *t, const void *list, unsigned indent, unsigned width, struct sbuf *out)
{
	const struct any_list *rows = list;
	struct table tb = {.n_rows = rows->n};

	if (!rows->n)
		return;
	add_columns(&tb, t->of, NULL, 0);
	sort_columns(&tb);
	drop_silent_columns(&tb, rows, t->of->size);
	const char **cells = arena_calloc(&tb.arena, tb.columns.n + 1, sizeof(*cells));
	vec_for_each (i, &tb.columns) {
		cells[i] = heading(&tb, i);
		if (cli_text_width(cells[i]) > tb.columns.v[i].width)
			tb.columns.v[i].width = cli_text_width(cells[i]);
	}
	if (width)
		drop_columns_beyond(&tb, indent, width);
	add_row(&tb, cells, indent, out);
	for (size_t row = 0; row < rows->n; row++) {
		vec_for_each (i, &tb.columns)
			cells[i] = tb.columns.v[i].cells[row];
		add_row(&tb, cells, indent, out);
	}
	vec_fini(&tb.columns);
	arena_fini(&tb.arena);
}
