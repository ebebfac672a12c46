/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a hypervisor must be able to do: a table of functions. One backend serves a running xenopsd:
 * the shared object LIBDIR/xenith/xenopsd/NAME.so, which defines `xenopsd_backend` and may call
 * whatever common/ and the headers of xenopsd/ declare (the program exports it).
 *
 * All functions run in fibers on the loop thread, and all but those that are marked may wait; what
 * blocks in a library goes by offload(). The plans (plan.h) call them, one at a time for a VM (but
 * for devices, which are plugged in parallel); `look`, `stat` and `figures` come at any time.
 * A member that is NULL is Unimplemented.
 *
 * What a function has begun and could not end it undoes itself. What it has done is undone by the
 * plan with the function that is named below; these do nothing, without an error, where there is
 * nothing to undo, for they also clean up after a xenopsd that was killed at any moment.
 *
 * A backend keeps nothing about a running VM in memory alone: after a restart of xenopsd, `begin`
 * finds its domains again (from the hypervisor, or from files "backend.*" in vm->dir).
 */
#ifndef XENITH_XENOPSD_BACKEND_H
#define XENITH_XENOPSD_BACKEND_H

#include "common/err.h"
#include "common/task.h"
#include "storage.gen.h"
#include "xenops.gen.h"
#include "xenopsd/vm.h"

/* How a guest ended, or is asked to. */
enum guest_end {
	GUEST_RUNS,
	GUEST_HALTED,
	GUEST_REBOOTED,
	GUEST_CRASHED,
	GUEST_SUSPENDED,
	GUEST_SOFT_REBOOTED,
};

/* What xenopsd must know to decide what to do; cheap to tell. */
struct domain_look {
	bool is_there; /* there is a domain, of whatever state */
	int domid; /* of the domain */
	bool is_paused; /* its VCPUs stand still, because we want so */
	enum guest_end end; /* other than GUEST_RUNS: the domain is there, the guest runs no more */
};

/* The host's sides of a VIF: what networkd puts on the bridge. */
struct vif_interfaces {
	const char *names[2]; /* "vif3.0", "tap3.0" */
	size_t n;
};

struct image;

/* What a VM has of the host's memory, and what it was told to have. */
struct vm_memory {
	const char *vm;
	int64_t actual_bytes, target_bytes;
	bool can_balloon; /* its guest runs: what it is told may change what it has */
};

/* Where the host's memory is at one moment. */
struct memory_now {
	int64_t free_bytes;
	struct vm_memory *vms; /* all that have a domain */
	size_t n;
};

struct backend_ops {
	const char *name; /* "simulator" */
	const char *version; /* XENITH_VERSION: one of another build is refused */
	/* A guest that reboots sooner after its start waits before it is started anew. */
	int64_t short_run_ns;

	/* ---- the backend itself ---- */

	/* Before xenopsd's socket opens; the VMs that are known are in `vms`. From now on it tells
	 * of changes (backend_changed). An error ends xenopsd. */
	MAY_WAIT struct err *(*begin)(void);
	/* xenopsd ends in an orderly way, guests go on. Fibers end by SHUTTING_DOWN after it. NULL:
	 * nothing to do. */
	MAY_WAIT void (*stop)(void);
	/* Frees what begin got to. Must not wait. */
	void (*end)(void);
	/* Frees vm->own: the VM is removed, or xenopsd ends. Must not wait. NULL: there is none. */
	void (*vm_forget)(struct vm *vm);
	/* Before each atom of a plan, those of smd and networkd too, and before each undoing (its
	 * name then begins with "undo-"): an error fails the atom. For tests; NULL elsewhere. */
	MAY_WAIT struct err *(*before_atom)(const char *atom, const struct vm *vm);

	/* ---- the host ---- */

	MAY_WAIT struct err *(*host_stat)(struct arena *a, struct xenops_host_stat *out);
	/* reserved_bytes is xenopsd's to fill. */
	MAY_WAIT struct err *(*host_memory)(struct xenops_host_memory *out);
	/* For who balances memory. NULL: it cannot be; each VM then has its dynamic max. */
	MAY_WAIT struct err *(*memory_now)(struct arena *a, struct memory_now *out);
	MAY_WAIT struct err *(*host_dmesg)(bool clear, struct arena *a, const char **out);
	MAY_WAIT struct err *(*host_debug_keys)(const char *keys);
	/* Domains that are made from now on are put on nodes so; NULL: as the backend likes. */
	MAY_WAIT struct err *(*host_set_numa_policy)(const enum xenops_numa_policy *policy);
	/* The counters of every running VM. */
	MAY_WAIT struct err *(*figures)(struct arena *a, struct xenops_figures *out);

	/* ---- a VM's domain ---- */

	MAY_WAIT struct err *(*vm_look)(struct vm *vm, struct domain_look *out);
	/* All about a VM that is up. OUT has its defaults; power_state, last_start and what is as
	 * the config has it are xenopsd's to fill. */
	MAY_WAIT struct err *(*vm_stat)(
		struct vm *vm, struct arena *a, struct xenops_vm_state *out);
	/* Both at once, where that asks less; OUT is left alone if there is nothing to tell. NULL:
	 * they are called one after the other. */
	MAY_WAIT struct err *(*vm_look_and_stat)(struct vm *vm, struct domain_look *look,
		struct arena *a, struct xenops_vm_state *out);

	/* Bytes of the host that the VM takes when it is started with so many for the guest, all
	 * overhead included. A backend that starts guests with all that they may ever have tells
	 * that. Must not wait. NULL: BYTES. */
	int64_t (*vm_memory_bytes)(const struct vm *vm, int64_t bytes);
	/* Makes an empty domain, paused. Undone by vm_destroy. */
	MAY_WAIT struct err *(*vm_create)(struct vm *vm, int *domid);
	/* Gives it its memory (vm->build_bytes), VCPUs and firmware or kernel. TASK may be NULL,
	 * here and below: progress goes there. Undone by vm_destroy. */
	MAY_WAIT struct err *(*vm_build)(struct vm *vm, struct task *task);
	/* Starts what emulates the machine; the devices that are to be there were plugged before
	 * it, cold. A backend whose guest comes to be in here only keeps a note in vm_create and
	 * the plugs. NULL: nothing to do. Undone by vm_stop_device_model. */
	MAY_WAIT struct err *(*vm_start_device_model)(struct vm *vm);
	MAY_WAIT struct err *(*vm_stop_device_model)(struct vm *vm);
	/* Pulls the plug: nothing is left of the domain, its device model and its consoles. */
	MAY_WAIT struct err *(*vm_destroy)(struct vm *vm);

	MAY_WAIT struct err *(*vm_pause)(struct vm *vm);
	MAY_WAIT struct err *(*vm_unpause)(struct vm *vm);
	/* Asks the guest to end like this and waits until it took notice:
	 * Failed_to_acknowledge_shutdown_request (or …_suspend_request) at the deadline. That it
	 * has ended is told by backend_changed and vm_look. */
	MAY_WAIT struct err *(*vm_request_end)(struct vm *vm, enum guest_end how, int64_t deadline);

	MAY_WAIT struct err *(*vm_set_vcpus)(struct vm *vm, int64_t vcpus);
	/* What the balloon driver is to make of its memory. Comes at any time. */
	MAY_WAIT struct err *(*vm_set_memory_target)(struct vm *vm, int64_t bytes);
	MAY_WAIT struct err *(*vm_set_shadow_multiplier)(struct vm *vm, double multiplier);
	/* As vm->config says now. */
	MAY_WAIT struct err *(*vm_set_xenstore_data)(struct vm *vm);
	MAY_WAIT struct err *(*vm_request_rdp)(struct vm *vm, bool enabled);
	MAY_WAIT struct err *(*vm_run_script)(struct vm *vm, const char *script, struct arena *a,
		struct xenops_script_result *out);

	/* Of a migration: writes the memory of a guest that runs into the image, round after round
	 * what it has changed meanwhile, until that is little; vm_save then writes the rest, and
	 * vm_restore reads all of it, before the disks are there. NULL: its guests do not
	 * migrate. */
	MAY_WAIT struct err *(*vm_save_running)(struct vm *vm, struct image *image);
	/* Writes the guest, which has suspended, into the image (image.h). The domain stays. */
	MAY_WAIT struct err *(*vm_save)(struct vm *vm, struct image *image);
	/* In the place of vm_build, from such an image, which it may keep until the device model
	 * has started; by then it has been read to its end. Undone by vm_destroy. */
	MAY_WAIT struct err *(*vm_restore)(struct vm *vm, struct image *image);
	/* Lets a domain go on that was asked to suspend, and may have, and have been saved. */
	MAY_WAIT struct err *(*vm_fast_resume)(struct vm *vm);

	/* What the guest's agent may do, by key, in the place of what it was told before. */
	MAY_WAIT struct err *(*vm_set_agent_features)(struct vm *vm, const struct string_map *keys);
	/* Asks the guest to sleep in memory and waits until it does:
	 * Failed_to_acknowledge_suspend_request at the deadline. One that sleeps is no error, nor
	 * is one that is awake for vm_s3resume. */
	MAY_WAIT struct err *(*vm_s3suspend)(struct vm *vm, int64_t deadline);
	MAY_WAIT struct err *(*vm_s3resume)(struct vm *vm);
	/* The kernel that the guest has loaded takes the place of the one that ran, in the same
	 * domain, which has no devices now and is paused afterwards. Undone by vm_destroy. */
	MAY_WAIT struct err *(*vm_soft_reset)(struct vm *vm);
	/* Writes the memory of a guest that has crashed to a file of this path. */
	MAY_WAIT struct err *(*vm_coredump)(struct vm *vm, const char *path);

	/* ---- drives ---- */

	/* Gives the drive to the guest, or to the domain that is being made. WAYS: how its bytes
	 * can be reached, best first; none: the drive is empty. Undone by vbd_unplug. */
	MAY_WAIT struct err *(*vbd_plug)(struct vm *vm, const struct device *vbd,
		const struct storage_implementation_list *ways);
	/* Device_detach_rejected when the guest does not let go; FORCE: it is not asked. What a
	 * kill has left of half a plug or unplug goes too, and nothing left is no error. */
	MAY_WAIT struct err *(*vbd_unplug)(struct vm *vm, const struct device *vbd, bool force);
	MAY_WAIT struct err *(*vbd_insert)(struct vm *vm, const struct device *vbd,
		const struct storage_implementation_list *ways);
	MAY_WAIT struct err *(*vbd_eject)(struct vm *vm, const struct device *vbd);
	/* Whole, and not on its way out. */
	MAY_WAIT struct err *(*vbd_is_plugged)(struct vm *vm, const struct device *vbd, bool *out);

	/* The file that the guest writes to when it writes to the drive. */
	MAY_WAIT struct err *(*vbd_file)(
		struct vm *vm, const struct device *vbd, struct arena *a, const char **out);
	/* What the guest writes to these drives goes to the first of their `ways` from now on: an
	 * image, empty until then, of which the file that it has now is the backing file. All at
	 * the same moment if it can be. What is there already is left as it is. What fails may
	 * have been done. NULL, as the one before: Unimplemented. */
	MAY_WAIT struct err *(*vbds_move)(struct vm *vm, struct device *const *vbds, size_t n);

	/* As vbd->vbd says now. */
	MAY_WAIT struct err *(*vbd_set_qos)(struct vm *vm, const struct device *vbd);

	/* ---- network interfaces ---- */

	/* Makes the host's side and gives the other to the guest, or to the domain that is being
	 * made; the bridge is networkd's. Undone by vif_unplug. */
	MAY_WAIT struct err *(*vif_plug)(struct vm *vm, const struct device *vif);
	MAY_WAIT struct err *(*vif_unplug)(struct vm *vm, const struct device *vif, bool force);
	/* The host's sides, when the device model has started; the first is VIF.stat's `device`.
	 * None: it is not plugged. */
	MAY_WAIT struct err *(*vif_interfaces)(struct vm *vm, const struct device *vif,
		struct arena *a, struct vif_interfaces *out);
	/* As vif->vif says now; a plugged one is told so by vif_plug. */
	MAY_WAIT struct err *(*vif_set_carrier)(struct vm *vm, const struct device *vif);
	MAY_WAIT struct err *(*vif_set_addresses)(struct vm *vm, const struct device *vif);
	MAY_WAIT struct err *(*vif_set_pvs_proxy)(struct vm *vm, const struct device *vif);

	/* ---- PCI, graphics and USB ---- */

	MAY_WAIT struct err *(*pci_plug)(struct vm *vm, const struct device *pci);
	MAY_WAIT struct err *(*pci_unplug)(struct vm *vm, const struct device *pci);
	MAY_WAIT struct err *(*pci_is_plugged)(struct vm *vm, const struct device *pci, bool *out);
	/* The host may use the device again that a guest had. */
	MAY_WAIT struct err *(*pci_dequarantine)(const char *address);
	/* Given before the device model starts, and taken after it has ended. */
	MAY_WAIT struct err *(*vgpu_plug)(struct vm *vm, const struct device *vgpu);
	MAY_WAIT struct err *(*vgpu_unplug)(struct vm *vm, const struct device *vgpu);
	MAY_WAIT struct err *(*vgpu_is_plugged)(
		struct vm *vm, const struct device *vgpu, bool *out);
	MAY_WAIT struct err *(*vusb_plug)(struct vm *vm, const struct device *vusb);
	MAY_WAIT struct err *(*vusb_unplug)(struct vm *vm, const struct device *vusb);
	MAY_WAIT struct err *(*vusb_is_plugged)(
		struct vm *vm, const struct device *vusb, bool *out);
};

/* What a backend's shared object defines. */
extern const struct backend_ops xenopsd_backend;

/* ---- what a backend calls ---- */

/*
 * The guest halted, rebooted or crashed, or something that stat shows has changed: watchers are
 * told, and vm_look is asked in the VM's turn. Fibers and the loop; repeats are folded; a VM that
 * is not known is passed over.
 */
void backend_changed(const char *vm_id);

#endif
