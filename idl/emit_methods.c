/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of calls and of classes, in X.gen.c.
 */
#include "idl/marks.h"

#include <string.h>

/* The record of a call's parameters. */
static void emit_in(struct emitter *e, const struct decl *d)
{
	const char *fields = arena_printf(&e->idl->arena, "parameters_%s", d->c_name);
	const char *c_struct = arena_printf(&e->idl->arena, "%s_in", c_call(e->idl, d));

	if (d->members)
		emit_fields(e, d, fields, c_struct);
	emit(e, "static const struct type in_%s = {\n\t.kind = TYPE_RECORD,\n", d->c_name);
	emit_text_member(e, "name", d->name);
	if (d->members)
		emit(e, "\t.size = sizeof(struct %s),\n\t.fields = %s,\n\t.n = %zu,\n", c_struct,
			fields, d->n_members);
	emit(e, "\t.unknown_case = -1,\n};\n\n");
}

static const char *flags_text(struct idl *idl, const struct decl *d)
{
	static const char *const texts[] = {
		[0] = "",
		[1] = "METHOD_TASK",
		[2] = "METHOD_DEPRECATED",
		[3] = "METHOD_TASK | METHOD_DEPRECATED",
		[4] = "METHOD_READ_ONLY",
		[5] = "METHOD_TASK | METHOD_READ_ONLY",
		[6] = "METHOD_DEPRECATED | METHOD_READ_ONLY",
		[7] = "METHOD_TASK | METHOD_DEPRECATED | METHOD_READ_ONLY",
	};
	const char *flags = texts[d->is_task + 2 * !!d->deprecated + 4 * d->is_read];

	if (d->is_static)
		flags = *flags ? arena_printf(&idl->arena, "%s | METHOD_STATIC", flags)
			       : "METHOD_STATIC";
	return mark_flags(idl, flags, "METHOD", d->marks);
}

static void emit_method_errors(struct emitter *e, const struct decl *d)
{
	unsigned n = 0;

	for (const struct error_use *u = d->errors; u; u = u->next)
		emit(e, "%s&ERR_%s", n++ ? ", " : "\t\t.errors = (const struct err_kind *const[]){",
			u->code);
	if (n)
		emit(e, "},\n\t\t.n_errors = %u,\n", n);
}

static void emit_method(struct emitter *e, const struct decl *d)
{
	e->is_nested = true;
	emit_text_member(e, "name", d->name);
	emit(e, "\t\t.in = &in_%s,\n", d->c_name);
	emit(e, "\t\t.out = &%s,\n",
		d->result ? c_table(e->idl, e->interface, d->result) : "type_void");
	const char *flags = flags_text(e->idl, d);
	if (*flags)
		emit(e, "\t\t.flags = %s,\n", flags);
	emit_method_errors(e, d);
	emit_text_member(e, "doc", d->doc);
	emit_text_member(e, "since", d->since);
	emit_text_member(e, "deprecated", d->deprecated);
	emit_text_member(e, "role", d->role.name);
	emit_text_member(e, "other_role", d->role.other);
	e->is_nested = false;
}

void emit_methods(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	if (!i->n_methods)
		return;
	for (size_t k = 0; k < i->n_methods; k++)
		emit_in(e, i->methods[k]);
	emit(e, "const struct method %s_methods[] = {\n", i->name);
	for (size_t k = 0; k < i->n_methods; k++) {
		emit(e, "\t[%s] = {\n", c_method(e->idl, i->methods[k]));
		emit_method(e, i->methods[k]);
		emit(e, "\t},\n");
	}
	emit(e, "};\n\n");
}

/* ---- classes ---- */

/* The messages of a class have their own table: those of the interface that belong to it. */
static unsigned emit_messages(struct emitter *e, const struct decl *class)
{
	const struct interface_decl *i = e->interface;
	unsigned n = 0;

	for (size_t k = 0; k < i->n_methods; k++) {
		if (i->methods[k]->class != class)
			continue;
		if (!n++)
			emit(e, "static const struct method *const messages_%s[] = {\n",
				class->c_name);
		emit(e, "\t&%s_methods[%s],\n", i->name, c_method(e->idl, i->methods[k]));
	}
	if (n)
		emit(e, "};\n\n");
	return n;
}

static void emit_class(struct emitter *e, const struct decl *d)
{
	unsigned n_messages = emit_messages(e, d);

	emit(e, "const struct class %s_class_%s = {\n", e->interface->name, d->c_name);
	emit_text_member(e, "name", d->name);
	emit_text_member(e, "doc", d->doc);
	emit(e, "\t.record = &%s_type_%s,\n", e->interface->name, d->c_name);
	if (d->members)
		emit(e, "\t.fields = fields_%s,\n\t.n_fields = %zu,\n", d->c_name, d->n_members);
	if (n_messages)
		emit(e, "\t.messages = messages_%s,\n\t.n_messages = %u,\n", d->c_name, n_messages);
	const char *flags = mark_flags(e->idl, "", "CLASS", d->marks);
	if (*flags)
		emit(e, "\t.flags = %s,\n", flags);
	emit_text_member(e, "since", d->since);
	emit_text_member(e, "deprecated", d->deprecated);
	emit_text_member(e, "role", d->role.name);
	emit_text_member(e, "other_role", d->role.other);
	emit_text_member(e, "reader", d->reader.name);
	emit(e, "\t.is_persistent = %s,\n};\n\n", d->is_persistent ? "true" : "false");
}

void emit_classes(struct emitter *e)
{
	for (const struct decl *d = e->interface->decls; d; d = d->next)
		if (d->kind == DECL_CLASS)
			emit_class(e, d);
}
