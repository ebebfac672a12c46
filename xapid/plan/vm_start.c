/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM.start and VM.start_on: everything that the VM needs is marked as in use, its networks are
 * there, xenopsd is told all of it, brings it up paused and lets it run. VM.resume and VM.resume_on
 * are the same from a memory: it is let go of before the guest runs, for no guest may ever go on
 * from it twice.
 */
#include "common/undo.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/firmware.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/overhead.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

/* A plan under way; on the stack of its fiber. */
struct start {
	struct call *call;
	const struct plan_start *how;
	const char *uuid;
	struct xenops_metadata metadata;
	const char *memory; /* of a resume: the VDI */
};

static bool is_resume(const struct plan_start *how)
{
	return how->op == XENAPI_VM_OPERATIONS_RESUME ||
		how->op == XENAPI_VM_OPERATIONS_RESUME_ON ||
		how->op == XENAPI_VM_OPERATIONS_CHECKPOINT;
}

static struct err *check_host(const struct plan_start *how)
{
	const struct xenapi_host *host;

	TRY(db_get(host, how->host, &host));
	/* One that comes back from a checkpoint was there before. */
	if (host->enabled || how->op == XENAPI_VM_OPERATIONS_CHECKPOINT)
		return NULL;
	if (how->op == XENAPI_VM_OPERATIONS_START || how->op == XENAPI_VM_OPERATIONS_RESUME)
		return err(NO_HOSTS_AVAILABLE);
	return err(HOST_DISABLED, how->host);
}

static struct err *check_vm(const struct plan_start *how)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, how->vm, &vm));
	if (vm->memory_static_min > vm->memory_dynamic_min ||
		vm->memory_dynamic_min > vm->memory_dynamic_max ||
		vm->memory_dynamic_max > vm->memory_static_max)
		return err(MEMORY_CONSTRAINT_VIOLATION_ORDER);
	return NULL;
}

/* The VM's drives and network interfaces, and the host, are part of the operation. */
static MAY_WAIT struct err *mark(struct start *s, struct plan_ops *ops)
{
	const char *vm = s->how->vm;
	const struct xenapi_vm *row;

	/* A checkpoint's is under way. */
	if (s->how->op != XENAPI_VM_OPERATIONS_CHECKPOINT)
		TRY(plan_op(ops, &vm_rules, vm, s->how->op, s->call));
	row = db_find(vm, vm);
	struct string_list vbds = metadata_list(&row->VBDs, s->call->arena);
	struct string_list vifs = metadata_list(&row->VIFs, s->call->arena);
	for (size_t i = 0; i < vbds.n; i++)
		TRY(plan_op(ops, &vbd_rules, vbds.v[i], XENAPI_VBD_OPERATIONS_ATTACH, s->call));
	for (size_t i = 0; i < vifs.n; i++)
		TRY(plan_op(ops, &vif_rules, vifs.v[i], XENAPI_VIF_OPERATIONS_ATTACH, s->call));
	return plan_op(ops, &host_rules, s->how->host,
		is_resume(s->how) ? XENAPI_HOST_ALLOWED_OPERATIONS_VM_RESUME
				  : XENAPI_HOST_ALLOWED_OPERATIONS_VM_START,
		s->call);
}

static MAY_WAIT struct err *attach_networks(struct start *s)
{
	const struct xenapi_vm *vm = db_find(vm, s->how->vm);
	struct string_list vifs = metadata_list(&vm->VIFs, s->call->arena);

	for (size_t i = 0; i < vifs.n; i++) {
		const struct xenapi_vif *vif;

		TRY(db_get(vif, vifs.v[i], &vif));
		TRY(plan_network_attach(vif->network));
	}
	return NULL;
}

static MAY_WAIT struct err *take_down(const struct start *s)
{
	auto_arena arena = {0};
	const struct xenops_vm_shutdown_in in = {.vm = s->uuid};
	const struct link_work work = {.part = "VM.hard_shutdown"};
	const char *task;

	TRY(xenops_vm_shutdown(link_xenopsd.client, &in, &arena, &task, plan_soon()));
	return link_await(&link_xenopsd, &work, task, NULL, &arena, NULL);
}

/* Whatever came of it, xenopsd has nothing of it any more, and the database says so. It may be why
 * the start failed that xenopsd was killed, and then it has to be back first. */
static MAY_WAIT struct err *undo_start(void *arg)
{
	const struct start *s = arg;
	int64_t deadline = plan_soon();
	struct err *e = take_down(s);

	while (link_is_back(&link_xenopsd, e, deadline)) {
		err_free(e);
		e = take_down(s);
	}
	err_free(e);
	if (db_find(vm, s->how->vm))
		TRY(db_write(vm, s->how->vm, scheduled_to_be_resident_on, REF_NULL));
	return xenopsd_compare(s->how->vm);
}

/* What it came to is what xenopsd says: the VM is suspended as before, or up. */
static MAY_WAIT struct err *undo_resume(void *arg)
{
	const struct start *s = arg;

	if (db_find(vm, s->how->vm))
		TRY(db_write(vm, s->how->vm, scheduled_to_be_resident_on, REF_NULL));
	return xenopsd_compare(s->how->vm);
}

/* Where the memory is. */
static struct err *find_memory(struct start *s, struct xenops_disk *out)
{
	const struct xenapi_vm *vm = db_find(vm, s->how->vm);
	const struct xenops_disk *disk;

	s->memory = arena_strdup(s->call->arena, vm->suspend_VDI);
	if (!db_find(vdi, s->memory))
		return err(VM_HAS_NO_SUSPEND_VDI, s->how->vm);
	disk = metadata_disk(s->memory, s->call->arena);
	if (!disk)
		return err(SUSPEND_IMAGE_NOT_ACCESSIBLE, s->memory);
	*out = *disk;
	return NULL;
}

static MAY_WAIT struct err *ask(struct start *s, const char **task)
{
	struct rpc_client *client = link_xenopsd.client;
	struct arena *a = s->call->arena;
	const struct xenops_vm_start_in start_in = {
		s->uuid, s->how->force, !s->how->paused, &s->metadata};
	const struct xenops_vm_import_metadata_in metadata_in = {s->metadata};
	struct xenops_vm_resume_in resume_in = {.vm = s->uuid};
	const char *id;

	if (!is_resume(s->how))
		return xenops_vm_start(client, &start_in, a, task, plan_soon());
	TRY(xenops_vm_import_metadata(client, &metadata_in, a, &id, plan_soon()));
	TRY(find_memory(s, &resume_in.image));
	return xenops_vm_resume(client, &resume_in, a, task, plan_soon());
}

/* From here on the VM is what is there, and no longer what was written. */
static MAY_WAIT struct err *let_go_of_memory(struct start *s)
{
	TRY(db_write(vm, s->how->vm, suspend_VDI, REF_NULL));
	return plan_commit();
}

/* A guest that starts runs at once; one that goes on waits until its memory was let go of. */
static MAY_WAIT struct err *bring_up(struct start *s)
{
	const struct xenops_vm_unpause_in unpause_in = {s->uuid};
	const struct link_work whole = {s->call, NULL, 0, 1};
	const struct link_work start = {s->call, "VM.start", 0, 1};
	const struct link_work resume = {s->call, "VM.resume", 0, 0.9};
	const struct link_work unpause = {s->call, "VM.unpause", 0.9, 0.1};
	const char *vm = s->how->vm, *task;

	TRY(link_error(ask(s, &task), vm));
	if (!is_resume(s->how))
		return plan_await_vm(s->how->paused ? &whole : &start, task, vm);
	TRY(plan_await_vm(s->how->paused ? &whole : &resume, task, vm));
	TRY(let_go_of_memory(s));
	if (s->how->paused)
		return NULL;
	TRY(link_error(xenops_vm_unpause(link_xenopsd.client, &unpause_in, s->call->arena, &task,
			       plan_soon()),
		vm));
	return plan_await_vm(&unpause, task, vm);
}

/* Where it is about to be. One that is to stay paused does not say so: should xapid end meanwhile,
 * what was interrupted is let run. */
static struct err *note_intent(struct start *s)
{
	const struct xenapi_vm *vm = db_find(vm, s->how->vm);

	s->uuid = arena_strdup(s->call->arena, vm->uuid);
	TRY(overhead_note(s->how->vm));
	if (!is_resume(s->how))
		TRY(firmware_settle(s->how->vm, s->how->host, s->call->arena));
	if (!s->how->paused)
		TRY(db_write(vm, s->how->vm, scheduled_to_be_resident_on, s->how->host));
	if (db_find(vm_guest_metrics, vm->guest_metrics))
		TRY(db_delete(vm_guest_metrics, vm->guest_metrics));
	return plan_metadata(s->how->vm, s->call->arena, &s->metadata);
}

static MAY_WAIT struct err *start_marked(struct start *s)
{
	AUTO(undo_run) struct undo undo = {0};

	TRY(check_host(s->how));
	TRY(check_vm(s->how));
	TRY(attach_networks(s));
	TRY(note_intent(s));
	undo_push(&undo, is_resume(s->how) ? undo_resume : undo_start, s, "taking back the start");
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_xenopsd), s->how->vm));
	TRY(bring_up(s));
	TRY(link_error(xenopsd_compare(s->how->vm), s->how->vm));
	return undo_commit(&undo);
}

MAY_WAIT struct err *plan_vm_start(struct call *c, const struct plan_start *how)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	struct start s = {.call = c, .how = how};

	TRY(mark(&s, &ops));
	TRY(start_marked(&s));
	return s.memory && db_find(vdi, s.memory) ? plan_vdi_destroy(c, s.memory) : NULL;
}
