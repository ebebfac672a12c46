/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interface as idlc understood it, in the language itself, every mark spelled out and in one
 * order: what the tests of the front end compare.
 */
#include "idl/marks.h"

#include <string.h>

/* In a checked tree a name is known with the interface that it is of. */
static const char *full_type(struct emitter *e, const struct type_use *t)
{
	static const char *const makers[] = {
		[FORM_LIST] = "list",
		[FORM_SET] = "set",
		[FORM_MAP] = "map",
	};

	switch (t->form) {
	case FORM_BASE:
		return base_type_name(t->base);
	case FORM_NAMED:
		if (t->is_class)
			return arena_printf(&e->idl->arena, "record %s", t->decl->name);
		return arena_printf(&e->idl->arena, "%s.%s", t->decl->owner->name, t->decl->name);
	case FORM_REF:
		return arena_printf(&e->idl->arena, "ref %s", t->decl->name);
	case FORM_OPTION:
		return arena_printf(&e->idl->arena, "(%s)?", full_type(e, t->of));
	case FORM_LIST:
	case FORM_SET:
	case FORM_MAP:
		if (t->key)
			return arena_printf(&e->idl->arena, "map (%s) to (%s)",
				full_type(e, t->key), full_type(e, t->of));
		return arena_printf(
			&e->idl->arena, "%s (%s)", makers[t->form], full_type(e, t->of));
	}
	abort();
}

static void emit_doc(struct emitter *e, const char *indent, const char *doc)
{
	for (const char *line = doc; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		emit(e, "%s## %.*s\n", indent, (int)strcspn(line, "\n"), line);
	}
}

static void emit_mark(struct emitter *e, const char *mark, const char *text)
{
	if (!text)
		return;
	emit(e, " %s ", mark);
	emit_json_string(e, text);
}

static void emit_role(struct emitter *e, const char *mark, const struct role_use *role)
{
	if (role->name)
		emit(e, " %s %s", mark, role->name);
	if (role->other)
		emit(e, " or %s", role->other);
}

static void emit_class_marks(struct emitter *e, const struct member *m)
{
	static const char *const accesses[] = {
		[ACCESS_READ_ONLY] = "ro",
		[ACCESS_READ_WRITE] = "rw",
		[ACCESS_CREATE] = "create",
	};

	emit(e, " %s %s", accesses[m->access], m->is_persistent ? "persistent" : "volatile");
	if (m->is_unique)
		emit(e, " unique");
	emit_role(e, "role", &m->role);
	emit_role(e, "visible", &m->reader);
	if (m->inverse)
		emit(e, " inverse %s", m->inverse);
	for (const struct key_role *k = m->keys; k; k = k->next) {
		emit(e, k == m->keys ? " keys { " : ", ");
		emit_json_string(e, k->key);
		emit(e, " role %s%s", k->role, k->next ? "" : " }");
	}
	emit_mark_words(e, m->marks);
}

static void emit_member(struct emitter *e, const struct decl *d, const struct member *m)
{
	emit_doc(e, "\t", m->doc);
	emit(e, "\t%s", m->name);
	if (m->type)
		emit(e, " %s", full_type(e, m->type));
	if (m->value)
		emit(e, " = %s", m->value->text);
	emit_mark(e, "since", m->since);
	emit_mark(e, "deprecated", m->deprecated);
	if (d->kind == DECL_CLASS)
		emit_class_marks(e, m);
	emit(e, ";\n");
}

static void emit_call(struct emitter *e, const struct decl *d)
{
	emit(e, "\t: %s", d->result ? full_type(e, d->result) : "void");
	emit(e, "%s%s", d->is_task ? " task" : "", d->is_read ? " read" : "");
	for (const struct error_use *u = d->errors; u; u = u->next)
		emit(e, "%s%s.%s", u == d->errors ? " errors " : ", ", u->decl->owner->name,
			u->code);
	emit_role(e, "role", &d->role);
	emit_mark(e, "since", d->since);
	emit_mark(e, "deprecated", d->deprecated);
	emit_mark_words(e, d->marks);
	emit(e, "\n");
}

static void emit_class_line(struct emitter *e, const struct decl *d)
{
	emit(e, d->is_persistent ? " persistent" : " volatile");
	emit_mark_words(e, d->marks);
	emit_role(e, "role", &d->role);
	emit_role(e, "visible", &d->reader);
	emit_mark(e, "since", d->since);
	emit_mark(e, "deprecated", d->deprecated);
}

static void emit_decl(struct emitter *e, const struct decl *d)
{
	static const char *const words[] = {
		[DECL_ID] = "id",
		[DECL_ENUM] = "enum",
		[DECL_RECORD] = "record",
		[DECL_VARIANT] = "variant",
		[DECL_ERROR] = "error",
		[DECL_CALL] = "call",
		[DECL_CLASS] = "class",
	};

	emit(e, "\n");
	emit_doc(e, "", d->doc);
	emit(e, "%s %s", words[d->kind], d->name);
	if (d->unknown)
		emit(e, " unknown %s", d->unknown);
	if (d->kind == DECL_CLASS)
		emit_class_line(e, d);
	emit(e, "\n");
	for (const struct member *m = d->members; m; m = m->next)
		emit_member(e, d, m);
	if (d->kind == DECL_CALL)
		emit_call(e, d);
}

void emit_ast(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	emit_doc(e, "", i->doc);
	emit(e, "interface %s version %ld handlers %s\n", i->name, i->version, i->handlers);
	for (const struct import *import = i->imports; import; import = import->next)
		emit(e, "import %s\n", import->name);
	for (const struct role_decl *r = i->roles; r; r = r->next)
		emit(e, "role %s\n", r->name);
	for (const struct decl *d = i->decls; d; d = d->next)
		emit_decl(e, d);
}
