/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nouns of xenopsd: VMs and their devices, as they were added. How they are now is the
 * backend's to tell (backend.h); what must outlive the daemon is in files (store.h). Loop thread.
 *
 * A VM's queue (queue.h) sees to it that nothing here changes while an operation works on the VM.
 * Who only looks, outside of the queue, must not keep a pointer over a wait.
 */
#ifndef XENITH_XENOPSD_VM_H
#define XENITH_XENOPSD_VM_H

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/map.h"
#include "common/vec.h"
#include "xenops.gen.h"

enum device_class { DEVICE_VBD, DEVICE_VIF, DEVICE_PCI, DEVICE_VGPU, DEVICE_VUSB };
#define N_DEVICE_CLASSES 5

/* What the classes differ in. Each config record begins with the device's id. */
struct device_class_spec {
	const char *class; /* of updates and errors: "vbd"; its file begins so too */
	const struct type *type; /* of the config */
};
extern const struct device_class_spec device_classes[N_DEVICE_CLASSES];

struct vm;

/* A VBD, VIF, PCI device, VGPU or VUSB. */
struct device {
	struct vm *vm;
	enum device_class class;
	const char *id; /* the VM's, "/", its name; part of the config */
	const char *name; /* "xvda", "0"; points into id */
	struct arena arena; /* of the config */
	union {
		struct xenops_vbd vbd;
		struct xenops_vif vif;
		struct xenops_pci pci;
		struct xenops_vgpu vgpu;
		struct xenops_vusb vusb;
	};
	bool is_active; /* it comes with the VM, now or when it starts; kept in its file */
};

/* What is halted or suspended has no domain; what was begun and not ended is repaired at the next
 * start of the daemon. Kept in the VM's file "state". */
enum vm_phase {
	VM_HALTED,
	VM_STARTING, /* killed here: is taken down */
	VM_UP, /* running or paused, as the backend says */
	VM_STOPPING, /* killed here: is taken down */
	VM_REBOOTING, /* killed here: is taken down, started and unpaused */
	VM_SUSPENDED,
};

struct vm {
	char *id; /* owned */
	char *dir; /* owned; its files' place. A backend's own ones begin with "backend." */
	struct arena arena; /* of the config, and replaced with it */
	struct xenops_vm config;
	vec_of(struct device *) devices; /* owned; in order of class, then of position and name */
	enum vm_phase phase;
	int domid; /* of its domain, or -1 */
	int64_t last_start_s; /* since 1970; 0: never */
	struct cond changed; /* the backend told of a change */
	struct list pending; /* of queue.c: what waits for its turn */
	struct list turn; /* of queue.c: in the line of VMs that have something to do */
	bool is_worked_on; /* of queue.c */
	void *own; /* the backend's, or NULL; freed by its vm_forget */
};

/* NULL: there is none. */
struct vm *vm_find(const char *id);
/* Does_not_exist where there is none. */
must_check struct err *vm_get(const char *id, struct vm **out);
/* By the device's whole id. Does_not_exist. */
must_check struct err *device_get(enum device_class class, const char *id, struct device **out);

/* Every VM, by id. */
extern struct map vms;

/* D counts the VM's devices of a class, in order of their position. */
#define vm_for_each(d, vm_, class_) \
	for (struct device *d = vm_device_from((vm_), (class_), NULL); d; \
		d = vm_device_from((vm_), (class_), d))

/* The first of a class (AFTER is NULL), or the one behind it; NULL: no more. */
struct device *vm_device_from(
	const struct vm *vm, enum device_class class, const struct device *after);

#endif
