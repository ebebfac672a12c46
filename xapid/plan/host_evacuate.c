/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host.evacuate, at the master: each VM of a host is moved by that host to the one that suits it
 * best by then. What could not go ends it; what went stays where it is.
 */
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/host/role.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

static MAY_WAIT struct err *move(struct call *c, const char *vm, const char *from)
{
	const struct xenapi_vm *row = db_find(vm, vm);
	const char *to;
	struct json_text out;

	if (!row || strcmp(row->resident_on, from) != 0)
		return NULL; /* it has gone by itself */
	TRY(place_move(vm, &to));
	to = arena_strdup(c->arena, to);
	if (!strcmp(from, host_here()))
		return plan_vm_migrate(c, vm, to);
	const char *in =
		arena_printf(c->arena, "{\"vm\":\"%s\",\"host\":\"%s\",\"options\":{}}", vm, to);
	return run_message(
		xapi_call(c), from, "VM.pool_migrate", (struct json_text){in, strlen(in)}, &out);
}

MAY_WAIT struct err *plan_host_evacuate(
	struct call *c, const char *host, const struct string_list *vms)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};

	TRY(plan_op(&ops, &host_rules, host, XENAPI_HOST_ALLOWED_OPERATIONS_EVACUATE, c));
	for (size_t i = 0; i < vms->n; i++)
		TRY(move(c, vms->v[i], host));
	return NULL;
}
