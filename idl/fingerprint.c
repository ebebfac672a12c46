/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fingerprint of what travels: calls with their parameters and results, down to the last field,
 * and errors. Types count by what they consist of, not by their names, and order does not matter;
 * words for people, roles and marks of age do not count at all. It tells a change from none,
 * nothing more: FNV-1a is good enough.
 */
#include "idl/marks.h"

#include <string.h>

struct printer {
	struct idl *idl;
	struct sbuf text; /* the wire form as text, which is hashed */
	const struct decl **types; /* those met so far; their place is their name */
	size_t n_types, size;
};

/* What a message does and where, and whether objects are kept, is not how they travel. */
static unsigned wire_marks(unsigned marks)
{
	return marks & ~(unsigned)(MARK_EFFECT | MARK_KEPT | MARK_RESIDENT);
}

/* The place of a type among those met, in the order in which the sorted calls lead to them. */
static size_t type_number(struct printer *p, const struct decl *d)
{
	for (size_t i = 0; i < p->n_types; i++)
		if (p->types[i] == d)
			return i;
	if (p->n_types == p->size) {
		size_t size = p->size ? 2 * p->size : 64;
		const struct decl **bigger = arena_calloc(&p->idl->arena, size, sizeof(*bigger));

		if (p->n_types)
			memcpy(bigger, p->types, p->n_types * sizeof(*bigger));
		p->types = bigger;
		p->size = size;
	}
	p->types[p->n_types] = d;
	return p->n_types++;
}

static void print_type(struct printer *p, const struct type_use *t)
{
	static const char marks[] = {
		[FORM_LIST] = '[', [FORM_SET] = '<', [FORM_MAP] = '{', [FORM_OPTION] = '?'};

	if (c_is_string(t)) {
		sbuf_adds(&p->text, "string");
		return;
	}
	switch (t->form) {
	case FORM_BASE:
		sbuf_adds(&p->text, base_type_name(t->base));
		return;
	case FORM_NAMED:
		sbuf_printf(&p->text, "#%zu", type_number(p, t->decl));
		return;
	case FORM_LIST:
	case FORM_SET:
	case FORM_MAP:
	case FORM_OPTION:
		sbuf_addc(&p->text, marks[t->form]);
		if (t->key) {
			print_type(p, t->key);
			sbuf_addc(&p->text, '>');
		}
		print_type(p, t->of);
		return;
	case FORM_REF:
		break;
	}
	abort();
}

static int by_name(const void *a, const void *b)
{
	const struct member *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void print_member(struct printer *p, const struct decl *d, const struct member *m)
{
	sbuf_printf(&p->text, " %s:", m->name);
	if (m->type)
		print_type(p, m->type);
	if (m->value)
		sbuf_printf(&p->text, "=%s", literal_json(p->idl, m->value));
	if (d->kind == DECL_CLASS)
		sbuf_printf(&p->text, "/%d%d%d", m->access, m->is_persistent, m->is_unique);
	if (wire_marks(m->marks))
		sbuf_printf(&p->text, "/%x", wire_marks(m->marks));
}

/* Members travel by name; only the parameters of an error have an order. */
static void print_members(struct printer *p, const struct decl *d)
{
	const struct member **sorted =
		arena_calloc(&p->idl->arena, d->n_members, sizeof(struct member *));
	size_t n = 0;

	for (const struct member *m = d->members; m; m = m->next)
		sorted[n++] = m;
	if (d->kind != DECL_ERROR)
		qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < n; i++)
		print_member(p, d, sorted[i]);
}

static void print_call(struct printer *p, const struct decl *d)
{
	sbuf_printf(&p->text, "call %s", d->name);
	print_members(p, d);
	if (wire_marks(d->marks))
		sbuf_printf(&p->text, " /%x", wire_marks(d->marks));
	sbuf_adds(&p->text, d->is_task ? " task " : " -> ");
	if (d->result)
		print_type(p, d->result);
	sbuf_addc(&p->text, '\n');
}

static int by_decl_name(const void *a, const void *b)
{
	const struct decl *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Errors, and classes: what the calls do not lead to. */
static void print_sorted(struct printer *p, const struct interface_decl *i, enum decl_kind kind)
{
	size_t n = 0;

	for (const struct decl *d = i->decls; d; d = d->next)
		n += d->kind == kind;
	const struct decl **sorted = arena_calloc(&p->idl->arena, n, sizeof(*sorted));
	n = 0;
	for (const struct decl *d = i->decls; d; d = d->next)
		if (d->kind == kind)
			sorted[n++] = d;
	qsort(sorted, n, sizeof(*sorted), by_decl_name);
	for (size_t k = 0; k < n; k++) {
		sbuf_printf(&p->text, "%d %s", kind, sorted[k]->name);
		if (wire_marks(sorted[k]->marks))
			sbuf_printf(&p->text, " /%x", wire_marks(sorted[k]->marks));
		print_members(p, sorted[k]);
		sbuf_addc(&p->text, '\n');
	}
}

static uint64_t fnv1a(const char *bytes, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3;
	return hash;
}

const char *fingerprint(struct idl *idl, const struct interface_decl *i)
{
	struct printer p = {.idl = idl};

	for (size_t k = 0; k < i->n_methods; k++)
		print_call(&p, i->methods[k]);
	print_sorted(&p, i, DECL_ERROR);
	print_sorted(&p, i, DECL_CLASS);
	for (size_t k = 0; k < p.n_types; k++) {
		const struct decl *d = p.types[k];

		sbuf_printf(&p.text, "#%zu %d %s", k, d->kind, d->unknown ? d->unknown : "");
		print_members(&p, d);
		sbuf_addc(&p.text, '\n');
	}
	uint64_t hash = fnv1a(sbuf_str(&p.text), sbuf_len(&p.text));
	sbuf_fini(&p.text);
	return arena_printf(&idl->arena, "%016lx", (unsigned long)hash);
}
