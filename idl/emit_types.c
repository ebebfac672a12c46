/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * X.gen.h: the types of an interface in C, its errors, its calls, and what the tables are called.
 * Enums come first, then lists and maps (they only point at what they hold), then records and
 * variants, each behind what it contains, and last the entries of maps.
 */
#include "idl/emit.h"

#include <string.h>

static const char *declare(struct emitter *e, const struct type_use *t, const char *name)
{
	return arena_printf(&e->idl->arena, "%s%s", c_type(e->idl, e->interface, t), name);
}

static void emit_enum(struct emitter *e, const struct decl *d)
{
	emit_comment(e, "", d->doc);
	emit(e, "enum %s {\n", c_named(e->idl, d));
	for (const struct member *m = d->members; m; m = m->next) {
		emit_comment(e, "\t", m->doc);
		emit(e, "\t%s,\n", c_case(e->idl, d, m));
	}
	emit(e, "};\n\n");
}

static void emit_enums(struct emitter *e)
{
	for (const struct decl *d = e->interface->decls; d; d = d->next)
		if (d->kind == DECL_ENUM)
			emit_enum(e, d);
}

static void emit_struct_members(struct emitter *e, const struct decl *d)
{
	for (const struct member *m = d->members; m; m = m->next) {
		emit_comment(e, "\t", m->doc);
		emit(e, "\t%s;\n", declare(e, m->type, c_member(e->idl, m->name)));
	}
}

/* ---- containers ---- */

struct containers {
	struct emitter *emitter;
	struct map seen; /* names of structs that are there already */
	bool is_entries;
};

static void emit_container(const struct type_use *t, void *arg)
{
	struct containers *c = arg;
	struct emitter *e = c->emitter;

	if (t->form != FORM_LIST && t->form != FORM_SET && t->form != FORM_MAP)
		return;
	const char *name = c_container(e->idl, e->interface, t);
	if (c_container_is_shared(t) || map_put(&c->seen, name, c))
		return;
	if (t->form != FORM_MAP)
		emit(e, "struct %s {\n\t%s;\n\tsize_t n;\n};\n\n", name, declare(e, t->of, "*v"));
	else
		emit(e, "struct %s {\n\tstruct %s_entry *v;\n\tsize_t n;\n};\n\n", name, name);
}

static void emit_entry(const struct type_use *t, void *arg)
{
	struct containers *c = arg;
	struct emitter *e = c->emitter;

	if (t->form != FORM_MAP || c_container_is_shared(t))
		return;
	const char *name = c_container(e->idl, e->interface, t);
	if (map_put(&c->seen, name, c))
		return;
	emit(e, "struct %s_entry {\n\tconst char *key;\n\t%s;\n};\n\n", name,
		declare(e, t->of, "value"));
}

static void emit_each_once(struct emitter *e, void (*emit_one)(const struct type_use *t, void *arg))
{
	struct containers c = {.emitter = e};

	each_type(e->idl, e->interface, emit_one, &c);
	map_fini(&c.seen);
}

/* ---- records and variants ---- */

static bool has_values(const struct decl *d)
{
	for (const struct member *m = d->members; m; m = m->next)
		if (m->type)
			return true;
	return false;
}

static void emit_variant(struct emitter *e, const struct decl *d)
{
	const char *name = c_named(e->idl, d);

	emit(e, "enum %s_kind {\n", name);
	for (const struct member *m = d->members; m; m = m->next)
		emit(e, "\t%s,\n", c_case(e->idl, d, m));
	emit(e, "};\n\n");
	emit_comment(e, "", d->doc);
	emit(e, "struct %s {\n\tenum %s_kind kind;\n", name, name);
	if (has_values(d))
		emit(e, "\tunion {\n");
	for (const struct member *m = d->members; m; m = m->next) {
		if (!m->type)
			continue;
		emit_comment(e, "\t\t", m->doc);
		emit(e, "\t\t%s;\n", declare(e, m->type, c_variant_member(e->idl, m->name)));
	}
	emit(e, has_values(d) ? "\t};\n};\n\n" : "};\n\n");
}

static void emit_record(struct emitter *e, const struct decl *d)
{
	emit_comment(e, "", d->doc);
	emit(e, "struct %s {\n", c_named(e->idl, d));
	emit_struct_members(e, d);
	emit(e, "};\n\n");
}

static void emit_structs(struct emitter *e)
{
	for (size_t k = 0; k < e->interface->n_by_value; k++) {
		const struct decl *d = e->interface->by_value[k];

		if (d->kind == DECL_VARIANT)
			emit_variant(e, d);
		else if (d->members)
			emit_record(e, d);
	}
}

/* ---- errors ---- */

static void emit_errors(struct emitter *e)
{
	for (const struct decl *d = e->interface->decls; d; d = d->next) {
		if (d->kind != DECL_ERROR)
			continue;
		emit_comment(e, "", d->doc);
		emit(e, "extern const struct err_kind ERR_%s;\n", d->name);
		emit(e, "must_check struct err *err_make_%s(const char *file, int line", d->name);
		for (const struct member *m = d->members; m; m = m->next)
			emit_argument(e, "const char *%s", c_error_parameter(e->idl, m->name));
		emit(e, ")\n\t__attribute__((__returns_nonnull__));\n\n");
	}
}

/* ---- calls ---- */

static void emit_parameters(struct emitter *e)
{
	for (const struct decl *d = e->interface->decls; d; d = d->next) {
		if (d->kind != DECL_CALL || !d->members)
			continue;
		emit(e, "/* The parameters of %s. */\nstruct %s_in {\n", d->name,
			c_call(e->idl, d));
		emit_struct_members(e, d);
		emit(e, "};\n\n");
	}
}

static void emit_method_enum(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	if (!i->n_methods)
		return;
	emit(e, "/* The calls, sorted by name: the place of each in %s_methods. */\n", i->name);
	emit(e, "enum %s_method {\n", i->name);
	for (size_t k = 0; k < i->n_methods; k++)
		emit(e, "\t%s,\n", c_method(e->idl, i->methods[k]));
	emit(e, "};\n\n");
}

/* ---- tables ---- */

static void emit_table_names(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	emit(e, "extern const struct interface %s_interface;\n", i->name);
	if (i->n_methods) {
		emit(e, "extern const struct method %s_methods[];\n", i->name);
		emit(e, "extern const struct service %s_service;\n", i->name);
	}
	for (const struct decl *d = i->decls; d; d = d->next) {
		if (d->kind == DECL_CALL || d->kind == DECL_ERROR)
			continue;
		emit(e, "extern const struct type %s_type_%s;\n", i->name, d->c_name);
		if (d->kind == DECL_CLASS)
			emit(e, "extern const struct class %s_class_%s;\n", i->name, d->c_name);
	}
}

static void emit_includes(struct emitter *e)
{
	emit(e, "#include \"common/err.h\"\n#include \"common/schema.h\"\n");
	for (const struct import *i = e->interface->imports; i; i = i->next)
		emit(e, "#include \"%s.gen.h\"\n", i->name);
	emit(e, "\nstruct arena;\nstruct rpc_client;\n\n");
}

void emit_types(struct emitter *e)
{
	const char *guard = c_upper(e->idl, e->interface->name);

	emit_head(e, "types, errors and calls");
	emit(e, "#ifndef XENITH_GEN_%s_H\n#define XENITH_GEN_%s_H\n\n", guard, guard);
	emit_includes(e);
	emit_comment(e, "", e->interface->doc);
	sbuf_addc(&e->out, '\n');
	emit_enums(e);
	emit_each_once(e, emit_container);
	emit_structs(e);
	emit_each_once(e, emit_entry);
	emit_errors(e);
	emit_parameters(e);
	emit_inits(e);
	emit_client_prototypes(e);
	emit_handler_prototypes(e);
	emit_method_enum(e);
	emit_table_names(e);
	emit(e, "\n#endif\n");
}
