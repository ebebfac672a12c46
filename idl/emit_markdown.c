/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reference page of an interface: calls, types, classes and errors, each with what it links to.
 */
#include "idl/emit.h"

#include <string.h>

/* A link to where a type is described; base types are described by their names. */
static const char *type_link(struct emitter *e, const struct type_use *t)
{
	struct arena *a = &e->idl->arena;

	switch (t->form) {
	case FORM_BASE:
		return base_type_name(t->base);
	case FORM_NAMED:
		if (t->decl->owner == e->interface)
			return arena_printf(a, "[%s](#%s)", t->decl->name, t->decl->name);
		return arena_printf(a, "[%s.%s](%s.md#%s)", t->decl->owner->name, t->decl->name,
			t->decl->owner->name, t->decl->name);
	case FORM_REF:
		return arena_printf(a, "ref [%s](#%s)", t->decl->name, t->decl->c_name);
	case FORM_OPTION:
		return arena_printf(a, "%s, optional", type_link(e, t->of));
	case FORM_LIST:
		return arena_printf(a, "list of %s", type_link(e, t->of));
	case FORM_SET:
		return arena_printf(a, "set of %s", type_link(e, t->of));
	case FORM_MAP:
		return arena_printf(a, "map of %s", type_link(e, t->of));
	}
	abort();
}

/* Words for people in one cell of a table: no line ends, no '|'. */
static void emit_cell(struct emitter *e, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			sbuf_addc(&e->out, '\\');
		sbuf_addc(&e->out, *text == '\n' ? ' ' : *text);
	}
}

static void emit_age(struct emitter *e, const char *since, const char *deprecated)
{
	if (since)
		emit(e, " Since %s.", since);
	if (deprecated)
		emit(e, " **Deprecated**: use %s.", deprecated);
}

static void emit_row(struct emitter *e, const struct decl *d, const struct member *m)
{
	emit(e, "| `%s` | %s | ", m->name, m->type ? type_link(e, m->type) : "");
	if (m->value)
		emit(e, "`%s`", m->value->text);
	emit(e, " | ");
	if (d->kind == DECL_CLASS)
		emit(e, "%s%s. ",
			m->access == ACCESS_READ_WRITE       ? "Read and write"
				: m->access == ACCESS_CREATE ? "Set at creation"
							     : "Read only",
			m->is_persistent ? "" : ", not kept");
	if (m->role.name)
		emit(e, "Set by %s. ", m->role.name);
	emit_cell(e, m->doc ? m->doc : "");
	emit_age(e, m->since, m->deprecated);
	emit(e, " |\n");
}

static void emit_member_table(struct emitter *e, const struct decl *d, const char *what)
{
	if (!d->members)
		return;
	emit(e, "\n| %s | type | default | |\n|---|---|---|---|\n", what);
	for (const struct member *m = d->members; m; m = m->next)
		emit_row(e, d, m);
}

static void emit_cases(struct emitter *e, const struct decl *d)
{
	emit(e, "\n");
	for (const struct member *m = d->members; m; m = m->next) {
		emit(e, "- `%s`", m->name);
		if (m->type)
			emit(e, " with a value: %s", type_link(e, m->type));
		if (m->doc)
			emit(e, "%s ", m->type ? "." : ":");
		emit_cell(e, m->doc ? m->doc : "");
		emit(e, "%s\n",
			d->unknown && !strcmp(d->unknown, m->name)
				? " An unknown name counts as this."
				: "");
	}
}

static const char *error_link(struct emitter *e, const struct decl *d)
{
	const char *page =
		d->owner == e->interface ? ""
					 : arena_printf(&e->idl->arena, "%s.md", d->owner->name);

	return arena_printf(&e->idl->arena, "[%s](%s#%s)", d->name, page, d->c_name);
}

static void emit_call(struct emitter *e, const struct decl *d)
{
	emit(e, "\n### %s\n\n%s", d->name, d->doc);
	emit_age(e, d->since, d->deprecated);
	emit(e, "\n");
	emit_member_table(e, d, "parameter");
	if (d->is_task)
		emit(e, "\nA task: the answer is the task's id.");
	if (d->result)
		emit(e, "\n%s: %s", d->is_task ? "The task's result" : "Result",
			type_link(e, d->result));
	if (d->is_task || d->result)
		emit(e, "\n");
	if (d->role.name)
		emit(e, "\nLeast role: %s\n", d->role.name);
	for (const struct error_use *u = d->errors; u; u = u->next)
		emit(e, "%s%s%s", u == d->errors ? "\nErrors: " : ", ", error_link(e, u->decl),
			u->next ? "" : "\n");
}

static void emit_type(struct emitter *e, const struct decl *d)
{
	emit(e, "\n### %s\n\n%s\n", d->name, d->doc);
	if (d->kind == DECL_ID)
		emit(e, "\nAn opaque string.\n");
	else if (d->kind == DECL_ENUM || d->kind == DECL_VARIANT)
		emit_cases(e, d);
	else
		emit_member_table(e, d, "field");
}

static void emit_error(struct emitter *e, const struct decl *d)
{
	emit(e, "\n### %s\n\n%s\n", d->name, d->doc);
	for (const struct member *m = d->members; m; m = m->next)
		emit(e, "%s`%s`%s", m == d->members ? "\nParameters: " : ", ", m->name,
			m->next ? "" : "\n");
}

/* Which section a declaration stands in. */
enum section { SECTION_CLASSES, SECTION_CALLS, SECTION_TYPES, SECTION_ERRORS };

static enum section section_of(const struct decl *d)
{
	switch (d->kind) {
	case DECL_CLASS:
		return SECTION_CLASSES;
	case DECL_CALL:
		return SECTION_CALLS;
	case DECL_ERROR:
		return SECTION_ERRORS;
	case DECL_ID:
	case DECL_ENUM:
	case DECL_RECORD:
	case DECL_VARIANT:
		break;
	}
	return SECTION_TYPES;
}

static void emit_section(struct emitter *e, enum section section, const char *title,
	void (*emit_one)(struct emitter *e, const struct decl *d))
{
	bool is_empty = true;

	for (const struct decl *d = e->interface->decls; d; d = d->next) {
		if (section_of(d) != section)
			continue;
		if (is_empty)
			emit(e, "\n## %s\n", title);
		is_empty = false;
		emit_one(e, d);
	}
}

void emit_markdown(struct emitter *e)
{
	emit(e, "# %s, version %ld\n\n%s\n", e->interface->name, e->interface->version,
		e->interface->doc);
	emit_section(e, SECTION_CLASSES, "Classes", emit_type);
	emit_section(e, SECTION_CALLS, "Calls", emit_call);
	emit_section(e, SECTION_TYPES, "Types", emit_type);
	emit_section(e, SECTION_ERRORS, "Errors", emit_error);
}
