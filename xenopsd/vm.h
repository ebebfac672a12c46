/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nouns of xenopsd: VMs and their devices, as they were added. How they are now is the
 * backend's to tell (backend.h); what must outlive the daemon is in files (files.h). Loop thread.
 *
 * A VM's turn (queue.h) sees to it that nothing here changes while an operation works on the VM.
 * Who only looks, outside of a turn, holds the VM (vm_hold) over its waits: then what he sees may
 * be replaced, and even removed, but stays in memory.
 */
#ifndef XENITH_XENOPSD_VM_H
#define XENITH_XENOPSD_VM_H

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/map.h"
#include "common/vec.h"
#include "storage.gen.h"
#include "xenops.gen.h"
#include "xenopsd.gen.h"

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
	bool is_active; /* it comes with the VM, now or when it starts; in the file "state" */
	bool must_go; /* its plugging failed, and could not be undone yet */
	bool is_changing; /* its medium is being put in or taken out; in the file "state" */
	bool is_moving; /* its guest goes over to another image; in the file "state" */
	struct storage_implementation_list ways; /* of a plan, from attaching to plugging */
	const char *frozen; /* of a plan: what is behind its new image, as smd says */
};

/* How the VM's balloon follows what it was told (memory.c). */
struct balloon {
	int64_t since_ns; /* that it came nearer to its target, or was there */
	int64_t left_bytes; /* to its target, when it was last looked at */
	bool is_stuck;
	unsigned deaf_run; /* of the balancer: it could not be told */
};

struct vm {
	char *id; /* owned */
	char *dir; /* owned; its files' place. A backend's own ones begin with "backend." */
	struct arena arena; /* of the config, and replaced with it */
	struct xenops_vm config;
	vec_of(struct device *) devices; /* owned; in order of class, then of position and name */
	vec_of(char *) lost; /* owned; files of active devices that were damaged (damage.h) */
	enum xenopsd_phase phase; /* in the file "state", as last_start_s */
	int64_t last_start_s; /* since 1970; 0: never */
	bool has_image; /* smd has given us its image; in the file "state", as the next */
	enum xenopsd_hook_reason ends_for; /* other than NONE: vm-post-destroy is to be run */
	/* It goes to another host, and what its sender must remember; token NULL: it does not. In
	 * the file "state". Owned. */
	struct vm_migration {
		char *token, *url, *memory;
	} migration;
	char *came_by; /* owned; of the migration whose sender may still ask, or NULL; in "state" */
	bool is_sent; /* by an operation that is under way */
	int domid; /* of its domain, or -1 */
	int64_t reserved_bytes; /* of memory.c */
	int64_t build_bytes; /* of memory.c: what the guest is to have when it starts */
	struct balloon balloon; /* of memory.c */
	bool is_squeezed; /* of memory.c: it is to have its least */
	unsigned n_changes; /* that the backend told of */
	struct cond changed; /* one more */
	struct list pending; /* of queue.c: what waits for its turn */
	struct list in_line; /* of queue.c: among the VMs that have something to do */
	bool has_turn; /* of queue.c: somebody works on it */
	bool is_repair_pending; /* of repair.c: what could not be taken away will be tried again */
	bool is_check_pending; /* of event.c: what the backend told of will be looked at */
	bool has_core; /* of event.c: the memory of its crashed guest was kept, or cannot be */
	bool is_reboot_pending; /* of event.c: its guest has rebooted, too soon */
	unsigned n_holds;
	bool is_removed; /* freed when nobody holds it */
	vec_of(struct arena) old_arenas; /* of configs that were replaced while it was held */
	vec_of(struct device *) old_devices; /* removed while it was held */
	void *own; /* the backend's, or NULL; freed by its vm_forget */
};

/* Every VM, by id. */
extern struct map vms;

/* NULL: there is none. */
struct vm *vm_find(const char *id);
/* Does_not_exist where there is none. */
must_check struct err *vm_get(const char *id, struct vm **out);
/* By the device's whole id. Does_not_exist. */
must_check struct err *device_get(enum device_class class, const char *id, struct device **out);

/* Makes D each of the VM's devices of a class, in order of their position. */
#define vm_for_each(d, vm_, class_) \
	for (struct device *d = vm_device_from((vm_), (class_), NULL); d; \
		d = vm_device_from((vm_), (class_), d))

/* The first of a class (AFTER is NULL), or the one behind it; NULL: no more. */
struct device *vm_device_from(
	const struct vm *vm, enum device_class class, const struct device *after);

/* What its config makes of it. */
enum xenops_domain_type vm_domain_type(const struct vm *vm);

/* Keeps VM and what hangs on it in memory. */
struct vm *vm_hold(struct vm *vm);
/* *VM may be NULL. */
void vm_release(struct vm **vm);

/* Holds it to the end of the scope: auto_hold held = vm_hold(vm). */
#define auto_hold \
	maybe_unused AUTO(vm_release) \
	struct vm *

/* ---- for those who add and remove, in the VM's turn ---- */

/* Whether ID can be one: it becomes part of paths. INVALID_VALUE. */
must_check struct err *vm_check_id(const char *id);
must_check struct err *device_check_id(enum device_class class, const char *id);

/* A halted VM without devices; CONFIG is copied. No file is written here. */
struct vm *vm_new(const struct xenops_vm *config);
void vm_set_config(struct vm *vm, const struct xenops_vm *config);
/* Of one that does not migrate, or no longer. */
void vm_migration_fini(struct vm_migration *m);
/* Takes it out of `vms`; freed when nobody holds it any more. */
void vm_remove(struct vm *vm);

/* The VM must be there; CONFIG, of the class's type, is copied. */
struct device *device_new(struct vm *vm, enum device_class class, const void *config);
void device_set_config(struct device *d, const void *config);
void device_remove(struct device *d);
/* Those that were lost are not waited for any more. */
void vm_forget_lost(struct vm *vm);
/* At the end of the daemon. */
void vms_free(void);

#endif
