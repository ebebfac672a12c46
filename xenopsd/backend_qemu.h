/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the qemu backend know of each other. Each running VM is a QEMU process, a
 * companion that outlives xenopsd, controlled by QMP. In the VM's folder:
 *
 *	backend.domid              there is a domain; its number
 *	backend.qemu.companion     the record of the process (companion.h)
 *	backend.qmp, .serial, .vnc its sockets: control, text console, screen
 *	backend.memory             the socket that a memory goes over
 *	backend.end                the guest has rebooted and is to be made anew
 *	backend.log                what QEMU complained of
 *
 * Fibers only.
 */
#ifndef XENITH_XENOPSD_BACKEND_QEMU_H
#define XENITH_XENOPSD_BACKEND_QEMU_H

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/json_value.h"
#include "common/map.h"
#include "xenopsd/backend.h"
#include "xenopsd/qmp.h"

struct companion;

/* ---- backend_qemu_machine.c: a VM's domain, and the QEMU that is it ---- */

/* A part of a machine that is not built yet: what -blockdev or -netdev, and -device, are to be
 * given. The texts are JSON and the same in QMP; owned. */
struct part {
	char *host; /* NULL: an empty drive */
	char *device;
};

struct machine {
	struct vm *vm;
	int domid; /* -1: there is no domain */
	struct companion *process; /* NULL: QEMU was not started, or was stopped */
	bool is_stopping; /* it is to be no more */
	struct qmp *qmp; /* NULL: no connection */
	struct mutex connecting;
	bool is_paused;
	enum guest_end end;
	enum guest_end wish; /* what the guest was asked for last */
	struct cond device_gone; /* the guest has let go of one */
	struct map parts; /* of struct part, by the id of the device, until QEMU starts */
	int64_t memory_target_bytes; /* of the balloon; 0: as it was started */
	int64_t memory_bytes; /* what the balloon left it, when last asked; 0: all */
	struct image *incoming; /* what the guest is to be, when QEMU starts; borrowed */
};

/* Before the first; finds the domains and their QEMUs of before a restart. */
MAY_WAIT must_check struct err *machines_begin(void);
void machines_end(void);
/* The VM's, made when it is first asked for. */
struct machine *machine_of(struct vm *vm);
void machine_free(struct machine *m);

MAY_WAIT must_check struct err *machine_create(struct machine *m);
MAY_WAIT must_check struct err *machine_start(struct machine *m);
MAY_WAIT must_check struct err *machine_stop(struct machine *m);
MAY_WAIT must_check struct err *machine_destroy(struct machine *m);
/* QEMU runs, whatever its guest does. */
bool machine_is_up(const struct machine *m);
/* One command; Domain_not_built while there is no QEMU. */
MAY_WAIT must_check struct err *machine_call(
	struct machine *m, const char *command, const char *arguments, json_t **result);
/* Whether QEMU has a device of this id, or will have it. */
MAY_WAIT must_check struct err *machine_has(struct machine *m, const char *id, bool *out);

/* Bytes that the guest has, as its balloon says. */
MAY_WAIT must_check struct err *machine_memory(struct machine *m, int64_t *out);
/* What is behind a device, and is added before and deleted after it. It is named "host-" and the
 * device's id. */
enum part_kind { PART_DRIVE, PART_NIC };
/* Adds a part, now or when QEMU starts; takes over both texts. */
MAY_WAIT must_check struct err *machine_add(
	struct machine *m, enum part_kind kind, const char *id, char *host, char *device);
/* Takes one away, with the guest's consent: Device_detach_rejected. */
MAY_WAIT must_check struct err *machine_remove(
	struct machine *m, enum part_kind kind, const struct device *device, const char *id);
/* Adds or deletes what is behind a device alone: for drives whose medium changes. */
MAY_WAIT must_check struct err *machine_add_host(
	struct machine *m, enum part_kind kind, const char *host);
MAY_WAIT must_check struct err *machine_remove_host(
	struct machine *m, enum part_kind kind, const char *id);

/* ---- backend_qemu_save.c: suspending ---- */

MAY_WAIT must_check struct err *qemu_suspend_guest(struct machine *m);
MAY_WAIT struct err *qemu_vm_coredump(struct vm *vm, const char *path);
MAY_WAIT struct err *qemu_vm_save(struct vm *vm, struct image *image);
MAY_WAIT struct err *qemu_vm_restore(struct vm *vm, struct image *image);
MAY_WAIT struct err *qemu_vm_fast_resume(struct vm *vm);
/* Gives a QEMU that waits for it what is incoming. */
MAY_WAIT must_check struct err *qemu_load(struct machine *m);

/* ---- backend_qemu_args.c ---- */

/* QEMU's arguments for the VM as it is configured, with its parts; NULL-terminated. Descriptors 3
 * and 4 are to be the listening sockets of QMP and the text console. */
const char **qemu_args(const struct machine *m, const char *program, bool use_kvm, struct arena *a);
/* Bytes of memory of the machine: whole MiB. */
int64_t qemu_memory_bytes(const struct xenops_vm *config);
/* Whether the machine has a screen. */
bool qemu_has_screen(const struct xenops_vm *config);

/* ---- backend_qemu_disk.c ---- */

MAY_WAIT struct err *qemu_vbd_plug(
	struct vm *vm, const struct device *vbd, const struct storage_implementation_list *ways);
MAY_WAIT struct err *qemu_vbd_unplug(struct vm *vm, const struct device *vbd, bool force);
MAY_WAIT struct err *qemu_vbd_insert(
	struct vm *vm, const struct device *vbd, const struct storage_implementation_list *ways);
MAY_WAIT struct err *qemu_vbd_eject(struct vm *vm, const struct device *vbd);
MAY_WAIT struct err *qemu_vbd_is_plugged(struct vm *vm, const struct device *vbd, bool *out);
/* The text for blockdev-add of what is behind a drive, for the caller to free; NULL: the drive is
 * empty. IS_ALONE: what is behind the image itself comes later. */
must_check struct err *qemu_host_text(const struct device *vbd, const char *node,
	const struct storage_implementation_list *ways, bool is_alone, char **out);
/* Whether QEMU's path of a device, or NULL, is that of our drive with this id, or of a part. */
bool qemu_is_drive(const char *qdev, const char *id);
/* "vbd-xvda"; INVALID_VALUE when the name cannot be one of QEMU's. */
must_check struct err *qemu_device_id(
	const struct device *device, struct arena *a, const char **out);

/* ---- backend_qemu_move.c: drives that go over to other images ---- */

MAY_WAIT struct err *qemu_vbd_file(
	struct vm *vm, const struct device *vbd, struct arena *a, const char **out);
MAY_WAIT struct err *qemu_vbds_move(struct vm *vm, struct device *const *vbds, size_t n);
/* Deletes what is behind a drive that was taken away and had gone over; nothing is no error. */
MAY_WAIT must_check struct err *qemu_drop_images(struct machine *m, const char *id);

/* ---- backend_qemu_nic.c ---- */

MAY_WAIT struct err *qemu_vif_plug(struct vm *vm, const struct device *vif);
MAY_WAIT struct err *qemu_vif_unplug(struct vm *vm, const struct device *vif, bool force);
MAY_WAIT struct err *qemu_vif_interfaces(
	struct vm *vm, const struct device *vif, struct arena *a, struct vif_interfaces *out);
MAY_WAIT struct err *qemu_vif_set_carrier(struct vm *vm, const struct device *vif);
/* Removes the taps of the domain that are left. */
MAY_WAIT must_check struct err *qemu_taps_remove(struct machine *m);
/* The name of the host's side, in the arena. */
const char *qemu_tap_name(const struct machine *m, const struct device *vif, struct arena *a);

/* ---- backend_qemu_host.c: the host, and what QEMU is here ---- */

/* The program; borrowed. */
MAY_WAIT must_check struct err *qemu_host_begin(void);
void qemu_host_end(void);
const char *qemu_program(void);
MAY_WAIT struct err *qemu_host_stat(struct arena *a, struct xenops_host_stat *out);
MAY_WAIT struct err *qemu_host_memory(struct xenops_host_memory *out);
struct memory_now;
MAY_WAIT struct err *qemu_memory_now(struct arena *a, struct memory_now *out);
MAY_WAIT struct err *qemu_host_dmesg(bool clear, struct arena *a, const char **out);

/* ---- backend_qemu_accel.c ---- */

/* Whether KVM runs guests here; tried once, with a guest, and remembered until the host boots. */
MAY_WAIT must_check struct err *qemu_can_use_kvm(bool *out);
/* Whether a guest runs; PATH: of a file for it. */
MAY_WAIT must_check struct err *qemu_probe(
	const char *accel, const char *cpu, const char *path, bool *out);
void qemu_accel_begin(void);
void qemu_accel_end(void);

/* ---- backend_qemu_figures.c ---- */

MAY_WAIT struct err *qemu_figures(struct arena *a, struct xenops_figures *out);

#endif
