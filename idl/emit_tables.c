/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * X.gen.c: the tables of common/schema.h, and the functions that make errors.
 */
#include "idl/marks.h"

#include <string.h>

/* ---- errors ---- */

static void emit_error_function(struct emitter *e, const struct decl *d)
{
	emit(e, "__attribute__((__weak__)) struct err *err_make_%s(const char *file, int line",
		d->name);
	for (const struct member *m = d->members; m; m = m->next)
		emit_argument(e, "const char *%s", c_error_parameter(e->idl, m->name));
	emit(e, ")\n{\n\treturn err_new(file, line, \"%s\", %zu, ", d->name, d->n_members);
	if (!d->members)
		emit(e, "NULL");
	for (const struct member *m = d->members; m; m = m->next)
		emit(e, "%s%s%s", m == d->members ? "(const char *const[]){" : ", ",
			c_error_parameter(e->idl, m->name), m->next ? "" : "}");
	emit(e, ");\n}\n\n");
}

/* Weak: two interfaces of a program may declare the same error. */
static void emit_error(struct emitter *e, const struct decl *d)
{
	emit(e, "const struct err_kind ERR_%s __attribute__((__weak__)) = {\n", d->name);
	emit(e, "\t.code = \"%s\",\n\t.n_params = %zu,\n", d->name, d->n_members);
	for (const struct member *m = d->members; m; m = m->next)
		emit(e, "%s\"%s\"%s", m == d->members ? "\t.params = (const char *const[]){" : ", ",
			m->name, m->next ? "" : "},\n");
	emit_text_member(e, "doc", d->doc);
	emit(e, "};\n\n");
	emit_error_function(e, d);
}

/* ---- lists, maps and options, which have no name of their own ---- */

struct locals {
	struct emitter *emitter;
	struct map seen;
};

static const char *const form_kinds[] = {
	[FORM_LIST] = "TYPE_LIST",
	[FORM_SET] = "TYPE_LIST",
	[FORM_MAP] = "TYPE_MAP",
	[FORM_OPTION] = "TYPE_OPTION",
	[FORM_REF] = "TYPE_STRING",
};

static void emit_local(const struct type_use *t, void *arg)
{
	struct locals *l = arg;
	struct emitter *e = l->emitter;

	if (!c_table_is_local(t))
		return;
	const char *table = c_table(e->idl, e->interface, t);
	if (map_put(&l->seen, table, l))
		return;
	emit(e, "static const struct type %s = {\n", table);
	emit(e, "\t.kind = %s,\n\t.size = sizeof(%s),\n", form_kinds[t->form],
		c_type_name(e->idl, e->interface, t));
	emit_text_member(e, "name", type_text(e->idl, t));
	if (t->of)
		emit(e, "\t.of = &%s,\n", c_table(e->idl, e->interface, t->of));
	if (t->key)
		emit(e, "\t.key = &%s,\n", c_table(e->idl, e->interface, t->key));
	if (t->form == FORM_MAP) {
		const char *entry = c_container(e->idl, e->interface, t);

		emit(e, "\t.value_offset = offsetof(struct %s_entry, value),\n", entry);
		emit(e, "\t.entry_size = sizeof(struct %s_entry),\n", entry);
	}
	if (t->form == FORM_SET)
		emit(e, "\t.is_set = true,\n");
	if (t->form == FORM_REF)
		emit(e, "\t.class = &%s_class_%s,\n", t->decl->owner->name, t->decl->c_name);
	emit(e, "\t.unknown_case = -1,\n};\n\n");
}

static void emit_locals(struct emitter *e)
{
	struct locals l = {.emitter = e};

	each_type(e->idl, e->interface, emit_local, &l);
	map_fini(&l.seen);
}

/* ---- fields ---- */

static const char *flags_text(struct idl *idl, const struct decl *d, const struct member *m)
{
	const char *text = "";
	const struct {
		bool is_set;
		const char *name;
	} flags[] = {
		{m->value, "FIELD_HAS_DEFAULT"},
		{m->deprecated, "FIELD_DEPRECATED"},
		{m->access == ACCESS_READ_WRITE, "FIELD_READ_WRITE"},
		{m->access == ACCESS_CREATE, "FIELD_CREATE"},
		{d->kind == DECL_CLASS && m->is_persistent, "FIELD_PERSISTENT"},
		{m->is_unique, "FIELD_UNIQUE"},
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].is_set)
			text = !*text ? flags[i].name
				      : arena_printf(&idl->arena, "%s | %s", text, flags[i].name);
	return mark_flags(idl, text, "FIELD", m->marks);
}

static void emit_key_roles(struct emitter *e, const struct member *m)
{
	unsigned n = 0;

	for (const struct key_role *k = m->keys; k; k = k->next) {
		emit(e, n++ ? ", {" : "\t\t.map_keys = (const struct map_key_role[]){{");
		emit_string(e, k->key);
		emit(e, ", \"%s\"}", k->role);
	}
	if (n)
		emit(e, "},\n\t\t.n_map_keys = %u,\n", n);
}

static void emit_field(
	struct emitter *e, const struct decl *d, const struct member *m, const char *c_struct)
{
	const char *flags = flags_text(e->idl, d, m);

	emit(e, "\t{\n");
	e->is_nested = true;
	emit_text_member(e, "name", m->name);
	emit(e, "\t\t.type = &%s,\n", c_table(e->idl, e->interface, m->type));
	emit(e, "\t\t.offset = offsetof(struct %s, %s),\n", c_struct, c_member(e->idl, m->name));
	if (*flags)
		emit(e, "\t\t.flags = %s,\n", flags);
	if (m->value)
		emit_text_member(e, "default_json", literal_json(e->idl, m->value));
	emit_text_member(e, "doc", m->doc);
	emit_text_member(e, "since", m->since);
	emit_text_member(e, "deprecated", m->deprecated);
	emit_text_member(e, "role", m->role.name);
	emit_text_member(e, "other_role", m->role.other);
	emit_text_member(e, "reader", m->reader.name);
	emit_text_member(e, "inverse", m->inverse);
	emit_key_roles(e, m);
	e->is_nested = false;
	emit(e, "\t},\n");
}

void emit_fields(struct emitter *e, const struct decl *d, const char *table, const char *c_struct)
{
	emit(e, "static const struct field %s[] = {\n", table);
	for (const struct member *m = d->members; m; m = m->next)
		emit_field(e, d, m, c_struct);
	emit(e, "};\n\n");
}

/* ---- named types ---- */

static void emit_type_head(struct emitter *e, const struct decl *d, const char *kind)
{
	emit(e, "const struct type %s_type_%s = {\n\t.kind = %s,\n", e->interface->name, d->c_name,
		kind);
	emit_text_member(e, "name", d->name);
	emit_text_member(e, "doc", d->doc);
}

static int case_index(const struct decl *d, const char *name)
{
	int k = 0;

	if (!name)
		return -1;
	for (const struct member *m = d->members; m && strcmp(m->name, name) != 0; m = m->next)
		k++;
	return k;
}

static void emit_id(struct emitter *e, const struct decl *d)
{
	emit_type_head(e, d, "TYPE_STRING");
	emit(e, "\t.size = sizeof(const char *),\n\t.unknown_case = -1,\n};\n\n");
}

static void emit_case(struct emitter *e, const struct decl *d, const struct member *m)
{
	emit(e, "\t{\n");
	e->is_nested = true;
	emit_text_member(e, "name", m->name);
	emit(e, "\t\t.value = %s,\n", c_case(e->idl, d, m));
	if (m->type)
		emit(e, "\t\t.type = &%s,\n", c_table(e->idl, e->interface, m->type));
	emit_text_member(e, "doc", m->doc);
	e->is_nested = false;
	emit(e, "\t},\n");
}

/* Where the values of a variant lie: all at the same place. */
static void emit_value_offset(struct emitter *e, const struct decl *d)
{
	for (const struct member *m = d->members; m; m = m->next) {
		if (!m->type)
			continue;
		emit(e, "\t.value_offset = offsetof(struct %s, %s),\n", c_named(e->idl, d),
			c_variant_member(e->idl, m->name));
		return;
	}
}

/* An enum or a variant. */
static void emit_choice(struct emitter *e, const struct decl *d)
{
	bool is_enum = d->kind == DECL_ENUM;

	emit(e, "static const struct type_case cases_%s[] = {\n", d->c_name);
	for (const struct member *m = d->members; m; m = m->next)
		emit_case(e, d, m);
	emit(e, "};\n\n");
	emit_type_head(e, d, is_enum ? "TYPE_ENUM" : "TYPE_VARIANT");
	emit(e, "\t.size = sizeof(%s %s),\n", is_enum ? "enum" : "struct", c_named(e->idl, d));
	emit(e, "\t.cases = cases_%s,\n\t.n = %zu,\n", d->c_name, d->n_members);
	emit_value_offset(e, d);
	emit(e, "\t.unknown_case = %d,\n};\n\n", case_index(d, d->unknown));
}

static void emit_record(struct emitter *e, const struct decl *d)
{
	const char *table = arena_printf(&e->idl->arena, "fields_%s", d->c_name);

	if (!d->members) {
		emit_type_head(e, d, "TYPE_RECORD");
		emit(e, "\t.unknown_case = -1,\n};\n\n");
		return;
	}
	emit_fields(e, d, table, c_named(e->idl, d));
	emit_type_head(e, d, "TYPE_RECORD");
	emit(e, "\t.size = sizeof(struct %s),\n", c_named(e->idl, d));
	emit(e, "\t.fields = %s,\n\t.n = %zu,\n\t.unknown_case = -1,\n};\n\n", table, d->n_members);
}

static void emit_decl(struct emitter *e, const struct decl *d)
{
	switch (d->kind) {
	case DECL_ID:
		emit_id(e, d);
		return;
	case DECL_ENUM:
	case DECL_VARIANT:
		emit_choice(e, d);
		return;
	case DECL_RECORD:
	case DECL_CLASS:
		emit_record(e, d);
		return;
	case DECL_ERROR:
		emit_error(e, d);
		return;
	case DECL_CALL:
		return;
	}
}

/* ---- the interface ---- */

static bool is_type(const struct decl *d)
{
	return d->kind != DECL_CALL && d->kind != DECL_ERROR;
}

static bool is_error(const struct decl *d)
{
	return d->kind == DECL_ERROR;
}

static bool is_class(const struct decl *d)
{
	return d->kind == DECL_CLASS;
}

/* ".types = (…[]){&a, &b}, .n_types = 2," */
static void emit_pointers(struct emitter *e, const char *c_struct, const char *member,
	bool (*belongs)(const struct decl *d), const char *prefix)
{
	unsigned n = 0;

	for (const struct decl *d = e->interface->decls; d; d = d->next) {
		if (!belongs(d))
			continue;
		if (!n++)
			emit(e, "\t.%s = (const struct %s *const[]){", member, c_struct);
		emit(e, "\n\t\t&%s%s,", prefix, is_error(d) ? d->name : d->c_name);
	}
	if (n)
		emit(e, "\n\t},\n\t.n_%s = %u,\n", member, n);
}

static void emit_roles(struct emitter *e)
{
	unsigned n = 0;

	for (const struct role_decl *r = e->interface->roles; r; r = r->next)
		emit(e, "%s\"%s\"", n++ ? ", " : "\t.roles = (const char *const[]){", r->name);
	if (n)
		emit(e, "},\n\t.n_roles = %u,\n", n);
}

static const char *prefix(struct emitter *e, const char *word)
{
	return arena_printf(&e->idl->arena, "%s_%s_", e->interface->name, word);
}

static void emit_interface(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	emit(e, "const struct interface %s_interface = {\n", i->name);
	emit_text_member(e, "name", i->name);
	emit(e, "\t.version = %ld,\n", i->version);
	emit_text_member(e, "doc", i->doc);
	if (i->n_methods)
		emit(e, "\t.methods = %s_methods,\n\t.n_methods = %zu,\n", i->name, i->n_methods);
	emit_pointers(e, "type", "types", is_type, prefix(e, "type"));
	emit_pointers(e, "err_kind", "errors", is_error, "ERR_");
	emit_pointers(e, "class", "classes", is_class, prefix(e, "class"));
	emit_roles(e);
	emit_text_member(e, "fingerprint", fingerprint(e->idl, i));
	emit(e, "};\n");
}

void emit_tables(struct emitter *e)
{
	emit_head(e, "its tables");
	emit(e, "#include \"%s.gen.h\"\n\n", e->interface->name);
	emit_locals(e);
	for (const struct decl *d = e->interface->decls; d; d = d->next)
		emit_decl(e, d);
	emit_methods(e);
	emit_classes(e);
	emit_interface(e);
}
