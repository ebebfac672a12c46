/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of class task. A task belongs to who made it: others need the role for it.
 */
#include "xapid/gate/task.h"

#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/gate/roles.h"

#include "xenapi.gen.h"

#include <string.h>

#define OTHERS_ROLE "pool-operator"

/* HANDLE_INVALID, RBAC_PERMISSION_DENIED. */
static struct err *check_mine(struct call *c, const char *ref)
{
	struct xapi_call *x = xapi_call(c);
	const struct xenapi_task *t;

	TRY(db_get(task, ref, &t));
	if (call_has_role(c, OTHERS_ROLE) || (*x->user && !strcmp(xtask_user(ref), x->user)))
		return NULL;
	return err(RBAC_PERMISSION_DENIED, role_permission(x->message, c->arena),
		"the task is another user's");
}

MAY_WAIT struct err *xapi_task_create(
	struct call *c, const struct xenapi_task_create_in *in, const char **out)
{
	const struct xtask_spec spec = {
		.name = in->label,
		.description = in->description,
		.session = call_session(c),
	};

	return xtask_create(&spec, c->arena, out);
}

MAY_WAIT struct err *xapi_task_destroy(struct call *c, const struct xenapi_task_destroy_in *in)
{
	TRY(check_mine(c, in->self));
	xtask_destroy(in->self);
	return NULL;
}

MAY_WAIT struct err *xapi_task_cancel(struct call *c, const struct xenapi_task_cancel_in *in)
{
	TRY(check_mine(c, in->task));
	return xtask_cancel(in->task, call_task(c));
}

MAY_WAIT struct err *xapi_task_set_status(
	struct call *c, const struct xenapi_task_set_status_in *in)
{
	TRY(check_mine(c, in->self));
	return xtask_set_status(in->self, in->value);
}

MAY_WAIT struct err *xapi_task_set_progress(
	struct call *c, const struct xenapi_task_set_progress_in *in)
{
	TRY(check_mine(c, in->self));
	return db_write(task, in->self, progress, in->value);
}

MAY_WAIT struct err *xapi_task_set_result(
	struct call *c, const struct xenapi_task_set_result_in *in)
{
	TRY(check_mine(c, in->self));
	return db_write(task, in->self, result, in->value);
}

MAY_WAIT struct err *xapi_task_set_error_info(
	struct call *c, const struct xenapi_task_set_error_info_in *in)
{
	TRY(check_mine(c, in->self));
	return db_write(task, in->self, error_info, in->value);
}

/* ---- other_config: everyone may note something in it ---- */

MAY_WAIT struct err *xapi_task_add_to_other_config(
	struct call *c, const struct xenapi_task_add_to_other_config_in *in)
{
	const struct xenapi_task *t;

	TRY(db_get(task, in->self, &t));
	if (string_map_get(&t->other_config, in->key))
		return err(MAP_DUPLICATE_KEY, "task", "other_config", in->self, in->key);
	return db_map_put(task, in->self, other_config, in->key, in->value);
}

MAY_WAIT struct err *xapi_task_remove_from_other_config(
	struct call *c, const struct xenapi_task_remove_from_other_config_in *in)
{
	return db_map_remove(task, in->self, other_config, in->key);
}

MAY_WAIT struct err *xapi_task_set_other_config(
	struct call *c, const struct xenapi_task_set_other_config_in *in)
{
	return db_write(task, in->self, other_config, in->value);
}
