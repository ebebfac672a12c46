/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Roles (roles.h): ranks by the order of the model, and what single keys of maps ask for.
 */
#include "xapid/gate/roles.h"

#include "common/arena.h"
#include "common/vec.h"

#include "xenapi.gen.h"

#include <ctype.h>
#include <string.h>

#define NOBODYS_ROLE "local-root"

/* From the least; -1: there is no such role. */
static int rank(const char *role)
{
	for (uint32_t i = 0; i < xenapi_interface.n_roles; i++)
		if (!strcmp(xenapi_interface.roles[i], role))
			return (int)i;
	return -1;
}

bool role_exists(const char *role)
{
	return rank(role) >= 0 && strcmp(role, NOBODYS_ROLE) != 0;
}

bool role_is_enough(const char *role, const char *wanted, const char *other)
{
	int has = rank(role);

	if (has < 0)
		return false;
	return !wanted || has >= rank(wanted) || (other && !strcmp(role, other));
}

bool call_has_role(struct call *c, const char *role)
{
	struct xapi_call *x = xapi_call(c);

	return x->is_root || role_is_enough(x->role, role, NULL);
}

/* ---- messages ---- */

static const char *message_name(const struct message *m, struct arena *a)
{
	static const char *const forms[] = {
		[MESSAGE_GET_ALL] = "get_all",
		[MESSAGE_GET_ALL_WHERE] = "get_all_where",
		[MESSAGE_GET_ALL_RECORDS] = "get_all_records",
		[MESSAGE_GET_ALL_RECORDS_WHERE] = "get_all_records_where",
		[MESSAGE_GET_BY_UUID] = "get_by_uuid",
		[MESSAGE_GET_BY_NAME_LABEL] = "get_by_name_label",
		[MESSAGE_GET_RECORD] = "get_record",
		[MESSAGE_CREATE] = "create",
		[MESSAGE_DESTROY] = "destroy",
		[MESSAGE_GET] = "get_",
		[MESSAGE_SET] = "set_",
		[MESSAGE_ADD_TO] = "add_to_",
		[MESSAGE_REMOVE_FROM] = "remove_from_",
		[MESSAGE_ADD] = "add_",
		[MESSAGE_REMOVE] = "remove_",
	};

	if (m->method)
		return m->method->name;
	return arena_printf(
		a, "%s.%s%s", m->class->name, forms[m->kind], m->field ? m->field->name : "");
}

static const char *lower(char *name)
{
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

const char *role_permission(const struct message *m, struct arena *a)
{
	return lower(arena_strdup(a, message_name(m, a)));
}

static struct err *denied(const struct xapi_call *c, const char *permission)
{
	const char *why = arena_printf(c->call.arena,
		"No permission in user session. (Roles with this permission are not those of %s.)",
		*c->user ? c->user : "this session");

	return err(RBAC_PERMISSION_DENIED, permission, why);
}

struct err *role_check(struct xapi_call *c)
{
	const struct message *m = c->message;

	if (c->is_root || role_is_enough(c->role, m->role, m->other_role))
		return NULL;
	return denied(c, role_permission(m, c->call.arena));
}

/* ---- keys of maps ---- */

static bool key_matches(const char *pattern, const char *key)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '*')
		return !strncmp(pattern, key, len - 1);
	return !strcmp(pattern, key);
}

/* The rule for this key of the map; NULL: there is none. */
static const struct map_key_role *rule_of_key(const struct field *map, const char *key)
{
	for (uint32_t i = 0; i < map->n_map_keys; i++)
		if (key_matches(map->map_keys[i].key, key))
			return &map->map_keys[i];
	return NULL;
}

static struct err *check_rule(struct xapi_call *c, const struct map_key_role *rule)
{
	if (c->is_root || role_is_enough(c->role, rule->role, NULL))
		return NULL;
	const char *name = role_permission(c->message, c->call.arena);
	return denied(c, arena_printf(c->call.arena, "%s/key:%s", name, rule->key));
}

struct err *role_check_key(struct xapi_call *c, const struct field *map, const char *key)
{
	const struct map_key_role *rule = rule_of_key(map, key);

	return rule ? check_rule(c, rule) : role_check(c);
}

/* Those of A that are not in B, or are something else there. */
static struct err *check_keys_beside(struct xapi_call *c, const struct field *map,
	const struct string_map *a, const struct string_map *b)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct map_key_role *rule = rule_of_key(map, a->v[i].key);
		const char *other = rule ? string_map_get(b, a->v[i].key) : NULL;

		if (rule && (!other || strcmp(other, a->v[i].value) != 0))
			TRY(check_rule(c, rule));
	}
	return NULL;
}

struct err *role_check_keys(struct xapi_call *c, const struct field *map,
	const struct string_map *was, const struct string_map *will)
{
	TRY(check_keys_beside(c, map, will, was));
	return check_keys_beside(c, map, was, will);
}

struct err *role_check_record(
	struct xapi_call *c, const struct class *class, const void *blank, const void *record)
{
	for (uint32_t i = 0; i < class->n_fields; i++) {
		const struct field *f = &class->fields[i];
		const char *was = (const char *)blank + f->offset;
		const char *will = (const char *)record + f->offset;

		if (f->n_map_keys)
			TRY(role_check_keys(c, f, (const struct string_map *)was,
				(const struct string_map *)will));
	}
	return NULL;
}

/* ---- all that a role may send ---- */

typedef vec_of(const char *) name_vec;

/* A message for one key of a map, and each key that has a role of its own. */
static void add_permissions(
	name_vec *names, struct arena *a, const char *role, const struct message *m)
{
	const char *name = role_permission(m, a);

	if (role_is_enough(role, m->role, m->other_role))
		vec_push(names, name);
	if (!m->map || m->map_change == MESSAGE_SET)
		return;
	for (uint32_t i = 0; i < m->map->n_map_keys; i++) {
		const struct map_key_role *rule = &m->map->map_keys[i];

		if (role_is_enough(role, rule->role, NULL))
			vec_push(names, arena_printf(a, "%s/key:%s", name, rule->key));
	}
}

void role_permissions(const char *role, struct arena *a, struct string_list *out)
{
	struct string_list messages = {0};
	name_vec names = {0};

	if (role)
		message_list(a, &messages);
	for (size_t i = 0; i < messages.n; i++) {
		const struct message *m = message_resolve(messages.v[i]);

		if (!m->is_removed)
			add_permissions(&names, a, role, m);
	}
	*out = (struct string_list){arena_calloc(a, names.n + 1, sizeof(*out->v)), names.n};
	if (names.n)
		memcpy(out->v, names.v, names.n * sizeof(*out->v));
	vec_fini(&names);
}

/* ---- what is no message ---- */

struct err *role_check_action(struct xapi_call *c, const char *action, const char *role)
{
	if (!role || c->is_root || role_is_enough(c->role, role, NULL))
		return NULL;
	return denied(c, arena_printf(c->call.arena, "http/%s", action));
}
