/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class VM that tell, add and remove. Those of power are in api_power.c.
 */
#include "common/codec.h"
#include "common/rpc.h"
#include "common/updates.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/backend.h"
#include "xenopsd/files.h"
#include "xenopsd/memory.h"
#include "xenopsd/metadata.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/xenopsd.h"

#include <string.h>

/* ---- how a VM is ---- */

/* What the config says, for a VM without a domain. */
static void init_state(const struct vm *vm, struct arena *a, struct xenops_vm_state *out)
{
	codec_init_record(&xenops_type_vm_state, a, out);
	out->vcpus = vm->config.vcpus;
	out->memory_target_bytes = vm->config.memory_dynamic_max_bytes;
	if (vm->config.guest.kind == XENOPS_GUEST_HVM) {
		out->shadow_multiplier = vm->config.guest.hvm.shadow_multiplier;
		out->rtc_timeoffset_s = vm->config.guest.hvm.timeoffset_s;
	}
	if (vm->last_start_s) {
		out->last_start = arena_new(a, int64_t);
		*out->last_start = vm->last_start_s;
	}
}

/* Domain_not_built: the domain went while it was looked at. */
static MAY_WAIT struct err *look_and_stat(
	struct vm *vm, struct domain_look *look, struct arena *a, struct xenops_vm_state *out)
{
	if (xenopsd.backend->vm_look_and_stat)
		return xenopsd.backend->vm_look_and_stat(vm, look, a, out);
	TRY(xenopsd.backend->vm_look(vm, look));
	if (!look->is_there || power_state_of(vm, look) == XENOPS_POWER_STATE_HALTED)
		return NULL;
	return xenopsd.backend->vm_stat(vm, a, out);
}

static MAY_WAIT struct err *fill_domain(struct vm *vm, struct arena *a, struct xenops_vm_state *out)
{
	struct domain_look look = {0};
	struct xenops_vm_state seen = *out;
	auto_err e = look_and_stat(vm, &look, a, &seen);

	if (e && !err_is(e, &ERR_Domain_not_built))
		return take(e);
	out->power_state = power_state_of(vm, &look);
	if (e || !look.is_there || out->power_state == XENOPS_POWER_STATE_HALTED)
		return NULL;
	seen.power_state = out->power_state;
	seen.domids.n = 1;
	seen.domids.v = arena_new(a, int64_t);
	seen.domids.v[0] = look.domid;
	seen.uncooperative = memory_is_uncooperative(vm);
	*out = seen;
	return NULL;
}

static MAY_WAIT struct err *fill_stat(struct vm *vm, struct arena *a, struct xenops_vm_stat *out)
{
	auto_hold held = vm_hold(vm);

	codec_copy(&xenops_type_vm, &held->config, a, &out->vm);
	init_state(held, a, &out->state);
	if (held->phase == XENOPSD_PHASE_HALTED || held->phase == XENOPSD_PHASE_SUSPENDED) {
		out->state.power_state = power_state_of(held, &(struct domain_look){0});
		return NULL;
	}
	return fill_domain(held, a, &out->state);
}

MAY_WAIT struct err *api_vm_stat(
	struct call *c, const struct xenops_vm_stat_in *in, struct xenops_vm_stat *out)
{
	struct vm *vm;

	TRY(vm_get(in->vm, &vm));
	return fill_stat(vm, c->arena, out);
}

static const char **all_ids(struct arena *a, size_t *n)
{
	const char **ids = arena_calloc(a, vms.n, sizeof(*ids));

	*n = 0;
	map_for_each (slot, &vms)
		ids[(*n)++] = arena_strdup(a, slot->key);
	return ids;
}

MAY_WAIT struct err *api_vm_list(struct call *c, struct xenops_vm_stat_list *out)
{
	size_t n;
	const char **ids = all_ids(c->arena, &n);

	out->n = 0;
	out->v = arena_calloc(c->arena, n, sizeof(*out->v));
	for (size_t i = 0; i < n; i++) {
		struct vm *vm = vm_find(ids[i]);

		if (vm)
			TRY(fill_stat(vm, c->arena, &out->v[out->n++]));
	}
	return NULL;
}

MAY_WAIT struct err *api_vm_refresh(struct call *c, const struct xenops_vm_refresh_in *in)
{
	struct vm *vm;

	TRY(vm_get(in->vm, &vm));
	vm_tell(vm);
	return NULL;
}

MAY_WAIT struct err *api_vm_figures(struct call *c, struct xenops_figures *out)
{
	if (!xenopsd.backend->figures)
		return err(Unimplemented, "figures");
	return xenopsd.backend->figures(c->arena, out);
}

/* ---- adding and removing ---- */

MAY_WAIT struct err *api_vm_add(struct call *c, const struct xenops_vm_add_in *in)
{
	if (vm_find(in->vm.vm))
		return err(Already_exists, "vm", in->vm.vm);
	return add_vm(&in->vm);
}

MAY_WAIT struct err *api_vm_remove(struct call *c, const struct xenops_vm_remove_in *in)
{
	AUTO(turn_end) struct turn turn = {0};
	enum xenops_power_state found;

	TRY(turn_begin(&turn, in->vm, "VM.remove", TURN_QUICK));
	TRY(vm_power_state(turn.vm, &found));
	if (found != XENOPS_POWER_STATE_HALTED && found != XENOPS_POWER_STATE_SUSPENDED)
		return bad_power_state(found, XENOPS_POWER_STATE_HALTED);
	/* Nothing of it may stay with smd or networkd; what is suspended has nothing there. */
	TRY(vm_settle(turn.vm));
	if (turn.vm->phase != XENOPSD_PHASE_SUSPENDED)
		TRY(vm_stop(turn.vm, XENOPSD_HOOK_REASON_NONE, NULL));
	return drop_vm(turn.vm);
}

MAY_WAIT struct err *api_vm_import_metadata(
	struct call *c, const struct xenops_vm_import_metadata_in *in, const char **out)
{
	AUTO(turn_end) struct turn turn = {0};
	const char *id = in->metadata.vm.vm;

	TRY(metadata_check(&in->metadata));
	*out = id;
	if (!vm_find(id))
		return metadata_add(&in->metadata);
	TRY(turn_begin(&turn, id, "VM.import_metadata", TURN_QUICK));
	return metadata_apply(turn.vm, &in->metadata);
}

MAY_WAIT struct err *api_vm_export_metadata(
	struct call *c, const struct xenops_vm_export_metadata_in *in, struct xenops_metadata *out)
{
	struct vm *vm;

	TRY(vm_get(in->vm, &vm));
	metadata_of(vm, c->arena, out);
	if (vm->phase == XENOPSD_PHASE_SUSPENDED) {
		out->domain = arena_new(c->arena, struct json_text);
		*out->domain = files_export_state(vm, c->arena);
	}
	return NULL;
}
