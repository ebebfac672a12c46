/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM and its devices in the database, as xenopsd says that they are. Each function writes what
 * differs and nothing else, in one go.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "xapid/db/db.h"
#include "xapid/link/xenopsd.h"
#include "xapid/rules/rules.h"

#include <string.h>

static enum xenapi_vm_power_state power_state(enum xenops_power_state state)
{
	switch (state) {
	case XENOPS_POWER_STATE_HALTED:
		return XENAPI_VM_POWER_STATE_HALTED;
	case XENOPS_POWER_STATE_RUNNING:
		return XENAPI_VM_POWER_STATE_RUNNING;
	case XENOPS_POWER_STATE_PAUSED:
		return XENAPI_VM_POWER_STATE_PAUSED;
	case XENOPS_POWER_STATE_SUSPENDED:
		return XENAPI_VM_POWER_STATE_SUSPENDED;
	}
	__builtin_unreachable();
}

static enum xenapi_domain_type domain_type(enum xenops_domain_type type)
{
	switch (type) {
	case XENOPS_DOMAIN_TYPE_HVM:
		return XENAPI_DOMAIN_TYPE_HVM;
	case XENOPS_DOMAIN_TYPE_PV:
		return XENAPI_DOMAIN_TYPE_PV;
	case XENOPS_DOMAIN_TYPE_PVH:
		return XENAPI_DOMAIN_TYPE_PVH;
	case XENOPS_DOMAIN_TYPE_PV_IN_PVH:
		return XENAPI_DOMAIN_TYPE_PV_IN_PVH;
	case XENOPS_DOMAIN_TYPE_UNDEFINED:
		return XENAPI_DOMAIN_TYPE_UNSPECIFIED;
	}
	__builtin_unreachable();
}

/* ---- consoles ---- */

static bool is_of(const struct xenapi_console *row, const struct xenops_console *console)
{
	bool is_graphics = console->protocol == XENOPS_CONSOLE_PROTOCOL_RFB;

	return row->protocol ==
		(is_graphics ? XENAPI_CONSOLE_PROTOCOL_RFB : XENAPI_CONSOLE_PROTOCOL_VT100);
}

static struct err *add_console(const char *vm, const struct xenops_console *console)
{
	struct xenapi_console row = db_blank(console);
	const struct xenapi_host *host = db_find(host, host_here());
	char uuid[UUID_TEXT_SIZE];

	row.uuid = uuid_random_text(uuid);
	row.protocol = console->protocol == XENOPS_CONSOLE_PROTOCOL_RFB
		? XENAPI_CONSOLE_PROTOCOL_RFB
		: XENAPI_CONSOLE_PROTOCOL_VT100;
	auto_str location =
		xasprintf("https://%s/console?uuid=%s", host ? host->address : "127.0.0.1", uuid);
	row.location = location;
	row.VM = vm;
	row.port = console->port ? *console->port : -1;
	return db_create(console, &row, NULL);
}

/* A console is told from another by its protocol; a VM has at most one of each. */
static struct err *note_consoles(const char *ref, const struct xenops_console_list *now)
{
	auto_arena arena = {0};
	struct string_list rows;

	codec_copy(&type_list_string, &((const struct xenapi_vm *)db_find(vm, ref))->consoles,
		&arena, &rows);
	for (size_t i = 0; i < rows.n; i++) {
		const struct xenapi_console *row = db_find(console, rows.v[i]);
		size_t j = 0;

		while (j < now->n && !is_of(row, &now->v[j]))
			j++;
		if (j == now->n)
			TRY(db_delete(console, rows.v[i]));
		else
			TRY(db_write(
				console, rows.v[i], port, now->v[j].port ? *now->v[j].port : -1));
	}
	for (size_t j = 0; j < now->n; j++) {
		size_t i = 0;

		while (i < rows.n &&
			!(db_find(console, rows.v[i]) &&
				is_of(db_find(console, rows.v[i]), &now->v[j])))
			i++;
		if (i == rows.n)
			TRY(add_console(ref, &now->v[j]));
	}
	return NULL;
}

/* ---- metrics ---- */

static struct err *note_numa(const char *metrics, const struct xenops_vm_state *state)
{
	auto_arena arena = {0};
	struct int_map memory = {0};
	size_t n = state->numa_node_memory_bytes.n;

	memory.v = arena_calloc(&arena, n, sizeof(*memory.v));
	for (memory.n = 0; memory.n < n; memory.n++)
		memory.v[memory.n] = (struct int_map_entry){arena_printf(&arena, "%zu", memory.n),
			state->numa_node_memory_bytes.v[memory.n]};
	TRY(db_write(vm_metrics, metrics, numa_optimised, state->numa_optimised));
	TRY(db_write(vm_metrics, metrics, numa_nodes, state->numa_nodes));
	return db_write(vm_metrics, metrics, numa_node_memory, memory);
}

static struct err *note_metrics(const char *ref, const struct xenops_vm_state *state)
{
	const struct xenapi_vm *vm = db_find(vm, ref);
	const char *metrics = vm->metrics;
	enum xenapi_domain_type type = domain_type(state->domain_type);

	if (!db_find(vm_metrics, metrics))
		return NULL;
	TRY(db_write(vm_metrics, metrics, memory_actual, state->memory_actual_bytes));
	TRY(db_write(vm_metrics, metrics, VCPUs_number, state->vcpus));
	TRY(db_write(vm_metrics, metrics, hvm, type == XENAPI_DOMAIN_TYPE_HVM));
	TRY(db_write(vm_metrics, metrics, nested_virt, state->nested_virt));
	TRY(db_write(vm_metrics, metrics, nomigrate, state->nomigrate));
	TRY(db_write(vm_metrics, metrics, current_domain_type, type));
	TRY(db_write(vm_metrics, metrics, last_updated, clock_real_ns() / NS_PER_S));
	if (state->last_start)
		TRY(db_write(vm_metrics, metrics, start_time, *state->last_start));
	return note_numa(metrics, state);
}

/* ---- the VM ---- */

static struct err *note_running(const char *ref, const struct xenops_vm_stat *stat)
{
	const struct xenops_vm_state *state = &stat->state;
	const struct xenapi_vm *vm = db_find(vm, ref);
	int64_t domid = state->domids.n ? state->domids.v[state->domids.n - 1] : -1;
	enum xenapi_vm_power_state power = power_state(state->power_state);
	bool changed = vm->power_state != power || vm->domid != domid;

	TRY(db_write(vm, ref, power_state, power));
	TRY(db_write(vm, ref, domid, domid));
	TRY(db_write(vm, ref, resident_on, host_here()));
	TRY(db_write(vm, ref, scheduled_to_be_resident_on, REF_NULL));
	TRY(db_write(vm, ref, memory_target, state->memory_target_bytes));
	TRY(note_consoles(ref, &state->consoles));
	TRY(note_metrics(ref, state));
	bool guest_changed = false;
	TRY(guest_note(ref, state, &guest_changed));
	if (changed || guest_changed)
		rules_vm_changed(ref);
	return NULL;
}

/* Suspended: it is nowhere, and what it has stays its own. */
static struct err *note_suspended(const char *ref)
{
	static const struct xenops_console_list none;

	TRY(db_write(vm, ref, power_state, XENAPI_VM_POWER_STATE_SUSPENDED));
	TRY(db_write(vm, ref, domid, -1));
	TRY(db_write(vm, ref, resident_on, REF_NULL));
	TRY(db_write(vm, ref, scheduled_to_be_resident_on, REF_NULL));
	TRY(note_consoles(ref, &none));
	rules_vm_changed(ref);
	return NULL;
}

struct err *vm_state_note(const char *ref, const struct xenops_vm_stat *stat)
{
	switch (stat->state.power_state) {
	case XENOPS_POWER_STATE_HALTED:
		return vm_state_halted(ref);
	case XENOPS_POWER_STATE_SUSPENDED:
		return note_suspended(ref);
	case XENOPS_POWER_STATE_RUNNING:
	case XENOPS_POWER_STATE_PAUSED:
		return note_running(ref, stat);
	}
	__builtin_unreachable();
}

static struct err *detach_devices(const struct xenapi_vm *vm)
{
	for (size_t i = 0; i < vm->VBDs.n; i++) {
		TRY(db_write(vbd, vm->VBDs.v[i], currently_attached, false));
		TRY(db_write(vbd, vm->VBDs.v[i], reserved, false));
	}
	for (size_t i = 0; i < vm->VIFs.n; i++) {
		TRY(db_write(vif, vm->VIFs.v[i], currently_attached, false));
		TRY(db_write(vif, vm->VIFs.v[i], reserved, false));
	}
	for (size_t i = 0; i < vm->VUSBs.n; i++)
		TRY(vusb_state_note(vm->VUSBs.v[i], false));
	return NULL;
}

struct err *vm_state_halted(const char *ref)
{
	static const struct xenops_console_list none;
	const struct xenapi_vm *vm = db_find(vm, ref);

	if (!vm)
		return NULL;
	TRY(detach_devices(vm));
	TRY(db_write(vm, ref, power_state, XENAPI_VM_POWER_STATE_HALTED));
	TRY(db_write(vm, ref, domid, -1));
	TRY(db_write(vm, ref, resident_on, REF_NULL));
	TRY(db_write(vm, ref, scheduled_to_be_resident_on, REF_NULL));
	TRY(db_write(vm, ref, requires_reboot, false));
	if (db_find(vm_metrics, vm->metrics))
		TRY(db_write(vm_metrics, vm->metrics, current_domain_type,
			XENAPI_DOMAIN_TYPE_UNSPECIFIED));
	TRY(note_consoles(ref, &none));
	rules_vm_changed(ref);
	return NULL;
}

/* ---- devices ---- */

/* The VDI that a plugged drive has in it, as far as it is ours; a CD may have been changed. */
static struct err *note_medium(const char *ref, const struct xenops_disk *backend)
{
	const struct xenapi_vbd *vbd = db_find(vbd, ref);

	if (!backend) {
		if (vbd->type != XENAPI_VBD_TYPE_CD)
			return NULL;
		TRY(db_write(vbd, ref, empty, true));
		return db_write(vbd, ref, VDI, REF_NULL);
	}
	if (backend->kind != XENOPS_DISK_VDI)
		return NULL;
	const struct xenapi_sr *sr = db_find(sr, db_find_uuid(sr, backend->vdi.sr));
	for (size_t i = 0; sr && i < sr->VDIs.n; i++) {
		const struct xenapi_vdi *vdi = db_find(vdi, sr->VDIs.v[i]);

		if (strcmp(vdi->location, backend->vdi.vdi))
			continue;
		TRY(db_write(vbd, ref, VDI, sr->VDIs.v[i]));
		return db_write(vbd, ref, empty, false);
	}
	return NULL;
}

struct err *vbd_state_note(const char *ref, const struct xenops_vbd_stat *stat)
{
	const struct xenapi_vbd *vbd = db_find(vbd, ref);
	bool is_attached = stat->state.plugged || stat->state.active;

	if (!vbd)
		return NULL;
	bool changed = vbd->currently_attached != is_attached;
	TRY(db_write(vbd, ref, currently_attached, is_attached));
	if (stat->vbd.position)
		TRY(db_write(vbd, ref, device, stat->vbd.position));
	if (stat->state.plugged) {
		const char *before = vbd->VDI;
		TRY(note_medium(ref, stat->state.backend));
		changed |= strcmp(before, ((const struct xenapi_vbd *)db_find(vbd, ref))->VDI) != 0;
	}
	if (changed)
		op_list(&vbd_rules, ref);
	return NULL;
}

struct err *vif_state_note(const char *ref, const struct xenops_vif_stat *stat)
{
	const struct xenapi_vif *vif = db_find(vif, ref);
	bool is_attached = stat->state.plugged || stat->state.active;

	if (!vif || vif->currently_attached == is_attached)
		return NULL;
	TRY(db_write(vif, ref, currently_attached, is_attached));
	op_list(&vif_rules, ref);
	return NULL;
}
