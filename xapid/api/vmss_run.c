/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes the snapshots of a VMSS (vmss.h), each by a message of its own, as a client would, so that
 * it is taken where the VM is and has its task; then those that are too many go, the oldest first.
 * A VM that could not be snapshotted keeps what it has. One fiber looks what is due.
 */
#define LOG_MODULE "vmss"
#include "xapid/api/vmss.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/vec.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/gate/own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_NS  (30 * NS_PER_S)
#define LATE_S   (20 * 60) /* what was due when nobody looked is made up for, for so long */
#define FRESH_S  60 /* of one that never ran */
#define NAME_LEN 64

/* ---- the oldest go ---- */

struct old {
	int64_t time;
	const char *ref;
};

static int by_time(const void *a, const void *b)
{
	const struct old *x = a, *y = b;

	return x->time < y->time ? -1 : x->time > y->time;
}

/* With its disks. */
static MAY_WAIT struct err *drop(struct arena *a, const char *session, const char *snapshot)
{
	vec_of(const char *) disks = {0};
	const struct xenapi_vm *vm = db_find(vm, snapshot);

	for (size_t i = 0; vm && i < vm->VBDs.n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vm->VBDs.v[i]);

		if (vbd && vbd->type == XENAPI_VBD_TYPE_DISK && db_find(vdi, vbd->VDI))
			vec_push(&disks, arena_strdup(a, vbd->VDI));
	}
	struct err *e = own_send(a, session, "VM.destroy", json_pack("[s]", snapshot), NULL);
	for (size_t i = 0; i < disks.n && !e; i++)
		e = own_send(a, session, "VDI.destroy", json_pack("[s]", disks.v[i]), NULL);
	vec_fini(&disks);
	return e;
}

static MAY_WAIT struct err *drop_oldest(
	struct arena *a, const char *session, const char *ref, int64_t retained)
{
	vec_of(struct old) all = {0};
	const struct xenapi_vm *vm = db_find(vm, ref);
	struct err *e = NULL;

	for (size_t i = 0; vm && i < vm->snapshots.n; i++) {
		const struct xenapi_vm *snapshot = db_find(vm, vm->snapshots.v[i]);

		if (snapshot && snapshot->is_vmss_snapshot)
			vec_push(&all,
				((struct old){snapshot->snapshot_time,
					arena_strdup(a, vm->snapshots.v[i])}));
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_time);
	for (size_t i = 0; !e && i < all.n && (int64_t)(all.n - i) > retained; i++)
		e = drop(a, session, all.v[i].ref);
	vec_fini(&all);
	return e;
}

/* ---- taking them ---- */

/* "web 2030-01-02T03:04:05Z" */
static const char *name_of(const struct xenapi_vm *vm, struct arena *a)
{
	time_t now = (time_t)(clock_real_ns() / NS_PER_S);
	char text[NAME_LEN];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	return arena_printf(a, "%s %s", vm->name_label, text);
}

/* A VM that does not run has no memory to keep. */
static const char *message_for(const struct xenapi_vm *vm, enum xenapi_vmss_type type)
{
	bool has_memory = vm->power_state == XENAPI_VM_POWER_STATE_RUNNING ||
		vm->power_state == XENAPI_VM_POWER_STATE_SUSPENDED;

	return type == XENAPI_VMSS_TYPE_CHECKPOINT && has_memory ? "VM.checkpoint" : "VM.snapshot";
}

static MAY_WAIT struct err *snapshot_one(
	struct arena *a, const char *session, const char *ref, const struct xenapi_vmss *vmss)
{
	const struct xenapi_vm *vm;
	int64_t retained = vmss->retained_snapshots;
	const char *snapshot;

	TRY(db_get(vm, ref, &vm));
	TRY(own_send(a, session, message_for(vm, vmss->type),
		json_pack("[s, s]", ref, name_of(vm, a)), &snapshot));
	TRY(db_write(vm, snapshot, is_vmss_snapshot, true));
	return drop_oldest(a, session, ref, retained);
}

/* All of its VMs; the first error is told when all have had their turn. */
static MAY_WAIT struct err *run(struct arena *a, const char *session, const char *ref)
{
	const struct xenapi_vmss *vmss;
	struct string_list vms;
	struct err *first = NULL;

	TRY(db_get(vmss, ref, &vmss));
	codec_copy(&type_list_string, &vmss->VMs, a, &vms);
	for (size_t i = 0; i < vms.n; i++) {
		vmss = db_find(vmss, ref);
		struct err *e = vmss ? snapshot_one(a, session, vms.v[i], vmss) : NULL;

		if (e)
			log_err(LOG_WARN_, e, "a snapshot of VM %s that was due", vms.v[i]);
		if (first)
			err_free(e);
		else
			first = e;
	}
	return first;
}

MAY_WAIT struct err *xapi_vmss_snapshot_now(
	struct call *c, const struct xenapi_vmss_snapshot_now_in *in, const char **out)
{
	TRY(run(c->arena, call_session(c), in->vmss));
	*out = "";
	return NULL;
}

/* ---- when they are due ---- */

static struct cond changed;
static bool is_started; /* a member's is not */

void vmss_changed(void)
{
	if (is_started)
		cond_broadcast(&changed);
}

static bool is_due(const struct xenapi_vmss *vmss, int64_t now, int64_t *due)
{
	*due = vmss_last_due(vmss, now);
	return vmss->enabled && vmss->VMs.n && *due > vmss->last_run_time &&
		now - *due < (vmss->last_run_time ? LATE_S : FRESH_S);
}

static MAY_WAIT struct err *run_due(const char *ref)
{
	auto_arena a = {0};
	const char *vmss = arena_strdup(&a, ref), *session;

	TRY(db_write(vmss, vmss, last_run_time, clock_real_ns() / NS_PER_S));
	TRY(own_login(&a, &session));
	struct err *e = run(&a, session, vmss);
	own_logout(&a, session);
	return e;
}

/* One that is due; NULL: none. */
static const char *find_due(void)
{
	int64_t now = clock_real_ns() / NS_PER_S, due;

	db_for_each (vmss, row)
		if (is_due(db_record(row), now, &due))
			return db_ref(row);
	return NULL;
}

/* After what went wrong it looks a while later, as if nothing had been due. */
static MAY_WAIT void look(void *arg)
{
	for (;;) {
		const char *ref = find_due();
		auto_err e = ref ? run_due(ref) : NULL;

		if (e)
			log_err(LOG_WARN_, e, "a schedule of snapshots");
		if (!ref || e) {
			err_free(take(e));
			e = cond_wait(&changed, "a schedule", deadline_in(LOOK_NS));
		}
		if (e && !err_is(e, &ERR_TIMEOUT))
			return;
	}
}

struct err *vmss_start(void)
{
	cond_init(&changed);
	is_started = true;
	return fiber_spawn(NULL, look, NULL, "schedules of snapshots");
}
