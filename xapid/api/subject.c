/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * subject and role: who was given which roles, and what those allow. A change counts for sessions
 * that are logged in, too.
 */
#include "xapid/gate/subject.h"

#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/gate/roles.h"

#include <string.h>

/* ---- subjects ---- */

MAY_WAIT struct err *hook_subject_create(struct xapi_call *c, const void *const *args, void *out)
{
	const struct xenapi_subject *subject = args[0];
	const char *ref;

	if (!*subject->subject_identifier)
		return err(INVALID_VALUE, "subject_identifier", "");
	if (subject_find(subject->subject_identifier))
		return err(SUBJECT_ALREADY_EXISTS);
	TRY(db_create(subject, subject, &ref));
	*(const char **)out = arena_strdup(c->call.arena, ref);
	return NULL;
}

MAY_WAIT struct err *hook_subject_destroy(struct xapi_call *c, const void *const *args, void *out)
{
	const char *ref = arena_strdup(c->call.arena, *(const char *const *)args[0]);

	TRY(db_delete(subject, ref));
	subject_changed(ref);
	return NULL;
}

static bool has_role(const struct xenapi_subject *subject, const char *role)
{
	for (size_t i = 0; i < subject->roles.n; i++)
		if (!strcmp(subject->roles.v[i], role))
			return true;
	return false;
}

MAY_WAIT struct err *xapi_subject_add_to_roles(
	struct call *c, const struct xenapi_subject_add_to_roles_in *in)
{
	const struct xenapi_subject *subject;

	TRY(db_get(subject, in->self, &subject));
	if (!db_find(role, in->role))
		return err(ROLE_NOT_FOUND);
	if (has_role(subject, in->role))
		return err(ROLE_ALREADY_EXISTS);
	TRY(db_set_add(subject, in->self, roles, in->role));
	subject_changed(in->self);
	return NULL;
}

MAY_WAIT struct err *xapi_subject_remove_from_roles(
	struct call *c, const struct xenapi_subject_remove_from_roles_in *in)
{
	const struct xenapi_subject *subject;

	TRY(db_get(subject, in->self, &subject));
	if (!has_role(subject, in->role))
		return err(ROLE_NOT_FOUND);
	TRY(db_set_remove(subject, in->self, roles, in->role));
	subject_changed(in->self);
	return NULL;
}

MAY_WAIT struct err *xapi_subject_get_permissions_name_label(struct call *c,
	const struct xenapi_subject_get_permissions_name_label_in *in, struct string_list *out)
{
	const struct xenapi_subject *subject;

	TRY(db_get(subject, in->self, &subject));
	role_permissions(subject_role(in->self), c->arena, out);
	return NULL;
}

/* ---- roles ---- */

MAY_WAIT struct err *xapi_role_get_permissions_name_label(struct call *c,
	const struct xenapi_role_get_permissions_name_label_in *in, struct string_list *out)
{
	const struct xenapi_role *role;

	TRY(db_get(role, in->self, &role));
	role_permissions(role->name_label, c->arena, out);
	return NULL;
}

static bool allows(const char *role, const char *permission, struct arena *a)
{
	struct string_list all;

	role_permissions(role, a, &all);
	for (size_t i = 0; i < all.n; i++)
		if (!strcmp(all.v[i], permission))
			return true;
	return false;
}

MAY_WAIT struct err *xapi_role_get_by_permission_name_label(struct call *c,
	const struct xenapi_role_get_by_permission_name_label_in *in, struct string_list *out)
{
	*out = (struct string_list){arena_calloc(c->arena, db_count(role) + 1, sizeof(*out->v)), 0};
	db_for_each (role, row) {
		const struct xenapi_role *role = db_record(row);

		if (allows(role->name_label, in->label, c->arena))
			out->v[out->n++] = arena_strdup(c->arena, db_ref(row));
	}
	return NULL;
}

/* The roles that ROLE consists of and that consist of no others; of such a one, itself. OUT has
 * room for every role. */
static void add_leaves(const char *ref, unsigned depth, struct arena *a, struct string_list *out)
{
	const struct xenapi_role *role = db_find(role, ref);

	for (size_t i = 0; i < out->n; i++)
		if (!strcmp(out->v[i], ref))
			return;
	if (!role || depth > db_count(role))
		return;
	if (!role->subroles.n)
		out->v[out->n++] = arena_strdup(a, ref);
	for (size_t i = 0; i < role->subroles.n; i++)
		add_leaves(role->subroles.v[i], depth + 1, a, out);
}

static struct string_list leaves_of(const char *ref, struct arena *a)
{
	struct string_list out = {arena_calloc(a, db_count(role) + 1, sizeof(*out.v)), 0};

	add_leaves(ref, 0, a, &out);
	return out;
}

MAY_WAIT struct err *xapi_role_get_permissions(
	struct call *c, const struct xenapi_role_get_permissions_in *in, struct string_list *out)
{
	const struct xenapi_role *role;

	TRY(db_get(role, in->self, &role));
	*out = leaves_of(in->self, c->arena);
	return NULL;
}

MAY_WAIT struct err *xapi_role_get_by_permission(
	struct call *c, const struct xenapi_role_get_by_permission_in *in, struct string_list *out)
{
	const struct xenapi_role *role;

	TRY(db_get(role, in->permission, &role));
	*out = (struct string_list){arena_calloc(c->arena, db_count(role) + 1, sizeof(*out->v)), 0};
	db_for_each (role, row) {
		struct string_list leaves = leaves_of(db_ref(row), c->arena);

		for (size_t i = 0; i < leaves.n; i++)
			if (!strcmp(leaves.v[i], in->permission))
				out->v[out->n++] = arena_strdup(c->arena, db_ref(row));
	}
	return NULL;
}
