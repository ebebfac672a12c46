/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Repairs (repair.h), each in its VM's turn. A fiber a VM that needs it: so long as smd or networkd
 * does not answer, it comes back later, and in between the VM's other turns are served.
 */
#define LOG_MODULE "repair"
#include "xenopsd/repair.h"

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/add.h"
#include "xenopsd/backend.h"
#include "xenopsd/disk.h"
#include "xenopsd/files.h"
#include "xenopsd/nic.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/xenopsd.h"

#define FIRST_NS (NS_PER_S / 5)
#define LAST_NS  (30 * NS_PER_S)

/* What the backend has of it may be half of it. */
static MAY_WAIT struct err *unplug_rest(struct device *d)
{
	const struct backend_ops *backend = xenopsd.backend;

	if (d->class == DEVICE_VBD && backend->vbd_unplug)
		return backend->vbd_unplug(d->vm, d, true);
	if (d->class == DEVICE_VIF && backend->vif_unplug)
		return backend->vif_unplug(d->vm, d, true);
	if (d->class == DEVICE_PCI && backend->pci_unplug)
		return backend->pci_unplug(d->vm, d);
	if (d->class == DEVICE_VUSB && backend->vusb_unplug)
		return backend->vusb_unplug(d->vm, d);
	return NULL;
}

/* It was on its way in or out: what is left of it on this host goes. */
static MAY_WAIT struct err *take_back(struct device *d)
{
	log_info("vm=%s %s was on its way, and goes", d->vm->id, d->name);
	TRY(unplug_rest(d));
	if (d->class == DEVICE_VBD) {
		TRY(disk_detach(d));
		TRY(disk_epoch_end(d));
	}
	if (d->class == DEVICE_VIF)
		TRY(nic_unplug_all(d));
	d->is_active = d->is_changing = d->is_moving = d->must_go = false;
	return files_put_state(d->vm);
}

/* Its medium was on its way in or out: it goes. */
static MAY_WAIT struct err *empty_drive(struct device *vbd)
{
	struct xenops_vbd config = vbd->vbd;

	log_info("vm=%s the medium of %s was on its way, and goes", vbd->vm->id, vbd->name);
	if (xenopsd.backend->vbd_eject)
		TRY(xenopsd.backend->vbd_eject(vbd->vm, vbd));
	TRY(disk_detach(vbd));
	config.backend = NULL;
	TRY(change_device(vbd, &config));
	vbd->is_changing = false;
	return files_put_state(vbd->vm);
}

/* Its guest was on the way to another image: what smd has of the VDI decides. */
static MAY_WAIT struct err *end_move(struct device *vbd)
{
	log_info("vm=%s %s goes over to the image that smd has", vbd->vm->id, vbd->name);
	TRY(vbd_follow(vbd));
	vbd->is_moving = false;
	return files_put_state(vbd->vm);
}

#define TELL(member, device) \
	(xenopsd.backend->member ? xenopsd.backend->member((device)->vm, (device)) : NULL)

/* The guest has it, but it may not have reached its bridge, nor be as its config says. */
static MAY_WAIT struct err *make_vif_so(struct device *vif)
{
	auto_arena a = {0};
	struct vif_interfaces on_host;

	TRY(TELL(vif_set_carrier, vif));
	TRY(TELL(vif_set_addresses, vif));
	TRY(TELL(vif_set_pvs_proxy, vif));
	TRY(xenopsd.backend->vif_interfaces(vif->vm, vif, &a, &on_host));
	for (size_t i = 0; i < on_host.n; i++)
		TRY(nic_plug(vif, on_host.names[i]));
	return NULL;
}

struct err *repair_half_done(struct device *d)
{
	bool is_plugged;

	if (!d->is_active)
		return NULL;
	TRY(device_is_plugged(d, &is_plugged));
	if (!is_plugged || d->must_go)
		return take_back(d);
	return d->is_changing ? empty_drive(d) : NULL;
}

static MAY_WAIT struct err *repair_device(struct device *d)
{
	TRY(repair_half_done(d));
	if (!d->is_active)
		return NULL;
	if (d->class == DEVICE_VIF)
		return make_vif_so(d);
	if (d->is_moving)
		TRY(end_move(d));
	return d->class == DEVICE_VBD ? TELL(vbd_set_qos, d) : NULL;
}

static MAY_WAIT struct err *repair_devices(struct vm *vm)
{
	vec_for_each (i, &vm->devices)
		TRY(repair_device(vm->devices.v[i]));
	return NULL;
}

static MAY_WAIT struct err *tell_shadow_multiplier(struct vm *vm)
{
	if (!xenopsd.backend->vm_set_shadow_multiplier)
		return NULL;
	return xenopsd.backend->vm_set_shadow_multiplier(
		vm, vm->config.guest.hvm.shadow_multiplier);
}

/* A change of its config may not have reached the domain. */
static MAY_WAIT struct err *make_vm_so(struct vm *vm)
{
	auto_arena a = {0};
	struct xenops_vm_state state;

	codec_init_record(&xenops_type_vm_state, &a, &state);
	TRY(xenopsd.backend->vm_stat(vm, &a, &state));
	if (state.vcpus != vm->config.vcpus && xenopsd.backend->vm_set_vcpus)
		TRY(xenopsd.backend->vm_set_vcpus(vm, vm->config.vcpus));
	if (vm->config.guest.kind == XENOPS_GUEST_HVM &&
		state.shadow_multiplier != vm->config.guest.hvm.shadow_multiplier)
		TRY(tell_shadow_multiplier(vm));
	if (codec_equal(&type_map_string, &state.xenstore_data, &vm->config.xenstore_data))
		return NULL;
	return xenopsd.backend->vm_set_xenstore_data ? xenopsd.backend->vm_set_xenstore_data(vm)
						     : NULL;
}

static MAY_WAIT struct err *repair_up(struct vm *vm)
{
	if (vm->domid < 0)
		return vm_stop(vm, XENOPSD_HOOK_REASON_HARD_SHUTDOWN, NULL);
	TRY(disk_detach_image(vm));
	TRY(repair_devices(vm));
	TRY(make_vm_so(vm));
	/* The guest may have ended while nobody listened. */
	backend_changed(vm->id);
	return NULL;
}

/* One that goes on may have devices that are half done, too. VM may have gone to another host. */
static MAY_WAIT struct err *repair_settled(struct vm *vm)
{
	return vm->phase == XENOPSD_PHASE_UP && !vm->is_removed ? repair_up(vm) : NULL;
}

static MAY_WAIT struct err *repair(struct vm *vm)
{
	struct domain_look look;

	TRY(xenopsd.backend->vm_look(vm, &look));
	vm->domid = look.is_there ? look.domid : -1;
	switch (vm->phase) {
	case XENOPSD_PHASE_HALTED:
	case XENOPSD_PHASE_SUSPENDED:
		return NULL;
	case XENOPSD_PHASE_KEPT:
		return look.is_there ? repair_devices(vm) : vm_settle(vm);
	case XENOPSD_PHASE_UP:
		return repair_up(vm);
	case XENOPSD_PHASE_STARTING:
	case XENOPSD_PHASE_STOPPING:
		log_info("vm=%s is half done, and taken down", vm->id);
		return vm_stop(vm, XENOPSD_HOOK_REASON_NONE, NULL);
	case XENOPSD_PHASE_REBOOTING:
		log_info("vm=%s goes on with its reboot", vm->id);
		return vm_reboot(vm, XENOPSD_HOOK_REASON_NONE, NULL);
	case XENOPSD_PHASE_SUSPENDING:
	case XENOPSD_PHASE_SAVED:
	case XENOPSD_PHASE_RESUMING:
	case XENOPSD_PHASE_MIGRATING:
	case XENOPSD_PHASE_HANDED_OVER:
	case XENOPSD_PHASE_MIGRATED:
	case XENOPSD_PHASE_RECEIVING:
	case XENOPSD_PHASE_ARRIVED:
		TRY(vm_settle(vm));
		return repair_settled(vm);
	}
	return NULL;
}

/* OUT: whether there is no more to do. */
static MAY_WAIT struct err *try_once(const char *id, bool *out)
{
	AUTO(turn_end) struct turn turn = {0};

	TRY(turn_begin(&turn, id, "repair", TURN_WORK));
	turn.vm->is_repair_pending = true; /* nobody else need begin one */
	auto_err e = repair(turn.vm);
	if (turn.vm->is_removed) {
		*out = true; /* there is no more of it */
		return NULL;
	}
	if (err_is(e, &ERR_SHUTTING_DOWN))
		return take(e);
	if (e)
		log_err(LOG_WARN_, e, "vm=%s is not yet put right", id);
	*out = !e;
	turn.vm->is_repair_pending = e != NULL;
	vm_tell(turn.vm);
	return NULL;
}

static MAY_WAIT struct err *try_until_done(const char *id, int64_t wait_ns)
{
	bool is_done = false;

	for (;;) {
		TRY(fiber_sleep(wait_ns));
		TRY(try_once(id, &is_done));
		if (is_done)
			return NULL;
		wait_ns = wait_ns * 2 < LAST_NS ? wait_ns * 2 : LAST_NS;
	}
}

static MAY_WAIT void try_later(void *arg)
{
	auto_str id = arg;

	err_free(try_until_done(id, FIRST_NS));
}

void repair_later(struct vm *vm)
{
	if (vm->is_repair_pending)
		return;
	char *id = xstrdup(vm->id);
	struct err *e = fiber_spawn(NULL, try_later, id, "repair of vm %s", id);
	vm->is_repair_pending = !e;
	if (!e)
		return;
	log_err(LOG_ERROR_, e, "vm=%s stays half done", vm->id);
	err_free(e);
	free(id);
}

static MAY_WAIT void try_now(void *arg)
{
	auto_str id = arg;
	bool is_done = true;

	err_free(try_once(id, &is_done));
	if (!is_done)
		err_free(try_until_done(id, FIRST_NS));
}

MAY_WAIT struct err *repair_all(void)
{
	map_for_each (slot, &vms) {
		struct vm *vm = slot->value;

		if (vm->phase == XENOPSD_PHASE_HALTED || vm->phase == XENOPSD_PHASE_SUSPENDED)
			continue;
		char *id = xstrdup(vm->id);
		struct err *e = fiber_spawn(NULL, try_now, id, "repair of vm %s", id);
		if (e) {
			free(id);
			return e;
		}
	}
	return fiber_yield();
}

void repair_dump(struct json_writer *w)
{
	json_write_array(w);
	map_for_each (slot, &vms) {
		const struct vm *vm = slot->value;

		if (vm->is_repair_pending || vm->is_check_pending)
			json_write_string(w, vm->id);
	}
	json_write_array_end(w);
}
