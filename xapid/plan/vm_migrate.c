/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM.pool_migrate: from this host to another one of the pool. It is noted durably where the VM goes
 * before xenopsd is asked; from then on until it has been settled where it is, nobody takes what a
 * xenopsd says of it for its state (link/move.c). It is settled here in the end, or, should xapid
 * be killed, when it is back.
 */
#include "common/fiber.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

static struct err *check_host(const char *vm, const char *ref)
{
	const struct xenapi_host *host;
	const struct xenapi_vm *row;
	const char *sr;

	TRY(db_get(host, ref, &host));
	TRY(db_get(vm, vm, &row));
	if (!strcmp(ref, host_here()))
		return err(OPERATION_NOT_ALLOWED, "the VM is on this host already");
	if (!host->enabled)
		return err(HOST_DISABLED, ref);
	const struct xenapi_host_metrics *metrics = db_find(host_metrics, host->metrics);
	if (!metrics || !metrics->live)
		return err(HOST_OFFLINE, ref);
	sr = place_missing_sr(ref, row);
	return sr ? err(VM_REQUIRES_SR, vm, sr) : NULL;
}

/* Its networks are there. */
static MAY_WAIT struct err *prepare(struct call *c, const char *vm, const char *host)
{
	struct err *e = dial_host(c->arena, host, "network.attach_for_vm", host, vm);

	if (!err_is(e, &ERR_CONNECTION_REFUSED) && !err_is(e, &ERR_CONNECTION_LOST) &&
		!err_is(e, &ERR_TLS_FAILED))
		return e;
	err_free(e);
	return err(CANNOT_CONTACT_HOST, host);
}

static MAY_WAIT struct err *send(struct call *c, const char *vm, const char *host)
{
	const struct xenapi_vm *row = db_find(vm, vm);
	const struct link_work whole = {.call = c};
	struct xenops_vm_migrate_in in = {.vm = arena_strdup(c->arena, row ? row->uuid : "")};
	const char *task;

	TRY(migrate_url(host, c->arena, &in.url.hidden));
	TRY(link_error(
		xenops_vm_migrate(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	return plan_await_vm(&whole, task, vm);
}

MAY_WAIT struct err *plan_vm_migrate(struct call *c, const char *vm, const char *host)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};

	TRY(check_host(vm, host));
	TRY(plan_op(&ops, &vm_rules, vm, XENAPI_VM_OPERATIONS_POOL_MIGRATE, c));
	TRY(plan_op(&ops, &host_rules, host, XENAPI_HOST_ALLOWED_OPERATIONS_VM_MIGRATE, c));
	TRY(check_host(vm, host));
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	TRY(prepare(c, vm, host));
	TRY(db_write(vm, vm, scheduled_to_be_resident_on, host));
	TRY(plan_commit());
	struct err *e = send(c, vm, host);
	fiber_cancel_mask();
	struct err *unsettled = move_settle(vm);
	fiber_cancel_unmask();
	if (unsettled) /* it goes on, whatever the caller is told */
		err_free(move_settle_later(vm));
	if (!e)
		return unsettled;
	err_free(unsettled);
	return e;
}

MAY_WAIT struct err *plan_vm_arrived(const char *vm)
{
	auto_arena a = {0};
	const struct xenapi_vm *row;

	TRY(db_get(vm, vm, &row));
	struct string_list consoles = {
		arena_calloc(&a, row->consoles.n + 1, sizeof(*consoles.v)), 0};
	for (size_t i = 0; i < row->consoles.n; i++)
		consoles.v[consoles.n++] = arena_strdup(&a, row->consoles.v[i]);
	for (size_t i = 0; i < consoles.n; i++) /* they have another address here */
		TRY(db_delete(console, consoles.v[i]));
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	return link_error(xenopsd_compare(vm), vm);
}
