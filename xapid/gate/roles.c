/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Roles (roles.h): ranks by the order of the model, and what single keys of maps ask for.
 */
#include "xapid/gate/roles.h"

#include "common/arena.h"

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

static bool key_matches(const char *pattern, const char *key)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '*')
		return !strncmp(pattern, key, len - 1);
	return !strcmp(pattern, key);
}

/* The rule for this key of the field's map; NULL: that of the whole field. */
static const struct map_key_role *rule_of_key(const struct message *m, const char *key)
{
	for (uint32_t i = 0; key && m->field && i < m->field->n_map_keys; i++)
		if (key_matches(m->field->map_keys[i].key, key))
			return &m->field->map_keys[i];
	return NULL;
}

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

const char *role_permission(const struct message *m, const char *key, struct arena *a)
{
	const struct map_key_role *rule = rule_of_key(m, key);
	char *name = arena_printf(
		a, "%s%s%s", message_name(m, a), rule ? "/key:" : "", rule ? rule->key : "");

	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

static struct err *denied(const struct xapi_call *c, const char *permission)
{
	const char *why = arena_printf(c->call.arena,
		"No permission in user session. (Roles with this permission are not those of %s.)",
		*c->user ? c->user : "this session");

	return err(RBAC_PERMISSION_DENIED, permission, why);
}

struct err *role_check(struct xapi_call *c, const char *key)
{
	const struct message *m = c->message;
	const struct map_key_role *rule = rule_of_key(m, key);

	if (c->is_root || role_is_enough(c->role, m->role, m->other_role) ||
		(rule && role_is_enough(c->role, rule->role, NULL)))
		return NULL;
	return denied(c, role_permission(m, key, c->call.arena));
}

struct err *role_check_action(struct xapi_call *c, const char *action, const char *role)
{
	if (!role || c->is_root || role_is_enough(c->role, role, NULL))
		return NULL;
	return denied(c, arena_printf(c->call.arena, "http/%s", action));
}
