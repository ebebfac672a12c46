/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may send which message: the one place where roles are compared. The roles and what each
 * message asks for come from the model's tables.
 */
#ifndef XENITH_XAPID_GATE_ROLES_H
#define XENITH_XAPID_GATE_ROLES_H

#include "xapid/gate/call.h"

/* Whether a name is that of a role that somebody can have. */
bool role_exists(const char *role);
/* Whether one who has ROLE has at least WANTED, or is OTHER (or NULL). */
bool role_is_enough(const char *role, const char *wanted, const char *other);

/* What one who has ROLE may send, as names of permissions: "vm.start",
 * "vm.add_to_other_config/key:folder". NULL: nothing. */
void role_permissions(const char *role, struct arena *a, struct string_list *out);

/* RBAC_PERMISSION_DENIED[permission, message]. */
must_check struct err *role_check(struct xapi_call *c);

/* Keys of maps: a role that a key has of its own counts instead of the message's. What a message
 * would write is what counts, whichever way it is written: one key, or those that the map WILL have
 * otherwise than it WAS, or all such maps of a new record, over that which is BLANK. */
must_check struct err *role_check_key(
	struct xapi_call *c, const struct field *map, const char *key);
must_check struct err *role_check_keys(struct xapi_call *c, const struct field *map,
	const struct string_map *was, const struct string_map *will);
must_check struct err *role_check_record(
	struct xapi_call *c, const struct class *class, const void *blank, const void *record);
/* The same for what is no message. */
must_check struct err *role_check_action(struct xapi_call *c, const char *action, const char *role);

/* The name of the permission to send the message, in lower case: "vm.start". */
const char *role_permission(const struct message *m, struct arena *a);

#endif
