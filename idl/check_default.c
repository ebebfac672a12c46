/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the default value that a field or a parameter has in the interface is one of its type.
 */
#include "idl/idlc.h"

#include <errno.h>
#include <string.h>

static bool base_fits(const struct literal *l, enum base_kind b)
{
	switch (b) {
	case BASE_BOOL:
		return l->kind == LITERAL_BOOL;
	case BASE_INT:
		return l->kind == LITERAL_INTEGER;
	case BASE_FLOAT:
		return l->kind == LITERAL_INTEGER || l->kind == LITERAL_REAL;
	case BASE_STRING:
		return l->kind == LITERAL_STRING;
	case BASE_SECRET:
	case BASE_BYTES:
		return l->kind == LITERAL_STRING && !strcmp(l->text, "\"\"");
	case BASE_DATETIME:
		return l->kind == LITERAL_STRING && !strcmp(l->string, "1970-01-01T00:00:00Z");
	case BASE_ANY:
		return l->kind != LITERAL_WORD;
	}
	abort();
}

/* Whether the literal is the name: a word, or in quotes what is no word. */
static bool is_name(const struct literal *l, const char *name)
{
	size_t len = strlen(name);

	if (l->kind == LITERAL_WORD)
		return !strcmp(l->text, name);
	return l->kind == LITERAL_STRING && strlen(l->text) == len + 2 &&
		!memcmp(l->text + 1, name, len);
}

/* A case without value of an enum or a variant. */
static void check_case(struct idl *idl, const struct literal *l, const struct decl *d)
{
	for (struct member *m = d->members; m; m = m->next)
		if (is_name(l, m->name) && !m->type)
			return;
	error_at(idl, l->at, "the default is not a case of '%s' without value", d->name);
}

/* {} is a record when every field may be missing. */
static void check_record(struct idl *idl, const struct literal *l, const struct decl *d)
{
	if (l->kind != LITERAL_OBJECT) {
		error_at(idl, l->at, "the only default that a record can have is {}");
		return;
	}
	for (struct member *m = d->members; m; m = m->next)
		if (!m->value && m->type->form != FORM_OPTION)
			error_at(idl, l->at, "{} is no '%s': '%s' may not be missing", d->name,
				m->name);
}

static void check_named(struct idl *idl, const struct literal *l, const struct decl *d)
{
	if (!d)
		return;
	if (d->kind == DECL_RECORD)
		check_record(idl, l, d);
	else if (d->kind != DECL_ID)
		check_case(idl, l, d);
	else if (l->kind != LITERAL_STRING)
		error_at(idl, l->at, "the default of an id is a string");
}

static void check_base(struct idl *idl, const struct literal *l, enum base_kind b)
{
	if (!base_fits(l, b)) {
		error_at(idl, l->at, "this cannot be the default of type '%s'", base_type_name(b));
		return;
	}
	errno = 0;
	if (b == BASE_INT)
		strtoll(l->text, NULL, 10);
	else if (l->kind == LITERAL_INTEGER || l->kind == LITERAL_REAL)
		strtod(l->text, NULL);
	if (errno == ERANGE)
		error_at(idl, l->at, "the number is out of range");
}

static void check_literal(struct idl *idl, const struct type_use *t, const struct literal *l)
{
	switch (t->form) {
	case FORM_BASE:
		check_base(idl, l, t->base);
		return;
	case FORM_NAMED:
		check_named(idl, l, t->decl);
		return;
	case FORM_LIST:
	case FORM_SET:
		if (l->kind != LITERAL_LIST)
			error_at(
				idl, l->at, "the only default that a list or a set can have is []");
		return;
	case FORM_MAP:
		if (l->kind != LITERAL_OBJECT)
			error_at(idl, l->at, "the only default that a map can have is {}");
		return;
	case FORM_OPTION:
		error_at(idl, l->at, "what has a '?' is absent by default");
		return;
	case FORM_REF:
		if (l->kind != LITERAL_STRING)
			error_at(idl, l->at, "the default of a reference is a string");
		return;
	}
}

void check_default(struct idl *idl, const struct member *m)
{
	check_literal(idl, m->type, m->value);
	for (const struct literal *item = m->value->items; item; item = item->next)
		if (m->type->of)
			check_literal(idl, m->type->of, item);
}
