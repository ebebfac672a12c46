/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names in C (cname.h). An interface's names begin with its own name, so that several interfaces
 * can be used in one file.
 */
#include "idl/cname.h"

#include <assert.h>
#include <string.h>

const char *c_upper(struct idl *idl, const char *name)
{
	char *upper = arena_strdup(&idl->arena, name);

	for (char *p = upper; *p; p++) {
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
		else if (!(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9'))
			*p = '_';
	}
	return upper;
}

const char *c_member(struct idl *idl, const char *name)
{
	return is_c_word(name) ? arena_printf(&idl->arena, "%s_", name) : name;
}

const char *c_variant_member(struct idl *idl, const char *name)
{
	return strcmp(name, "kind") ? c_member(idl, name) : "kind_";
}

const char *c_error_parameter(struct idl *idl, const char *name)
{
	bool is_taken = !strcmp(name, "file") || !strcmp(name, "line");

	return is_taken ? arena_printf(&idl->arena, "%s_", name) : c_member(idl, name);
}

const char *c_named(struct idl *idl, const struct decl *d)
{
	return arena_printf(&idl->arena, "%s_%s", d->owner->name, d->c_name);
}

const char *c_case(struct idl *idl, const struct decl *d, const struct member *m)
{
	return c_upper(idl, arena_printf(&idl->arena, "%s_%s", c_named(idl, d), m->name));
}

const char *c_init(struct idl *idl, const char *c_struct)
{
	return c_upper(idl, arena_printf(&idl->arena, "%s_init", c_struct));
}

const char *c_call(struct idl *idl, const struct decl *d)
{
	return c_named(idl, d);
}

const char *c_method(struct idl *idl, const struct decl *d)
{
	return c_upper(idl, arena_printf(&idl->arena, "%s_method_%s", d->owner->name, d->c_name));
}

const char *c_handler(struct idl *idl, const struct decl *d)
{
	return arena_printf(&idl->arena, "%s_%s", d->owner->handlers, d->c_name);
}

/* ---- types ---- */

bool c_is_string(const struct type_use *t)
{
	return t->form == FORM_REF || (t->form == FORM_BASE && t->base == BASE_STRING) ||
		(t->form == FORM_NAMED && t->decl->kind == DECL_ID);
}

static const char *base_c_type(enum base_kind b)
{
	switch (b) {
	case BASE_BOOL:
		return "bool ";
	case BASE_INT:
	case BASE_DATETIME:
		return "int64_t ";
	case BASE_FLOAT:
		return "double ";
	case BASE_STRING:
		return "const char *";
	case BASE_SECRET:
		return "struct secret ";
	case BASE_BYTES:
		return "struct bytes ";
	case BASE_ANY:
		return "struct json_text ";
	}
	abort();
}

const char *c_type(struct idl *idl, const struct interface_decl *i, const struct type_use *t)
{
	if (c_is_string(t))
		return "const char *";
	switch (t->form) {
	case FORM_BASE:
		return base_c_type(t->base);
	case FORM_NAMED:
		return arena_printf(&idl->arena, "%s %s ",
			t->decl->kind == DECL_ENUM ? "enum" : "struct", c_named(idl, t->decl));
	case FORM_OPTION:
		if (c_is_string(t->of))
			return "const char *";
		return arena_printf(&idl->arena, "%s*", c_type(idl, i, t->of));
	case FORM_LIST:
	case FORM_SET:
	case FORM_MAP:
		return arena_printf(&idl->arena, "struct %s ", c_container(idl, i, t));
	case FORM_REF:
		break;
	}
	abort();
}

const char *c_type_name(struct idl *idl, const struct interface_decl *i, const struct type_use *t)
{
	const char *name = c_type(idl, i, t);
	size_t len = strlen(name);

	return arena_strndup(&idl->arena, name, name[len - 1] == ' ' ? len - 1 : len);
}

static bool is_shared_element(const struct type_use *t)
{
	return c_is_string(t) ||
		(t->form == FORM_BASE &&
			(t->base == BASE_BOOL || t->base == BASE_INT || t->base == BASE_FLOAT));
}

bool c_container_is_shared(const struct type_use *t)
{
	return is_shared_element(t->of);
}

/* What a container of T has in its name: "vbd", "string_list", "core_task". */
static const char *element_name(
	struct idl *idl, const struct interface_decl *i, const struct type_use *t)
{
	if (c_is_string(t))
		return "string";
	switch (t->form) {
	case FORM_BASE:
		return base_type_name(t->base);
	case FORM_NAMED:
		return t->decl->owner == i ? t->decl->c_name : c_named(idl, t->decl);
	case FORM_LIST:
	case FORM_SET:
		return arena_printf(&idl->arena, "%s_list", element_name(idl, i, t->of));
	case FORM_MAP:
		return arena_printf(&idl->arena, "%s_map", element_name(idl, i, t->of));
	case FORM_OPTION:
		return arena_printf(&idl->arena, "%s_option", element_name(idl, i, t->of));
	case FORM_REF:
		break;
	}
	abort();
}

const char *c_container(struct idl *idl, const struct interface_decl *i, const struct type_use *t)
{
	const char *name = element_name(idl, i, t);

	return c_container_is_shared(t) ? name : arena_printf(&idl->arena, "%s_%s", i->name, name);
}

/* ---- tables ---- */

bool c_table_is_local(const struct type_use *t)
{
	switch (t->form) {
	case FORM_BASE:
	case FORM_NAMED:
		return false;
	case FORM_LIST:
	case FORM_MAP:
		return t->key || t->of->form != FORM_BASE || !is_shared_element(t->of);
	case FORM_SET:
	case FORM_OPTION:
	case FORM_REF:
		return true;
	}
	abort();
}

/* "list_of_vbd", for what has no table of its own name. */
static const char *local_table(
	struct idl *idl, const struct interface_decl *i, const struct type_use *t)
{
	static const char *const makers[] = {
		[FORM_LIST] = "list",
		[FORM_SET] = "set",
		[FORM_OPTION] = "option",
	};

	switch (t->form) {
	case FORM_BASE:
		return base_type_name(t->base);
	case FORM_NAMED:
		return t->decl->owner == i ? t->decl->c_name : c_named(idl, t->decl);
	case FORM_REF:
		return arena_printf(&idl->arena, "ref_%s", t->decl->c_name);
	case FORM_MAP:
		if (t->key)
			return arena_printf(&idl->arena, "map_of_%s_to_%s",
				local_table(idl, i, t->key), local_table(idl, i, t->of));
		return arena_printf(&idl->arena, "map_of_%s", local_table(idl, i, t->of));
	case FORM_LIST:
	case FORM_SET:
	case FORM_OPTION:
		return arena_printf(
			&idl->arena, "%s_of_%s", makers[t->form], local_table(idl, i, t->of));
	}
	abort();
}

const char *c_table(struct idl *idl, const struct interface_decl *i, const struct type_use *t)
{
	if (t->form == FORM_NAMED)
		return arena_printf(
			&idl->arena, "%s_type_%s", t->decl->owner->name, t->decl->c_name);
	if (c_table_is_local(t))
		return local_table(idl, i, t);
	if (t->form == FORM_BASE)
		return arena_printf(&idl->arena, "type_%s", base_type_name(t->base));
	return arena_printf(&idl->arena, "type_%s_%s", t->form == FORM_LIST ? "list" : "map",
		base_type_name(t->of->base));
}

const char *type_text(struct idl *idl, const struct type_use *t)
{
	static const char *const makers[] = {
		[FORM_LIST] = "list",
		[FORM_SET] = "set",
		[FORM_MAP] = "map",
	};
	const char *inner = t->of ? type_text(idl, t->of) : NULL;

	if (t->key)
		return arena_printf(&idl->arena, "map %s to %s", type_text(idl, t->key), inner);

	switch (t->form) {
	case FORM_BASE:
		return base_type_name(t->base);
	case FORM_NAMED:
		if (t->is_class)
			return arena_printf(&idl->arena, "record %s", t->name);
		return t->from ? arena_printf(&idl->arena, "%s.%s", t->from, t->name) : t->name;
	case FORM_REF:
		return arena_printf(&idl->arena, "ref %s", t->name);
	case FORM_OPTION:
		return arena_printf(&idl->arena, "%s?", inner);
	case FORM_LIST:
	case FORM_SET:
	case FORM_MAP:
		assert(t->of);
		return arena_printf(&idl->arena, t->of->form == FORM_OPTION ? "%s (%s)" : "%s %s",
			makers[t->form], inner);
	}
	abort();
}

/* ---- all types of an interface ---- */

static void visit(
	const struct type_use *t, void (*fn)(const struct type_use *t, void *arg), void *arg)
{
	if (t->key)
		visit(t->key, fn, arg);
	if (t->of)
		visit(t->of, fn, arg);
	fn(t, arg);
}

void each_type(struct idl *idl, const struct interface_decl *i,
	void (*fn)(const struct type_use *t, void *arg), void *arg)
{
	for (const struct decl *d = i->decls; d; d = d->next) {
		for (const struct member *m = d->members; m; m = m->next)
			if (m->type && d->kind != DECL_ERROR)
				visit(m->type, fn, arg);
		if (d->result)
			visit(d->result, fn, arg);
	}
}
