/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the grammar cannot say: names mean something and are there once, everything has its words
 * for people, no value contains itself. Fills in what the names mean and the orders that emitters
 * need.
 */
#include "idl/idlc.h"

#include <string.h>

static const char *const kind_names[] = {
	[DECL_ID] = "id",
	[DECL_ENUM] = "enum",
	[DECL_RECORD] = "record",
	[DECL_VARIANT] = "variant",
	[DECL_ERROR] = "error",
	[DECL_CALL] = "call",
	[DECL_CLASS] = "class",
};

/* ---- names ---- */

static bool is_lower_case(const char *name)
{
	for (; *name; name++)
		if (*name >= 'A' && *name <= 'Z')
			return false;
	return true;
}

static void check_type_name(struct idl *idl, const struct decl *d)
{
	if (is_type_word(d->name))
		error_at(idl, d->at, "'%s' is a word of the language and cannot name a type",
			d->name);
	else if (!is_lower_case(d->name))
		error_at(idl, d->at, "a type's name is in lower case");
}

static struct map *map_of(struct interface_decl *i, enum decl_kind kind)
{
	switch (kind) {
	case DECL_ERROR:
		return &i->errors;
	case DECL_CALL:
		return &i->calls;
	case DECL_CLASS:
		return &i->classes;
	case DECL_ID:
	case DECL_ENUM:
	case DECL_RECORD:
	case DECL_VARIANT:
		break;
	}
	return &i->types;
}

/* Messages and errors of a data model have names that were given elsewhere, and many say it all. */
static bool is_said_by_its_name(const struct interface_decl *i, const struct decl *d)
{
	return i->roles && (d->class || d->kind == DECL_ERROR || d->kind == DECL_ENUM);
}

static void register_decl(struct idl *idl, struct interface_decl *i, struct decl *d)
{
	struct map *m = map_of(i, d->kind);
	struct decl *first = map_get(m, d->name);

	if (m == &i->types)
		check_type_name(idl, d);
	if (!d->doc && !is_said_by_its_name(i, d))
		error_at(idl, d->at, "%s '%s' has no doc comment (## …) before it",
			kind_names[d->kind], d->name);
	if (first) {
		error_at(idl, d->at, "there are two of '%s'", d->name);
		note_at(idl, first->at, "the first is here");
		return;
	}
	map_put(m, d->name, d);
}

static void check_members_once(struct idl *idl, const struct decl *d)
{
	struct map seen = {0};

	for (struct member *m = d->members; m; m = m->next) {
		struct member *first = map_put(&seen, m->name, m);

		if (!first)
			continue;
		error_at(idl, m->at, "'%s' has two members of the name '%s'", d->name, m->name);
		note_at(idl, first->at, "the first is this");
	}
	map_fini(&seen);
}

/* ---- what names mean ---- */

static struct interface_decl *import_find(const struct interface_decl *i, const char *name)
{
	for (struct import *import = i->imports; import; import = import->next)
		if (!strcmp(import->name, name))
			return import->interface;
	return NULL;
}

static void resolve_class(struct idl *idl, struct interface_decl *i, struct type_use *t)
{
	t->decl = map_get(&i->classes, t->name);
	if (!t->decl)
		error_at(idl, t->at, "there is no class '%s'", t->name);
}

static void resolve_named(struct idl *idl, struct interface_decl *i, struct type_use *t)
{
	struct interface_decl *from = t->from ? import_find(i, t->from) : i;

	if (t->is_class) {
		resolve_class(idl, i, t);
		return;
	}
	if (!from) {
		error_at(idl, t->at, "interface '%s' is not imported", t->from);
		return;
	}
	t->decl = map_get(&from->types, t->name);
	if (t->decl)
		return;
	if (map_has(&i->classes, t->name))
		error_at(idl, t->at, "'%s' is a class: a reference to one of it is 'ref %s'",
			t->name, t->name);
	else if (t->from)
		error_at(idl, t->at, "interface '%s' has no type '%s'", t->from, t->name);
	else
		error_at(idl, t->at, "there is no type '%s'", t->name);
}

static void resolve_type(struct idl *idl, struct interface_decl *i, struct type_use *t)
{
	switch (t->form) {
	case FORM_BASE:
		return;
	case FORM_NAMED:
		resolve_named(idl, i, t);
		return;
	case FORM_REF:
		resolve_class(idl, i, t);
		return;
	case FORM_LIST:
	case FORM_SET:
	case FORM_MAP:
	case FORM_OPTION:
		if (t->key)
			resolve_type(idl, i, t->key);
		resolve_type(idl, i, t->of);
		return;
	}
}

/* The error CODE of this interface, or of one that it imports. */
static struct decl *error_find(const struct interface_decl *i, const char *code)
{
	struct decl *d = map_get(&i->errors, code);

	for (struct import *import = i->imports; !d && import; import = import->next)
		if (import->interface)
			d = map_get(&import->interface->errors, code);
	return d;
}

static void resolve_errors(struct idl *idl, struct interface_decl *i, struct decl *d)
{
	for (struct error_use *u = d->errors; u; u = u->next) {
		u->decl = error_find(i, u->code);
		if (!u->decl)
			error_at(idl, u->at, "there is no error '%s'", u->code);
		for (struct error_use *before = d->errors; before != u; before = before->next)
			if (!strcmp(before->code, u->code))
				error_at(
					idl, u->at, "the call has the error '%s' already", u->code);
	}
}

/* ---- roles ---- */

static void check_one_role(
	struct idl *idl, const struct interface_decl *i, const char *role, struct loc at)
{
	for (struct role_decl *r = i->roles; r; r = r->next)
		if (!strcmp(r->name, role))
			return;
	error_at(idl, at, "there is no role '%s'", role);
}

static void check_role(struct idl *idl, const struct interface_decl *i, const struct role_use *role)
{
	if (role->name)
		check_one_role(idl, i, role->name, role->at);
	if (role->other)
		check_one_role(idl, i, role->other, role->other_at);
}

static void check_roles(struct idl *idl, const struct interface_decl *i, const struct decl *d)
{
	check_role(idl, i, &d->role);
	check_role(idl, i, &d->reader);
	if (!d->role.name && d->kind == DECL_CALL && i->roles)
		error_at(idl, d->at, "the interface has roles, call '%s' has none", d->name);
	for (struct member *m = d->members; m; m = m->next) {
		check_role(idl, i, &m->role);
		check_role(idl, i, &m->reader);
		if (m->keys && m->type->form != FORM_MAP)
			error_at(idl, m->at, "only a map has keys");
		for (struct key_role *k = m->keys; k; k = k->next)
			check_one_role(idl, i, k->role, k->at);
	}
}

/* ---- each kind of declaration ---- */

static void check_unknown_case(struct idl *idl, const struct decl *d)
{
	if (!d->unknown)
		return;
	for (struct member *m = d->members; m; m = m->next)
		if (!strcmp(m->name, d->unknown))
			return;
	error_at(idl, d->unknown_at, "'%s' has no case '%s'", d->name, d->unknown);
}

/* Parameters of errors travel as strings, so there must be one obvious string for each. */
static void check_error_parameter(struct idl *idl, const struct member *m)
{
	const struct type_use *t = m->type;
	bool is_plain = t->form == FORM_REF ||
		(t->form == FORM_BASE && t->base != BASE_ANY && t->base != BASE_SECRET) ||
		(t->form == FORM_NAMED &&
			(!t->decl || t->decl->kind == DECL_ID || t->decl->kind == DECL_ENUM));

	if (!is_plain)
		error_at(idl, t->at, "a parameter of an error is one plain value, and no secret");
}

/* Keys are strings on the wire, so each must have one obvious form as a string. */
static void check_key(struct idl *idl, const struct type_use *t)
{
	bool is_plain = t->form == FORM_REF ||
		(t->form == FORM_BASE && (t->base == BASE_INT || t->base == BASE_STRING)) ||
		(t->form == FORM_NAMED &&
			(!t->decl || t->decl->kind == DECL_ID || t->decl->kind == DECL_ENUM));

	if (!is_plain)
		error_at(idl, t->at, "a key is a string, an int, an id, a case or a reference");
}

/* A map has one value a key: an absent one is a key that is not there. */
static void check_no_option_inside(struct idl *idl, const struct type_use *t)
{
	if ((t->form == FORM_MAP || t->form == FORM_SET) && t->of->form == FORM_OPTION)
		error_at(idl, t->of->at, "what a map or a set holds is there: no '?'");
	else if (t->form == FORM_SET && t->of->form != FORM_BASE && t->of->form != FORM_NAMED &&
		t->of->form != FORM_REF)
		error_at(idl, t->of->at, "a set holds plain values: no lists or maps");
	if (t->key)
		check_key(idl, t->key);
	if (t->of)
		check_no_option_inside(idl, t->of);
}

/* Both ends of a relation name each other. */
static void check_inverse(struct idl *idl, const struct member *m)
{
	const struct type_use *t = m->type->form == FORM_SET ? m->type->of : m->type;

	if (t->form != FORM_REF) {
		error_at(idl, m->inverse_at, "only a reference or a set of them has an inverse");
		return;
	}
	if (!t->decl)
		return;
	for (const struct member *other = t->decl->members; other; other = other->next)
		if (!strcmp(other->name, m->inverse) && other->inverse &&
			!strcmp(other->inverse, m->name))
			return;
	error_at(idl, m->inverse_at, "%s has no field '%s' that has '%s' as its inverse",
		t->decl->name, m->inverse, m->name);
}

static void check_member(
	struct idl *idl, struct interface_decl *i, const struct decl *d, struct member *m)
{
	if (!m->type)
		return;
	resolve_type(idl, i, m->type);
	check_no_option_inside(idl, m->type);
	if (d->kind == DECL_ERROR)
		check_error_parameter(idl, m);
	if (m->inverse)
		check_inverse(idl, m);
	if (m->value)
		check_default(idl, m);
}

static void check_decl(struct idl *idl, struct interface_decl *i, struct decl *d)
{
	bool may_be_empty = d->kind == DECL_ID || d->kind == DECL_ERROR || d->kind == DECL_CALL ||
		(d->kind == DECL_CLASS && d->next && d->next->class == d);

	if (!d->members && !may_be_empty)
		error_at(idl, d->at, "%s '%s' has no members", kind_names[d->kind], d->name);
	check_members_once(idl, d);
	for (struct member *m = d->members; m; m = m->next)
		check_member(idl, i, d, m);
	check_unknown_case(idl, d);
	if (d->result) {
		resolve_type(idl, i, d->result);
		check_no_option_inside(idl, d->result);
	}
	resolve_errors(idl, i, d);
	check_roles(idl, i, d);
}

/* ---- types that contain each other ---- */

static bool is_struct(const struct decl *d)
{
	return d->kind == DECL_RECORD || d->kind == DECL_VARIANT || d->kind == DECL_CLASS;
}

/* Appends D behind everything that it contains by value. */
static void walk_by_value(struct idl *idl, struct interface_decl *i, struct decl *d)
{
	if (d->walk == WALK_DONE || d->owner != i || !is_struct(d))
		return;
	d->walk = WALK_OPEN;
	for (struct member *m = d->members; m; m = m->next) {
		struct decl *inner = m->type && m->type->form == FORM_NAMED ? m->type->decl : NULL;

		if (!inner)
			continue;
		if (inner->walk == WALK_OPEN)
			error_at(idl, m->type->at,
				"'%s' would contain itself: put a list, a map or '?' between",
				inner->name);
		else
			walk_by_value(idl, i, inner);
	}
	d->walk = WALK_DONE;
	i->by_value[i->n_by_value++] = d;
}

static void order_by_value(struct idl *idl, struct interface_decl *i)
{
	size_t n = 0;

	for (struct decl *d = i->decls; d; d = d->next)
		n++;
	i->by_value = arena_calloc(&idl->arena, n, sizeof(*i->by_value));
	for (struct decl *d = i->decls; d; d = d->next)
		walk_by_value(idl, i, d);
}

/* ---- the whole ---- */

static int by_name(const void *a, const void *b)
{
	const struct decl *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void sort_methods(struct idl *idl, struct interface_decl *i)
{
	i->methods = arena_calloc(&idl->arena, i->calls.n, sizeof(struct decl *));
	for (struct decl *d = i->decls; d; d = d->next)
		if (d->kind == DECL_CALL)
			i->methods[i->n_methods++] = d;
	qsort(i->methods, i->n_methods, sizeof(struct decl *), by_name);
}

static const char *c_part(struct idl *idl, const char *name)
{
	char *c_name = arena_strdup(&idl->arena, name);

	for (char *p = c_name; *p; p++)
		*p = *p == '.' ? '_' : *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	return c_name;
}

static void check_roles_once(struct idl *idl, const struct interface_decl *i)
{
	for (struct role_decl *r = i->roles; r; r = r->next)
		for (struct role_decl *before = i->roles; before != r; before = before->next)
			if (!strcmp(before->name, r->name))
				error_at(idl, r->at, "the role '%s' is there already", r->name);
}

static void check_head(struct idl *idl, const struct interface_decl *i)
{
	check_roles_once(idl, i);
	if (!i->doc)
		error_at(idl, i->at, "interface '%s' has no comment before it", i->name);
	if (is_interface_word(i->name) || !is_lower_case(i->name))
		error_at(idl, i->at, "'%s' cannot name an interface", i->name);
	if (!is_lower_case(i->handlers) || is_c_word(i->handlers))
		error_at(idl, i->at, "'%s' cannot begin a function's name", i->handlers);
}

/* Two interfaces of one program may have the same error, but not two of one code. */
static void check_same_errors(struct idl *idl, struct interface_decl *i, struct decl *d)
{
	for (struct import *import = i->imports; import; import = import->next) {
		struct decl *other =
			import->interface ? map_get(&import->interface->errors, d->name) : NULL;

		if (!other || other->n_members == d->n_members)
			continue;
		error_at(idl, d->at, "'%s' has other parameters in interface '%s'", d->name,
			import->name);
		note_at(idl, other->at, "namely these");
	}
}

static void check_imports(struct idl *idl, struct interface_decl *i)
{
	for (struct import *import = i->imports; import; import = import->next) {
		if (import->interface == i)
			error_at(idl, import->at, "an interface does not import itself");
		else if (import->interface && import->interface->check == WALK_OPEN)
			error_at(idl, import->at,
				"'%s' leads back to this interface: imports do not go round",
				import->name);
		else if (import->interface && import->interface->check == WALK_NEW)
			check_interface(idl, import->interface);
		for (struct import *before = i->imports; before != import; before = before->next)
			if (!strcmp(before->name, import->name))
				error_at(idl, import->at, "'%s' is imported already", import->name);
	}
}

void check_interface(struct idl *idl, struct interface_decl *i)
{
	i->check = WALK_OPEN;
	check_imports(idl, i);
	check_head(idl, i);
	for (struct decl *d = i->decls; d; d = d->next) {
		d->c_name = c_part(idl, d->name);
		register_decl(idl, i, d);
	}
	for (struct decl *d = i->decls; d; d = d->next) {
		check_decl(idl, i, d);
		if (d->kind == DECL_ERROR)
			check_same_errors(idl, i, d);
	}
	order_by_value(idl, i);
	i->check = WALK_DONE;
	if (idl->n_errors)
		return;
	sort_methods(idl, i);
	check_c_names(idl, i);
}
