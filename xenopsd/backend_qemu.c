/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backend (backend.h) that runs each VM as a QEMU of its own, on KVM where that truly works and
 * in software elsewhere. Read on in backend_qemu_machine.c.
 */
#include "xenopsd/backend_qemu.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/version.h"
#include "core.gen.h"
#include "xenopsd/backend.h"

#define PRESS_EACH (3 * NS_PER_S)

static MAY_WAIT struct err *begin(void)
{
	qemu_accel_begin();
	TRY(qemu_host_begin());
	return machines_begin();
}

static void end(void)
{
	machines_end();
	qemu_host_end();
	qemu_accel_end();
}

static void vm_forget(struct vm *vm)
{
	machine_free(take(vm->own));
}

/* ---- looking ---- */

static MAY_WAIT struct err *vm_look(struct vm *vm, struct domain_look *out)
{
	struct machine *m = machine_of(vm);

	*out = (struct domain_look){.is_there = m->domid >= 0};
	if (!out->is_there)
		return NULL;
	out->domid = m->domid;
	out->is_paused = m->is_paused;
	out->end = m->end;
	if (m->end == GUEST_RUNS && m->process && !machine_is_up(m))
		out->end = GUEST_CRASHED;
	return NULL;
}

static void add_consoles(const struct vm *vm, struct arena *a, struct xenops_vm_state *out)
{
	out->consoles.v = arena_calloc(a, 2, sizeof(*out->consoles.v));
	if (qemu_has_screen(&vm->config))
		out->consoles.v[out->consoles.n++] =
			(struct xenops_console){.protocol = XENOPS_CONSOLE_PROTOCOL_RFB,
				.path = arena_printf(a, "%s/backend.vnc", vm->dir)};
	out->consoles.v[out->consoles.n++] =
		(struct xenops_console){.protocol = XENOPS_CONSOLE_PROTOCOL_VT100,
			.path = arena_printf(a, "%s/backend.serial", vm->dir)};
}

/* QEMU dies this moment, and everything else can be told. Its sockets go before the process does:
 * who was not connected is refused. */
static bool is_of_a_dying_one(const struct err *e)
{
	return err_is(e, &ERR_CONNECTION_LOST) || err_is(e, &ERR_CONNECTION_REFUSED) ||
		err_is(e, &ERR_Domain_not_built);
}

/* The power button needs no agent in the guest, nor does its memory to be saved: what one would say
 * of them is said here. */
static void add_features(const struct vm *vm, struct arena *a, struct xenops_vm_state *out)
{
	static const struct string_map_entry acpi[] = {{"control/feature-poweroff", "1"},
		{"control/feature-reboot", "1"}, {"control/feature-suspend", "1"}};

	if (vm->config.guest.kind != XENOPS_GUEST_HVM)
		return;
	out->guest_agent.v = arena_calloc(a, ARRAY_LEN(acpi), sizeof(*acpi));
	memcpy(out->guest_agent.v, acpi, sizeof(acpi));
	out->guest_agent.n = ARRAY_LEN(acpi);
}

static MAY_WAIT struct err *vm_stat(struct vm *vm, struct arena *a, struct xenops_vm_state *out)
{
	struct machine *m = machine_of(vm);

	if (m->domid < 0)
		return err(Domain_not_built);
	out->domain_type = vm_domain_type(vm);
	out->vcpus = vm->config.vcpus;
	out->memory_limit_bytes = qemu_memory_bytes(&vm->config);
	out->memory_target_bytes = m->memory_target_bytes ? m->memory_target_bytes
							  : vm->config.memory_dynamic_max_bytes;
	out->memory_actual_bytes = 0;
	if (!machine_is_up(m))
		return NULL;
	add_consoles(vm, a, out);
	add_features(vm, a, out);
	auto_err e = machine_memory(m, &out->memory_actual_bytes);
	return is_of_a_dying_one(e) ? NULL : take(e);
}

/* ---- domains ---- */

/* What QEMU takes beside its guest: for its own code, and for translated code. */
#define OVERHEAD_BYTES ((int64_t)192 << 20)

/* QEMU has room for all that the guest may ever have. */
static int64_t vm_memory_bytes(const struct vm *vm, int64_t bytes)
{
	return qemu_memory_bytes(&vm->config) + OVERHEAD_BYTES;
}

static bool is_uefi(const struct xenops_guest *guest)
{
	return guest->kind == XENOPS_GUEST_HVM && guest->hvm.firmware.kind == XENOPS_FIRMWARE_UEFI;
}

static MAY_WAIT struct err *vm_create(struct vm *vm, int *domid)
{
	struct machine *m = machine_of(vm);

	if (is_uefi(&vm->config.guest))
		return err(Unimplemented, "UEFI firmware");
	TRY(machine_create(m));
	*domid = m->domid;
	return NULL;
}

/* QEMU does it when it starts. */
static MAY_WAIT struct err *vm_build(struct vm *vm, struct task *task)
{
	return NULL;
}

static MAY_WAIT struct err *vm_start_device_model(struct vm *vm)
{
	return machine_start(machine_of(vm));
}

static MAY_WAIT struct err *vm_stop_device_model(struct vm *vm)
{
	return machine_stop(machine_of(vm));
}

static MAY_WAIT struct err *vm_destroy(struct vm *vm)
{
	return machine_destroy(machine_of(vm));
}

static MAY_WAIT struct err *vm_pause(struct vm *vm)
{
	struct machine *m = machine_of(vm);

	TRY(machine_call(m, "stop", NULL, NULL));
	m->is_paused = true;
	return NULL;
}

static MAY_WAIT struct err *vm_unpause(struct vm *vm)
{
	struct machine *m = machine_of(vm);

	TRY(machine_call(m, "cont", NULL, NULL));
	m->is_paused = false;
	return NULL;
}

/* TIMEOUT: it runs on. */
static MAY_WAIT struct err *await_end(struct vm *vm, int64_t deadline)
{
	struct machine *m = machine_of(vm);

	while (machine_is_up(m) && m->end == GUEST_RUNS)
		TRY(cond_wait(&vm->changed, "for the guest to heed its button", deadline));
	return NULL;
}

/* The power button; what the guest does then it does by itself. A wish to reboot is remembered: the
 * guest halts, and is made anew. A guest that is still booting does not see the button, and nobody
 * tells whether it did: it is pressed again until the guest has ended, or had time to notice. */
static MAY_WAIT struct err *vm_request_end(struct vm *vm, enum guest_end how, int64_t deadline)
{
	struct machine *m = machine_of(vm);

	if (how == GUEST_SUSPENDED)
		return qemu_suspend_guest(m);
	if (how != GUEST_HALTED && how != GUEST_REBOOTED)
		return err(
			Unimplemented, "to ask a guest for more than to halt, reboot or suspend");
	m->wish = how;
	for (;;) {
		int64_t again = deadline_in(PRESS_EACH);

		TRY(machine_call(m, "system_powerdown", NULL, NULL));
		auto_err e = await_end(vm, again < deadline ? again : deadline);
		if (!e || !err_is(e, &ERR_TIMEOUT))
			return take(e);
		if (again >= deadline)
			return NULL;
	}
}

static MAY_WAIT struct err *vm_set_memory_target(struct vm *vm, int64_t bytes)
{
	struct machine *m = machine_of(vm);
	auto_str value = xasprintf("{\"value\":%lld}", (long long)bytes);

	TRY(machine_call(m, "balloon", value, NULL));
	m->memory_target_bytes = bytes;
	return NULL;
}

const struct backend_ops xenopsd_backend = {
	.name = "qemu",
	.version = XENITH_VERSION,
	.begin = begin,
	.end = end,
	.vm_forget = vm_forget,
	.host_stat = qemu_host_stat,
	.host_memory = qemu_host_memory,
	.memory_now = qemu_memory_now,
	.host_dmesg = qemu_host_dmesg,
	.figures = qemu_figures,
	.vm_look = vm_look,
	.vm_stat = vm_stat,
	.vm_memory_bytes = vm_memory_bytes,
	.vm_create = vm_create,
	.vm_build = vm_build,
	.vm_start_device_model = vm_start_device_model,
	.vm_stop_device_model = vm_stop_device_model,
	.vm_destroy = vm_destroy,
	.vm_pause = vm_pause,
	.vm_unpause = vm_unpause,
	.vm_request_end = vm_request_end,
	.vm_coredump = qemu_vm_coredump,
	.vm_save = qemu_vm_save,
	.vm_restore = qemu_vm_restore,
	.vm_fast_resume = qemu_vm_fast_resume,
	.vm_set_memory_target = vm_set_memory_target,
	.vbd_plug = qemu_vbd_plug,
	.vbd_unplug = qemu_vbd_unplug,
	.vbd_insert = qemu_vbd_insert,
	.vbd_eject = qemu_vbd_eject,
	.vbd_is_plugged = qemu_vbd_is_plugged,
	.vbd_file = qemu_vbd_file,
	.vbds_move = qemu_vbds_move,
	.vif_plug = qemu_vif_plug,
	.vif_unplug = qemu_vif_unplug,
	.vif_interfaces = qemu_vif_interfaces,
	.vif_set_carrier = qemu_vif_set_carrier,
};
