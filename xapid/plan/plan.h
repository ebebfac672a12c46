/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The flows in several steps, one function each, straight-line, every step with its undo. A plan
 * begins its operation (rules/op.h), writes down what is to be, waits until that is durable, asks
 * the daemons, and notes what came of it. Messages check nothing that a plan does not.
 *
 * A plan runs in the fiber of the call C, whose task shows its progress and whose cancellation ends
 * it. References that are given live as long as the call.
 */
#ifndef XENITH_XAPID_PLAN_PLAN_H
#define XENITH_XAPID_PLAN_PLAN_H

#include "common/rpc.h"
#include "xapid/link/link.h"
#include "xapid/rules/op.h"

#include "xenapi.gen.h"
#include "xenops.gen.h"

/* ---- what plans are made of (step.c) ---- */

/* Operations of one plan on several objects; they end together. */
struct plan_ops {
	struct op *v; /* owned */
	size_t n, size;
};
void plan_ops_end(struct plan_ops *ops);
MAY_WAIT must_check struct err *plan_op(struct plan_ops *ops, const struct op_rules *rules,
	const char *ref, int what, struct call *c);

/* Everything that was written so far is durable: now somebody else may be told of it. */
MAY_WAIT must_check struct err *plan_commit(void);
/* Waits for a task of xenopsd for the VM, with its errors in words of the XenAPI. */
MAY_WAIT must_check struct err *plan_await_vm(
	const struct link_work *work, const char *task, const char *vm);
/* The same for a task of smd; OUT is of type RESULT (both NULL: none). */
MAY_WAIT must_check struct err *plan_await_storage(const struct link_work *work, const char *task,
	const struct type *result, struct arena *a, void *out);
/* Takes over E, what a plan for the VM ended with: what became of the VM is in the database before
 * the call is answered, whether it went well or not. */
MAY_WAIT must_check struct err *plan_with_state(struct err *e, const char *vm);
/* The deadline of a call of a daemon that is no task. */
int64_t plan_soon(void);

/* ---- VMs ---- */

struct plan_start {
	const char *vm, *host;
	enum xenapi_vm_operations op; /* start, start_on, resume, resume_on, or checkpoint */
	bool paused, force;
};
/* Of a halted VM, or of a suspended one, from its memory; that is used up then. */
MAY_WAIT must_check struct err *plan_vm_start(struct call *c, const struct plan_start *how);

/* Starts or shuts down the VMs of an appliance; OPERATION_PARTIALLY_FAILED when it could not all of
 * them. PAUSED: of a start. */
MAY_WAIT must_check struct err *plan_appliance(
	struct call *c, const char *ref, enum xenapi_vm_appliance_operation op, bool paused);
/* OP is clean_shutdown, hard_shutdown or shutdown (that is clean, and hard when it must be). */
MAY_WAIT must_check struct err *plan_vm_shutdown(
	struct call *c, const char *vm, enum xenapi_vm_operations op);
/* OP is clean_reboot or hard_reboot. */
MAY_WAIT must_check struct err *plan_vm_reboot(
	struct call *c, const char *vm, enum xenapi_vm_operations op);
MAY_WAIT must_check struct err *plan_vm_pause(struct call *c, const char *vm);
MAY_WAIT must_check struct err *plan_vm_unpause(struct call *c, const char *vm);
/* Moves a running VM from this host to another one. */
MAY_WAIT must_check struct err *plan_vm_migrate(struct call *c, const char *vm, const char *host);
/* Its VMs go to the hosts that suit them best, AT_ONCE of them at a time; 0: as many as xapid.conf
 * says. */
MAY_WAIT must_check struct err *plan_host_evacuate(
	struct call *c, const char *host, const struct string_list *vms, int64_t at_once);
/* At the other one: what is there of the VM is how it is. */
MAY_WAIT must_check struct err *plan_vm_arrived(const char *vm);
/* Writes a running VM's memory to a new VDI and takes it down. */
MAY_WAIT must_check struct err *plan_vm_suspend(struct call *c, const char *vm);
/* The same as a part of another operation on the VM, which is under way. */
MAY_WAIT must_check struct err *plan_vm_suspend_within(struct call *c, const char *vm);
/* A suspended VM's memory, or what is left of an older one, is of no use to anybody else: the VM
 * does not have it any more, and then the VDI goes. */
MAY_WAIT must_check struct err *plan_vm_drop_memory(struct call *c, const char *vm);

/* ---- guests that run (vm_guest.c) ---- */

/* It sleeps in memory, or wakes. */
MAY_WAIT must_check struct err *plan_vm_s3suspend(struct call *c, const char *vm);
MAY_WAIT must_check struct err *plan_vm_s3resume(struct call *c, const char *vm);
MAY_WAIT must_check struct err *plan_vm_set_vcpus(struct call *c, const char *vm, int64_t vcpus);
MAY_WAIT must_check struct err *plan_vm_set_shadow(
	struct call *c, const char *vm, double multiplier);
/* Its agent allows remote desktops, or no longer. */
MAY_WAIT must_check struct err *plan_vm_request_rdp(struct call *c, const char *vm, bool enabled);
/* Its agent runs a script; OUT is JSON with rc, stdout and stderr. */
MAY_WAIT must_check struct err *plan_vm_run_script(
	struct call *c, const char *vm, const char *script, const char **out);

/* What its agent is told of a VIF. */
struct plan_addresses {
	bool is_v6;
	const char *address; /* with its prefix length; "": the guest sees to it */
	const char *gateway; /* "": none */
};
/* Tells it, where the VIF is plugged. */
MAY_WAIT must_check struct err *plan_vif_configure(
	struct call *c, const char *vif, const struct plan_addresses *how);

/* ---- copies of VMs ---- */

/* A VM or template again, under another name, with disks of its own. */
struct plan_clone {
	const char *vm, *name;
	enum xenapi_vm_operations op; /* clone, copy, snapshot or checkpoint */
	const char *sr; /* where copies go; REF_NULL: each beside its original */
	struct string_list without; /* VDIs whose drives the new VM does not have */
};
MAY_WAIT must_check struct err *plan_vm_clone(
	struct call *c, const struct plan_clone *how, const char **out);
/* The same where the operation is under way. */
MAY_WAIT must_check struct err *plan_vm_clone_within(
	struct call *c, const struct plan_clone *how, const char **out);
/* A snapshot with the memory of the guest, which runs or is suspended. */
MAY_WAIT must_check struct err *plan_vm_checkpoint(
	struct call *c, const char *vm, const char *name, const char **out);
/* The programs that emulate a running VM's machine are started anew; the guest goes on. */
MAY_WAIT must_check struct err *plan_vm_restart_models(struct call *c, const char *vm);
/* The VM of a snapshot becomes what it was then. */
MAY_WAIT must_check struct err *plan_vm_revert(struct call *c, const char *snapshot);
/* Makes the disks that the template asks for; it is a VM afterwards. */
MAY_WAIT must_check struct err *plan_vm_provision(struct call *c, const char *vm);
MAY_WAIT must_check struct err *plan_vm_destroy(struct call *c, const char *vm);

/* All that xenopsd has to know of a VM or a device, from the database; in the arena. */
must_check struct err *plan_metadata(const char *vm, struct arena *a, struct xenops_metadata *out);
must_check struct err *plan_metadata_vbd(const char *vbd, struct arena *a, struct xenops_vbd *out);
must_check struct err *plan_metadata_vif(const char *vif, struct arena *a, struct xenops_vif *out);
/* VM_REQUIRES_VUSB when no device of its group is free here. */
must_check struct err *plan_metadata_vusb(
	const char *vusb, struct arena *a, struct xenops_vusb *out);

/* ---- devices ---- */

MAY_WAIT must_check struct err *plan_vbd_plug(struct call *c, const char *vbd);
MAY_WAIT must_check struct err *plan_vbd_unplug(struct call *c, const char *vbd, bool force);
MAY_WAIT must_check struct err *plan_vbd_insert(struct call *c, const char *vbd, const char *vdi);
MAY_WAIT must_check struct err *plan_vbd_eject(struct call *c, const char *vbd);
MAY_WAIT must_check struct err *plan_vif_plug(struct call *c, const char *vif);
MAY_WAIT must_check struct err *plan_vif_unplug(struct call *c, const char *vif, bool force);
/* To another network, a running guest's too. */
MAY_WAIT must_check struct err *plan_vif_move(struct call *c, const char *vif, const char *network);
/* The database says what the guest may send through it, or which VLANs it has: so it is, where the
 * VIF is plugged. */
MAY_WAIT must_check struct err *plan_vif_lock(struct call *c, const char *vif);
MAY_WAIT must_check struct err *plan_vif_trunk(struct call *c, const char *vif);

/* A USB device goes back to the host. */
MAY_WAIT must_check struct err *plan_vusb_unplug(struct call *c, const char *vusb);

/* ---- networks ---- */

/* The bridge of a network is there on this host. */
MAY_WAIT must_check struct err *plan_network_attach(const char *network);
/* The bridge of a network goes; one that is not there is fine. */
MAY_WAIT must_check struct err *plan_network_detach(const char *network);
MAY_WAIT must_check struct err *plan_pif_plug(const char *pif);
MAY_WAIT must_check struct err *plan_pif_unplug(const char *pif);

/* ---- storage ---- */

/* Makes a VDI as a client asks for it. */
MAY_WAIT must_check struct err *plan_vdi_create(
	struct call *c, const struct xenapi_vdi *what, const char **out);
MAY_WAIT must_check struct err *plan_vdi_destroy(struct call *c, const char *vdi);
/* OP is clone or snapshot; the name is that of the original. A guest that writes to it goes on. */
MAY_WAIT must_check struct err *plan_vdi_clone(
	struct call *c, const char *vdi, enum xenapi_vdi_operations op, const char **out);
/* The same of what was frozen already (freeze.h); NULL: nobody writes to it. */
MAY_WAIT must_check struct err *plan_vdi_clone_frozen(struct call *c, const char *vdi,
	enum xenapi_vdi_operations op, const char *frozen, const char **out);
/* Into another SR, or the same (SR is REF_NULL). */
MAY_WAIT must_check struct err *plan_vdi_copy(
	struct call *c, const char *vdi, const char *sr, const char **out);
/* OP is resize or resize_online. */
MAY_WAIT must_check struct err *plan_vdi_resize(
	struct call *c, const char *vdi, int64_t size, enum xenapi_vdi_operations op);

/* Bytes that somebody sends: READ gives some more, *N 0 at their end; they live until it is called
 * again. */
struct plan_bytes {
	MAY_WAIT struct err *(*read)(void *arg, const char **bytes, size_t *n);
	void *arg;
	uint64_t length;
};
/* They become the contents of the VDI from its beginning on, without what is zero taking room. The
 * call has a task, and is not about the VDI's other operations. */
MAY_WAIT must_check struct err *plan_vdi_write(
	struct call *c, const char *vdi, const struct plan_bytes *from);

/* An SR with a PBD for the host, plugged. */
struct plan_sr {
	const char *host;
	struct string_map device_config;
	int64_t physical_size;
	const char *name_label, *name_description, *type, *content_type;
	bool shared;
	struct string_map sm_config;
};
MAY_WAIT must_check struct err *plan_sr_create(
	struct call *c, const struct plan_sr *what, const char **out);
MAY_WAIT must_check struct err *plan_sr_destroy(struct call *c, const char *sr);
/* Its row goes, with those of its VDIs and PBDs. */
must_check struct err *plan_sr_delete_rows(const char *sr);
/* The VDIs of the database are those that are there. */
MAY_WAIT must_check struct err *plan_sr_scan(struct call *c, const char *sr);
MAY_WAIT must_check struct err *plan_pbd_plug(struct call *c, const char *pbd);
MAY_WAIT must_check struct err *plan_pbd_unplug(struct call *c, const char *pbd);

#endif
