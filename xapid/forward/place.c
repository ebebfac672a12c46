/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which host runs a message (forward.h): that on which the VM, the device or the connection to the
 * storage is that it is about; for a VM that starts, one that is chosen. What is about the database
 * alone the master does itself.
 */
#include "common/rpc.h"
#include "common/vec.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/gate/task.h"
#include "xapid/host/memory.h"
#include "xapid/host/role.h"
#include "xapid/plan/freeze.h"

#include "core.gen.h"
#include "xenapi.gen.h"

#include <string.h>

/* ---- what is asked ---- */

/* The argument NAME of an explicit message; NULL: it has none. */
static const char *arg_named(const struct method *m, const void *in, const char *name)
{
	for (uint32_t i = 0; i < m->in->n; i++)
		if (!strcmp(m->in->fields[i].name, name))
			return *(const char *const *)((const char *)in + m->in->fields[i].offset);
	return NULL;
}

static const char *first_arg(const struct method *m, const void *in)
{
	if (!m->in->n || m->in->fields[0].type->kind != TYPE_STRING)
		return NULL;
	return *(const char *const *)((const char *)in + m->in->fields[0].offset);
}

/* ---- where things are ---- */

static bool is_there(const char *host)
{
	return !strcmp(host, host_here()) || master_member(host);
}

/* Whether the host sees the SR; *PBD: how. */
static bool has_sr(const char *host, const struct xenapi_sr *sr)
{
	for (size_t i = 0; i < sr->PBDs.n; i++) {
		const struct xenapi_pbd *pbd = db_find(pbd, sr->PBDs.v[i]);

		if (pbd && pbd->currently_attached && !strcmp(pbd->host, host))
			return true;
	}
	return false;
}

/* One that sees the SR, this one if it does; where none does, one that could. */
static const char *host_of_sr(const char *ref)
{
	const struct xenapi_sr *sr = db_find(sr, ref);
	const char *found = NULL;

	if (!sr || has_sr(host_here(), sr))
		return NULL;
	for (size_t i = 0; i < sr->PBDs.n; i++) {
		const struct xenapi_pbd *pbd = db_find(pbd, sr->PBDs.v[i]);

		if (pbd && pbd->currently_attached)
			return pbd->host;
		if (pbd && (!found || !strcmp(pbd->host, host_here())))
			found = pbd->host;
	}
	return found;
}

const char *place_vdi(const char *ref)
{
	const struct xenapi_vdi *vdi = db_find(vdi, ref);

	return vdi ? host_of_sr(vdi->SR) : NULL;
}

/* The SR of the VDI, when the host does not see it. */
static const char *missing_sr(const char *host, const char *vdi)
{
	const struct xenapi_vdi *row = db_find(vdi, vdi);
	const struct xenapi_sr *sr = row ? db_find(sr, row->SR) : NULL;

	return sr && !has_sr(host, sr) ? row->SR : NULL;
}

const char *place_missing_sr(const char *host, const struct xenapi_vm *vm)
{
	for (size_t i = 0; i < vm->VBDs.n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vm->VBDs.v[i]);
		const char *sr = vbd ? missing_sr(host, vbd->VDI) : NULL;

		if (sr)
			return sr;
	}
	return missing_sr(host, vm->suspend_VDI);
}

static bool sees_disks(const char *host, const struct xenapi_vm *vm)
{
	return !place_missing_sr(host, vm);
}

const char *place_vm_at(const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);

	return vm && !ref_is_null(vm->resident_on) ? vm->resident_on : NULL;
}

/* Of a VM that runs or is about to, where it does; else a host that sees its disks. */
static const char *host_of_vm(const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);

	if (!vm || !ref_is_null(vm->resident_on))
		return vm ? vm->resident_on : NULL;
	if (!ref_is_null(vm->scheduled_to_be_resident_on))
		return vm->scheduled_to_be_resident_on;
	if (sees_disks(host_here(), vm))
		return NULL;
	db_for_each (host, row)
		if (is_there(db_ref(row)) && sees_disks(db_ref(row), vm))
			return db_ref(row);
	return NULL;
}

/* ---- memory ---- */

static struct list promises = LIST_INIT(promises);

void place_promise(struct place_promise *p, const char *vm, const char *host)
{
	p->vm = vm;
	p->host = host;
	list_push_back(&promises, &p->link);
}

void place_promise_end(struct place_promise *p)
{
	if (p->host)
		list_remove(&p->link);
}

/* What is not noted of the VM itself yet. */
static int64_t promised_memory(const struct place_promise *p)
{
	const struct xenapi_vm *vm = db_find(vm, p->vm);
	bool is_noted = !vm || !strcmp(vm->scheduled_to_be_resident_on, p->host) ||
		!strcmp(vm->resident_on, p->host);

	return is_noted ? 0 : vm->memory_static_max;
}

/* What the host has free but for what is promised to VMs that are about to start there. */
static int64_t free_memory(const char *ref)
{
	const struct xenapi_host *host = db_find(host, ref);
	const struct xenapi_host_metrics *metrics = db_find(host_metrics, host->metrics);
	int64_t free = metrics ? metrics->memory_free : 0;

	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);

		if (!strcmp(vm->scheduled_to_be_resident_on, ref))
			free -= vm->memory_static_max;
	}
	list_for_each (p, &promises, struct place_promise, link)
		free -= strcmp(p->host, ref) ? 0 : promised_memory(p);
	return free;
}

static bool can_start(const char *ref, const struct xenapi_vm *vm)
{
	const struct xenapi_host *host = db_find(host, ref);

	return host->enabled && is_there(ref) && sees_disks(ref, vm) &&
		free_memory(ref) + host_balloon_bytes(ref) >= vm->memory_dynamic_min;
}

/* ---- where a VM can be ---- */

static struct err *check_memory(const char *ref, const struct xenapi_vm *vm, struct arena *a)
{
	int64_t wants = vm->memory_dynamic_min, has = free_memory(ref) + host_balloon_bytes(ref);

	if (has >= wants || !strcmp(vm->resident_on, ref))
		return NULL;
	return err(HOST_NOT_ENOUGH_FREE_MEMORY, arena_printf(a, "%lld", (long long)wants),
		arena_printf(a, "%lld", (long long)(has > 0 ? has : 0)));
}

struct err *place_check(const char *ref, const char *vm_ref)
{
	auto_arena a = {0};
	const struct xenapi_host *host;
	const struct xenapi_vm *vm;

	TRY(db_get(vm, vm_ref, &vm));
	TRY(db_get(host, ref, &host));
	if (!host->enabled)
		return err(HOST_DISABLED, ref);
	if (!is_there(ref))
		return err(HOST_NOT_LIVE);
	const char *sr = place_missing_sr(ref, vm);
	return sr ? err(VM_REQUIRES_SR, vm_ref, sr) : check_memory(ref, vm, &a);
}

/* With the VM that it is about, which the model does not tell of. */
static struct err *nowhere(const char *vm)
{
	return err_not_null(err_new(__FILE__, __LINE__, ERR_NO_HOSTS_AVAILABLE.code, 1, &vm));
}

/* Of two reasons the one that tells more than that a host is not there. */
static struct err *better_reason(struct err *one, struct err *other)
{
	bool is_there =
		other && !err_is(other, &ERR_HOST_DISABLED) && !err_is(other, &ERR_HOST_NOT_LIVE);

	err_free(is_there ? one : other);
	return is_there ? other : one;
}

struct err *place_move(const char *vm, const char **out)
{
	const struct xenapi_vm *row;
	struct err *why = NULL;
	const char *best = NULL;

	TRY(db_get(vm, vm, &row));
	db_for_each (host, host) {
		const char *ref = db_ref(host);

		if (!strcmp(ref, row->resident_on))
			continue;
		struct err *e = place_check(ref, vm);
		if (!e && (!best || free_memory(ref) > free_memory(best)))
			best = ref;
		why = better_reason(why, e);
	}
	*out = best;
	if (!best)
		return why ? why : nowhere(vm);
	err_free(why);
	return NULL;
}

/* ---- where a VM starts ---- */

/* That which the VM prefers if it can go there, else that with the most memory; of equal ones the
 * master. */
static struct err *choose(const char *ref, const char **out)
{
	const struct xenapi_vm *vm;
	const char *best = NULL;
	int64_t most = 0;

	TRY(db_get(vm, ref, &vm));
	if (db_find(host, vm->affinity) && can_start(vm->affinity, vm)) {
		*out = vm->affinity;
		return NULL;
	}
	db_for_each (host, row) {
		const char *host = db_ref(row);

		if (!can_start(host, vm))
			continue;
		int64_t has = free_memory(host);
		if (best && (has < most || (has == most && strcmp(host, host_here()) != 0)))
			continue;
		best = host;
		most = has;
	}
	*out = best;
	return NULL;
}

/* ---- messages ---- */

struct err *place_vm_message(const char *message, const char *vm, const char **host)
{
	*host = NULL;
	if (own_role.is_member || db_count(host) < 2)
		return NULL;
	if (!strcmp(message, "VM.start"))
		TRY(choose(vm, host));
	else
		*host = host_of_vm(vm);
	if (*host && (!strcmp(*host, host_here()) || !db_find(host, *host)))
		*host = NULL;
	return NULL;
}

static const char *host_of_device(const struct class *class, const void *device)
{
	if (class == &xenapi_class_vbd)
		return place_vm_at(((const struct xenapi_vbd *)device)->VM);
	if (class == &xenapi_class_vif)
		return place_vm_at(((const struct xenapi_vif *)device)->VM);
	if (class == &xenapi_class_vusb)
		return place_vm_at(((const struct xenapi_vusb *)device)->VM);
	return NULL;
}

/* The host that has an object, NULL: every host has it. */
static const char *host_of(const char *ref)
{
	const struct db_row *row = db_row(NULL, ref);

	if (!row)
		return NULL;
	const struct class *class = db_class(row);
	const struct field *host = db_field_named(class, "host");

	if (class == &xenapi_class_host)
		return ref;
	if (class == &xenapi_class_vm)
		return host_of_vm(ref);
	if (class == &xenapi_class_sr)
		return host_of_sr(ref);
	if (class == &xenapi_class_vdi)
		return place_vdi(ref);
	return host ? *(const char *const *)db_value(row, host)
		    : host_of_device(class, db_record(row));
}

/* The host whose guest writes to the VDI; where none does, one that sees it. */
static const char *host_of_writer(const char *vdi)
{
	const struct xenapi_vbd *vbd = db_find(vbd, freeze_writer(vdi));
	const char *host = vbd ? place_vm_at(vbd->VM) : NULL;

	return host ? host : place_vdi(vdi);
}

/* What is forgotten of a host that is away is forgotten here. */
static const char *host_if_there(const char *host)
{
	return host && is_there(host) ? host : NULL;
}

/* A part of a call that a member runs, or a task that a client was sent there with: the member
 * has it. */
static const char *host_of_task(const char *ref)
{
	const struct xenapi_task *task = db_find(task, ref);

	return task ? task->resident_on : NULL;
}

/* What its mark in the data model does not tell: where a VM goes that is nowhere yet. */
static struct err *place_explicit(const struct method *m, const void *in, const char **out)
{
	const char *ref = first_arg(m, in);

	if (!strcmp(m->name, "VM.start") || !strcmp(m->name, "VM.resume"))
		return choose(ref, out);
	if (!strcmp(m->name, "VM.start_on") || !strcmp(m->name, "VM.resume_on"))
		*out = arg_named(m, in, "host");
	else if (!strcmp(m->name, "VM.power_state_reset"))
		*out = host_if_there(host_of_vm(ref));
	else if (!strcmp(m->name, "VDI.snapshot") || !strcmp(m->name, "VDI.clone"))
		*out = host_of_writer(ref);
	else if (!strcmp(m->name, "task.cancel"))
		*out = host_of_task(ref);
	else if (m->flags & METHOD_RESIDENT)
		*out = ref ? host_of(ref) : NULL;
	return NULL;
}

static const char *place_implicit(const struct message *m, const void *const *args)
{
	if (m->class == &xenapi_class_vdi && m->kind == MESSAGE_CREATE)
		return host_of_sr(((const struct xenapi_vdi *)args[0])->SR);
	if (m->class == &xenapi_class_vdi && m->kind == MESSAGE_DESTROY)
		return place_vdi(*(const char *const *)args[0]);
	if (m->class == &xenapi_class_vm && m->kind == MESSAGE_DESTROY)
		return host_of_vm(*(const char *const *)args[0]);
	return NULL;
}

MAY_WAIT struct err *place_message(
	struct xapi_call *c, const void *in, const void *const *args, const char **host)
{
	*host = NULL;
	if (db_count(host) < 2)
		return NULL;
	if (c->message->method)
		TRY(place_explicit(c->message->method, in, host));
	else
		*host = place_implicit(c->message, args);
	if (*host && (ref_is_null(*host) || !db_find(host, *host)))
		*host = NULL;
	return NULL;
}
