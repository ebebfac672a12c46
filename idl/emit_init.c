/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a record or the parameters of a call are before anyone sets a member: the defaults of the
 * interface as an initializer, X_INIT, so that a caller need not know them. Only for what has a
 * default that is not all zero bits.
 */
#include "idl/emit.h"

#include <string.h>

static bool has_init(const struct decl *d);

static bool is_nothing(const struct literal *l)
{
	return l->kind == LITERAL_LIST || (l->kind == LITERAL_BOOL && !strcmp(l->text, "false")) ||
		(l->kind == LITERAL_INTEGER && !strcmp(l->text, "0"));
}

/* Whether the member begins with something else than zero bits. */
static bool member_has_init(const struct member *m)
{
	if (!m->value || is_nothing(m->value) || m->type->form == FORM_MAP)
		return false;
	if (m->type->form == FORM_NAMED && m->type->decl->kind == DECL_RECORD)
		return has_init(m->type->decl);
	/* The only default of a datetime is the epoch. */
	return m->type->form != FORM_BASE ||
		(m->type->base != BASE_BYTES && m->type->base != BASE_DATETIME);
}

static bool has_init(const struct decl *d)
{
	for (const struct member *m = d->members; m; m = m->next)
		if (member_has_init(m))
			return true;
	return false;
}

static void emit_base(struct emitter *e, enum base_kind b, const struct literal *l)
{
	switch (b) {
	case BASE_BOOL:
	case BASE_FLOAT:
		emit(e, "%s", l->text);
		return;
	case BASE_INT:
		/* C has no negative literals: the smallest number is a sum. */
		emit(e, strcmp(l->text, "-9223372036854775808") ? "%s" : "(%.19s7 - 1)", l->text);
		return;
	case BASE_STRING:
		emit_string(e, l->string);
		return;
	case BASE_SECRET:
		emit(e, "{\"\"}");
		return;
	case BASE_ANY:
		emit(e, "{.text = ");
		emit_string(e, l->text);
		emit(e, ", .len = %zu}", strlen(l->text));
		return;
	case BASE_BYTES:
	case BASE_DATETIME:
		break;
	}
	abort();
}

/* The case of an enum or a variant that the literal names, in quotes or not. */
static const struct member *named_case(const struct decl *d, const struct literal *l)
{
	const char *name = l->kind == LITERAL_STRING ? l->string : l->text;

	for (const struct member *m = d->members; m; m = m->next)
		if (!strcmp(m->name, name))
			return m;
	abort();
}

static void emit_named(struct emitter *e, const struct decl *d, const struct literal *l)
{
	if (d->kind == DECL_ENUM)
		emit(e, "%s", c_case(e->idl, d, named_case(d, l)));
	else if (d->kind == DECL_VARIANT)
		emit(e, "{.kind = %s}", c_case(e->idl, d, named_case(d, l)));
	else if (d->kind == DECL_RECORD)
		emit(e, "%s", c_init(e->idl, c_named(e->idl, d)));
	else
		emit_string(e, l->string);
}

static void emit_macro(struct emitter *e, const struct decl *d, const char *c_struct)
{
	if (!has_init(d))
		return;
	emit(e, "#define %s \\\n\t{ \\\n", c_init(e->idl, c_struct));
	for (const struct member *m = d->members; m; m = m->next) {
		if (!member_has_init(m))
			continue;
		emit(e, "\t\t.%s = ", c_member(e->idl, m->name));
		if (m->type->form == FORM_BASE)
			emit_base(e, m->type->base, m->value);
		else if (m->type->form == FORM_NAMED)
			emit_named(e, m->type->decl, m->value);
		else
			emit_string(e, m->value->string);
		emit(e, ", \\\n");
	}
	emit(e, "\t}\n\n");
}

void emit_inits(struct emitter *e)
{
	for (const struct decl *d = e->interface->decls; d; d = d->next) {
		if (d->kind == DECL_RECORD)
			emit_macro(e, d, c_named(e->idl, d));
		else if (d->kind == DECL_CALL)
			emit_macro(e, d, arena_printf(&e->idl->arena, "%s_in", c_call(e->idl, d)));
	}
}
