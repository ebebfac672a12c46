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

/* RBAC_PERMISSION_DENIED[permission, message]. KEY: of the map, where it is a message for one. */
must_check struct err *role_check(struct xapi_call *c, const char *key);
/* The same for what is no message. */
must_check struct err *role_check_action(struct xapi_call *c, const char *action, const char *role);

/* The name of the permission to send the message, in lower case: "vm.start",
 * "pool.add_to_other_config/key:folder". */
const char *role_permission(const struct message *m, const char *key, struct arena *a);

#endif
