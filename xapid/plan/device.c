/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of running VMs: xenopsd is told of one, plugs it, and forgets it when it is unplugged.
 * The drive of a halted VM is filled and emptied in the database alone.
 */
#include "common/undo.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define VBD_OP(name) XENAPI_VBD_OPERATIONS_##name
#define VIF_OP(name) XENAPI_VIF_OPERATIONS_##name

/* A device that xenopsd knows of, and need not if a later step fails. */
struct known {
	struct call *call;
	const char *id;
};

static bool runs(const struct xenapi_vm *vm)
{
	return vm->power_state == XENAPI_VM_POWER_STATE_RUNNING ||
		vm->power_state == XENAPI_VM_POWER_STATE_PAUSED;
}

/* ---- drives ---- */

static MAY_WAIT struct err *remove_vbd(void *arg)
{
	const struct known *k = arg;
	const struct xenops_vbd_remove_in in = {k->id};
	auto_err e = xenops_vbd_remove(link_xenopsd.client, &in, k->call->arena, plan_soon());

	return err_is(e, &ERR_Does_not_exist) ? NULL : take(e);
}

/* One that it knows already is told anew. */
static MAY_WAIT struct err *add_vbd(struct known *k, const struct xenops_vbd *vbd)
{
	const struct xenops_vbd_add_in in = {*vbd};
	auto_err e = xenops_vbd_add(link_xenopsd.client, &in, k->call->arena, plan_soon());

	if (!err_is(e, &ERR_Already_exists))
		return take(e);
	TRY(remove_vbd(k));
	return xenops_vbd_add(link_xenopsd.client, &in, k->call->arena, plan_soon());
}

/* The VM of a drive; the reference lives as long as the call. */
static struct err *vm_of_vbd(struct call *c, const char *vbd, const char **vm)
{
	const struct xenapi_vbd *row;

	TRY(db_get(vbd, vbd, &row));
	*vm = arena_strdup(c->arena, row->VM);
	return NULL;
}

static MAY_WAIT struct err *plug_vbd(struct call *c, const char *vm, const struct xenops_vbd *vbd)
{
	AUTO(undo_run) struct undo undo = {0};
	struct known known = {c, vbd->vbd};
	const struct xenops_vbd_plug_in in = {vbd->vbd};
	const struct link_work work = {.call = c};
	const char *task;

	TRY(link_error(add_vbd(&known, vbd), vm));
	undo_push(&undo, remove_vbd, &known, "taking the drive back");
	TRY(link_error(
		xenops_vbd_plug(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	TRY(plan_await_vm(&work, task, vm));
	return undo_commit(&undo);
}

MAY_WAIT struct err *plan_vbd_plug(struct call *c, const char *vbd)
{
	AUTO(op_end) struct op doing = {0};
	struct xenops_vbd told;
	const char *vm;

	TRY(vm_of_vbd(c, vbd, &vm));
	TRY(op_begin(&doing, &vbd_rules, vbd, VBD_OP(PLUG), call_task(c)));
	TRY(plan_metadata_vbd(vbd, c->arena, &told));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	return plan_with_state(plug_vbd(c, vm, &told), vm);
}

static MAY_WAIT struct err *unplug_vbd(struct call *c, const char *vm, const char *id, bool force)
{
	struct known known = {c, id};
	const struct xenops_vbd_unplug_in in = {id, force};
	const struct link_work work = {.call = c};
	const char *task;
	struct err *e = xenops_vbd_unplug(link_xenopsd.client, &in, c->arena, &task, plan_soon());

	TRY(e ? link_error(e, vm) : plan_await_vm(&work, task, vm));
	return link_error(remove_vbd(&known), vm);
}

/* Nothing tells of a device that was forgotten: it is noted here. */
static MAY_WAIT struct err *note_unplugged_vbd(const char *vbd)
{
	if (!db_find(vbd, vbd))
		return NULL;
	TRY(db_write(vbd, vbd, currently_attached, false));
	return NULL;
}

MAY_WAIT struct err *plan_vbd_unplug(struct call *c, const char *vbd, bool force)
{
	AUTO(op_end) struct op doing = {0};
	struct xenops_vbd told;
	const char *vm;

	TRY(vm_of_vbd(c, vbd, &vm));
	TRY(op_begin(&doing, &vbd_rules, vbd, force ? VBD_OP(UNPLUG_FORCE) : VBD_OP(UNPLUG),
		call_task(c)));
	TRY(plan_metadata_vbd(vbd, c->arena, &told));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	struct err *e = unplug_vbd(c, vm, told.vbd, force);
	return e ? plan_with_state(e, vm) : note_unplugged_vbd(vbd);
}

/* ---- media ---- */

static struct err *fill(const char *vbd, const char *vdi)
{
	if (!db_find(vbd, vbd))
		return NULL;
	TRY(db_write(vbd, vbd, VDI, vdi));
	return db_write(vbd, vbd, empty, ref_is_null(vdi));
}

static MAY_WAIT struct err *insert_running(
	struct call *c, const char *vm, const struct xenops_vbd *told)
{
	const struct xenops_vbd_insert_in in = {told->vbd, *told->backend};
	const struct link_work work = {.call = c};
	const char *task;

	TRY(link_error(
		xenops_vbd_insert(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	return plan_await_vm(&work, task, vm);
}

/* The drive as it will be: the database has it filled while xenopsd is asked. */
static MAY_WAIT struct err *insert(struct call *c, const char *vbd, const char *vm)
{
	const struct xenapi_vm *row = db_find(vm, vm);
	struct xenops_vbd told;

	if (!row || !runs(row))
		return NULL;
	TRY(plan_metadata_vbd(vbd, c->arena, &told));
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	return insert_running(c, vm, &told);
}

MAY_WAIT struct err *plan_vbd_insert(struct call *c, const char *vbd, const char *vdi)
{
	AUTO(op_end) struct op doing = {0};
	const struct xenapi_vdi *row;
	const char *vm;

	TRY(vm_of_vbd(c, vbd, &vm));
	TRY(db_get(vdi, vdi, &row));
	TRY(op_begin(&doing, &vbd_rules, vbd, VBD_OP(INSERT), call_task(c)));
	TRY(fill(vbd, vdi));
	struct err *e = vbd_check_sharing(vbd);
	if (!e)
		e = plan_commit();
	if (!e)
		e = insert(c, vbd, vm);
	if (e) {
		auto_err bad = fill(vbd, REF_NULL);
	}
	return e;
}

static MAY_WAIT struct err *eject_running(struct call *c, const char *vbd, const char *vm)
{
	const struct link_work work = {.call = c};
	struct xenops_vbd told;
	const char *task;

	TRY(plan_metadata_vbd(vbd, c->arena, &told));
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	const struct xenops_vbd_eject_in in = {told.vbd};
	TRY(link_error(
		xenops_vbd_eject(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	return plan_await_vm(&work, task, vm);
}

MAY_WAIT struct err *plan_vbd_eject(struct call *c, const char *vbd)
{
	AUTO(op_end) struct op doing = {0};
	const struct xenapi_vm *row;
	const char *vm;

	TRY(vm_of_vbd(c, vbd, &vm));
	TRY(op_begin(&doing, &vbd_rules, vbd, VBD_OP(EJECT), call_task(c)));
	TRY(db_get(vm, vm, &row));
	if (runs(row))
		TRY(eject_running(c, vbd, vm));
	return fill(vbd, REF_NULL);
}

/* ---- network interfaces ---- */

static MAY_WAIT struct err *remove_vif(void *arg)
{
	const struct known *k = arg;
	const struct xenops_vif_remove_in in = {k->id};
	auto_err e = xenops_vif_remove(link_xenopsd.client, &in, k->call->arena, plan_soon());

	return err_is(e, &ERR_Does_not_exist) ? NULL : take(e);
}

static MAY_WAIT struct err *add_vif(struct known *k, const struct xenops_vif *vif)
{
	const struct xenops_vif_add_in in = {*vif};
	auto_err e = xenops_vif_add(link_xenopsd.client, &in, k->call->arena, plan_soon());

	if (!err_is(e, &ERR_Already_exists))
		return take(e);
	TRY(remove_vif(k));
	return xenops_vif_add(link_xenopsd.client, &in, k->call->arena, plan_soon());
}

static struct err *places_of_vif(
	struct call *c, const char *vif, const char **vm, const char **network)
{
	const struct xenapi_vif *row;

	TRY(db_get(vif, vif, &row));
	*vm = arena_strdup(c->arena, row->VM);
	*network = arena_strdup(c->arena, row->network);
	return NULL;
}

static MAY_WAIT struct err *plug_vif(struct call *c, const char *vm, const struct xenops_vif *vif)
{
	AUTO(undo_run) struct undo undo = {0};
	struct known known = {c, vif->vif};
	const struct xenops_vif_plug_in in = {vif->vif};
	const struct link_work work = {.call = c};
	const char *task;

	TRY(link_error(add_vif(&known, vif), vm));
	undo_push(&undo, remove_vif, &known, "taking the network interface back");
	TRY(link_error(
		xenops_vif_plug(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	TRY(plan_await_vm(&work, task, vm));
	return undo_commit(&undo);
}

MAY_WAIT struct err *plan_vif_plug(struct call *c, const char *vif)
{
	AUTO(op_end) struct op doing = {0};
	struct xenops_vif told;
	const char *vm, *network;

	TRY(places_of_vif(c, vif, &vm, &network));
	TRY(op_begin(&doing, &vif_rules, vif, VIF_OP(PLUG), call_task(c)));
	TRY(plan_network_attach(network));
	TRY(plan_metadata_vif(vif, c->arena, &told));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	return plan_with_state(plug_vif(c, vm, &told), vm);
}

static MAY_WAIT struct err *unplug_vif(struct call *c, const char *vm, const char *id, bool force)
{
	struct known known = {c, id};
	const struct xenops_vif_unplug_in in = {id, force};
	const struct link_work work = {.call = c};
	const char *task;
	struct err *e = xenops_vif_unplug(link_xenopsd.client, &in, c->arena, &task, plan_soon());

	TRY(e ? link_error(e, vm) : plan_await_vm(&work, task, vm));
	return link_error(remove_vif(&known), vm);
}

MAY_WAIT struct err *plan_vif_unplug(struct call *c, const char *vif, bool force)
{
	AUTO(op_end) struct op doing = {0};
	struct xenops_vif told;
	const char *vm, *network;

	TRY(places_of_vif(c, vif, &vm, &network));
	TRY(op_begin(&doing, &vif_rules, vif, VIF_OP(UNPLUG), call_task(c)));
	TRY(plan_metadata_vif(vif, c->arena, &told));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	struct err *e = unplug_vif(c, vm, told.vif, force);
	if (e)
		return plan_with_state(e, vm);
	return db_find(vif, vif) ? db_write(vif, vif, currently_attached, false) : NULL;
}

static MAY_WAIT struct err *set_locking_mode(
	struct call *c, const struct xenops_vif *vif, const char *vm)
{
	const struct xenops_vif_set_locking_mode_in in = {vif->vif, vif->locking_mode};
	const struct link_work work = {.call = c};
	const char *task;

	TRY(link_error(
		xenops_vif_set_locking_mode(link_xenopsd.client, &in, c->arena, &task, plan_soon()),
		vm));
	return plan_await_vm(&work, task, vm);
}

static MAY_WAIT struct err *set_backend(
	struct call *c, const struct xenops_vif *vif, const char *vm)
{
	const struct xenops_vif_move_in in = {vif->vif, vif->backend};
	const struct link_work work = {.call = c};
	const char *task;

	TRY(link_error(
		xenops_vif_move(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	return plan_await_vm(&work, task, vm);
}

/* The guest's interface follows the database. What may go through it hangs on the network, and is
 * seen to first: it is never on a network with more than that allows. */
static MAY_WAIT struct err *move_plugged(
	struct call *c, const char *vif, const char *vm, const struct xenops_vif *was)
{
	struct xenops_vif now;

	TRY(plan_metadata_vif(vif, c->arena, &now));
	bool is_new_mode = now.locking_mode.kind != was->locking_mode.kind;
	if (is_new_mode)
		TRY(set_locking_mode(c, &now, vm));
	struct err *e = set_backend(c, &now, vm);
	if (e && is_new_mode)
		err_free(set_locking_mode(c, was, vm));
	return e;
}

MAY_WAIT struct err *plan_vif_move(struct call *c, const char *vif, const char *network)
{
	AUTO(op_end) struct op doing = {0};
	const struct xenapi_network *exists;
	const struct xenapi_vif *row;
	struct xenops_vif told;
	const char *vm, *was;

	TRY(places_of_vif(c, vif, &vm, &was));
	TRY(op_begin(&doing, &vif_rules, vif, VIF_OP(ATTACH), call_task(c)));
	TRY(db_get(vif, vif, &row));
	TRY(db_get(network, network, &exists));
	const struct xenapi_vm *of = db_find(vm, vm);
	if (!row->currently_attached || !of || !runs(of))
		return db_write(vif, vif, network, network);
	TRY(link_error(link_wait_up(&link_xenopsd), vm));
	TRY(plan_network_attach(network));
	TRY(plan_metadata_vif(vif, c->arena, &told));
	TRY(db_write(vif, vif, network, network));
	struct err *e = move_plugged(c, vif, vm, &told);
	if (e && db_find(vif, vif))
		err_free(db_write(vif, vif, network, was));
	return e;
}

/* What a plugged VIF is to be told of a change in the database; its VM in *VM, NULL: nothing. */
static MAY_WAIT struct err *changed_vif(
	struct call *c, const char *vif, struct xenops_vif *out, const char **vm)
{
	const struct xenapi_vif *row;

	*vm = NULL;
	TRY(plan_commit());
	TRY(db_get(vif, vif, &row));
	if (!row->currently_attached)
		return NULL;
	TRY(link_error(link_wait_up(&link_xenopsd), NULL));
	TRY(db_get(vif, vif, &row));
	*vm = arena_strdup(c->arena, row->VM);
	return plan_metadata_vif(vif, c->arena, out);
}

MAY_WAIT struct err *plan_vif_lock(struct call *c, const char *vif)
{
	struct xenops_vif now;
	const char *vm;

	TRY(changed_vif(c, vif, &now, &vm));
	return vm ? set_locking_mode(c, &now, vm) : NULL;
}

MAY_WAIT struct err *plan_vif_trunk(struct call *c, const char *vif)
{
	const struct link_work work = {.call = c};
	struct xenops_vif now;
	const char *vm, *task;

	TRY(changed_vif(c, vif, &now, &vm));
	if (!vm)
		return NULL;
	const struct xenops_vif_set_trunks_in in = {now.vif, now.trunks};
	TRY(link_error(
		xenops_vif_set_trunks(link_xenopsd.client, &in, c->arena, &task, plan_soon()), vm));
	return plan_await_vm(&work, task, vm);
}

/* ---- USB ---- */

MAY_WAIT struct err *plan_vusb_unplug(struct call *c, const char *vusb)
{
	const struct link_work work = {.call = c};
	const struct xenapi_vusb *row;
	const struct xenapi_vm *vm;
	const char *task;

	TRY(link_error(link_wait_up(&link_xenopsd), NULL));
	TRY(db_get(vusb, vusb, &row));
	TRY(db_get(vm, row->VM, &vm));
	const char *ref = arena_strdup(c->arena, row->VM);
	const struct xenops_vusb_unplug_in in = {xenopsd_vusb_id(c->arena, vm, row)};
	const struct xenops_vusb_remove_in remove_in = {in.vusb};
	TRY(link_error(
		xenops_vusb_unplug(link_xenopsd.client, &in, c->arena, &task, plan_soon()), ref));
	TRY(plan_await_vm(&work, task, ref));
	TRY(link_error(
		xenops_vusb_remove(link_xenopsd.client, &remove_in, c->arena, plan_soon()), ref));
	return link_error(xenopsd_compare(ref), ref);
}
