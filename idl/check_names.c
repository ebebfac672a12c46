/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether any two things of an interface would have one name in C: the compiler of the generated
 * file would say so too, but not where, nor to whom it matters.
 */
#include "idl/cname.h"

#include <string.h>

struct names {
	struct idl *idl;
	const struct interface_decl *interface;
	struct map tags; /* struct and enum: to the struct loc of who has the name */
	struct map ordinary; /* functions, constants, objects */
	struct map containers; /* structs of lists and maps: to the C type of what they hold */
};

/* Whether nothing else has the name. */
static bool claim(struct names *n, struct map *m, const char *name, struct loc at)
{
	struct loc *mine = arena_new(&n->idl->arena, struct loc);

	*mine = at;
	struct loc *first = map_put(m, name, mine);
	if (!first)
		return true;
	error_at(n->idl, at, "two things would have the name '%s' in C", name);
	note_at(n->idl, *first, "the other is this");
	return false;
}

static void claim_cases(struct names *n, const struct decl *d)
{
	for (struct member *m = d->members; m; m = m->next)
		claim(n, &n->ordinary, c_case(n->idl, d, m), m->at);
}

/* A struct, and its initializer. */
static void claim_struct(struct names *n, const char *name, struct loc at)
{
	if (claim(n, &n->tags, name, at))
		claim(n, &n->ordinary, c_init(n->idl, name), at);
}

static void claim_call(struct names *n, const struct decl *d)
{
	bool is_free = claim(n, &n->ordinary, c_call(n->idl, d), d->at) &&
		claim(n, &n->ordinary, c_handler(n->idl, d), d->at) &&
		claim(n, &n->ordinary, c_method(n->idl, d), d->at);

	if (is_free && d->members)
		claim_struct(n, arena_printf(&n->idl->arena, "%s_in", c_call(n->idl, d)), d->at);
}

static void claim_type(struct names *n, const struct decl *d)
{
	const char *name = c_named(n->idl, d);

	claim(n, &n->ordinary,
		arena_printf(&n->idl->arena, "%s_type_%s", d->owner->name, d->c_name), d->at);
	if (d->kind == DECL_ENUM)
		claim(n, &n->tags, name, d->at);
	else if (d->kind != DECL_ID)
		claim_struct(n, name, d->at);
	if (d->kind == DECL_VARIANT)
		claim(n, &n->tags, arena_printf(&n->idl->arena, "%s_kind", name), d->at);
	if (d->kind == DECL_VARIANT || d->kind == DECL_ENUM)
		claim_cases(n, d);
}

static void claim_decl(struct names *n, const struct decl *d)
{
	switch (d->kind) {
	case DECL_ID:
	case DECL_ENUM:
	case DECL_RECORD:
	case DECL_VARIANT:
	case DECL_CLASS:
		claim_type(n, d);
		return;
	case DECL_CALL:
		claim_call(n, d);
		return;
	case DECL_ERROR:
		return;
	}
}

/* Wherever a list of vbd is used, it is the same struct; of another `vbd` it would be another. */
static void claim_container(const struct type_use *t, void *arg)
{
	struct names *n = arg;

	if ((t->form != FORM_LIST && t->form != FORM_SET && t->form != FORM_MAP) ||
		c_container_is_shared(t))
		return;
	const char *name = c_container(n->idl, n->interface, t);
	char *element = arena_strdup(&n->idl->arena, c_type(n->idl, n->interface, t->of));
	const char *known = map_get(&n->containers, name);
	if (known && !strcmp(known, element))
		return;
	map_put(&n->containers, name, element);
	claim(n, &n->tags, name, t->at);
	if (t->form == FORM_MAP)
		claim(n, &n->tags, arena_printf(&n->idl->arena, "%s_entry", name), t->at);
}

/* The names that every interface has. */
static void claim_fixed(struct names *n)
{
	static const char *const objects[] = {"interface", "service", "methods"};
	const struct interface_decl *i = n->interface;

	for (size_t k = 0; k < ARRAY_LEN(objects); k++)
		claim(n, &n->ordinary, arena_printf(&n->idl->arena, "%s_%s", i->name, objects[k]),
			i->at);
	claim(n, &n->tags, arena_printf(&n->idl->arena, "%s_method", i->name), i->at);
}

/* Handlers of an interface that is imported: one program may well have both. */
static void claim_imported(struct names *n)
{
	for (struct import *import = n->interface->imports; import; import = import->next)
		for (struct decl *d = import->interface->decls; d; d = d->next)
			if (d->kind == DECL_CALL)
				claim(n, &n->ordinary, c_handler(n->idl, d), d->at);
}

void check_c_names(struct idl *idl, struct interface_decl *i)
{
	struct names n = {.idl = idl, .interface = i};

	claim_fixed(&n);
	claim_imported(&n);
	for (struct decl *d = i->decls; d; d = d->next)
		claim_decl(&n, d);
	each_type(idl, i, claim_container, &n);
	map_fini(&n.tags);
	map_fini(&n.ordinary);
	map_fini(&n.containers);
}
