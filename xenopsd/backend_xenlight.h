/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the xenlight backend have of each other, and nobody else: the connection to
 * libxl and to xenstore, and the backend's functions by kind.
 *
 * libxl blocks, so it is called in the pool alone (xenlight_run), with copies of what it needs, and
 * never with an ao_how: the pool's thread waits. What happens to domains by itself comes by
 * xenstore's watches, on the loop (backend_xenlight_watch.c). Everything that is read from a
 * guest's part of xenstore is the guest's to choose: it is bounded, checked, and never a path or a
 * format.
 */
#ifndef XENITH_XENOPSD_BACKEND_XENLIGHT_H
#define XENITH_XENOPSD_BACKEND_XENLIGHT_H

#include "xenopsd/backend.h"

#include <libxl.h>
#include <libxl_utils.h>
#include <xenstore.h>

/* Both may be used by any thread, from begin to end. */
extern libxl_ctx *xenlight_ctx;
extern struct xs_handle *xenlight_xs;

/* ---- calling libxl: backend_xenlight_call.c ---- */

/* Connects to libxl and xenstore, or lets go of them. */
MAY_WAIT must_check struct err *xenlight_open(void);
void xenlight_close(void);

/*
 * Runs FN(ARG) in the pool. It returns 0 or one of libxl's errors, which comes back as an error
 * that says WHAT was tried and the last that libxl said of it.
 */
MAY_WAIT must_check struct err *xenlight_run(const char *what, int (*fn)(void *arg), void *arg);
/* From FN: whether a device has KEY in its backend's part of xenstore, which is written last when
 * it is plugged, and nobody has begun to take it away. KIND: "vbd" or "vif". */
bool xenlight_is_whole(const char *kind, unsigned domid, int number, const char *key);
/* From FN: waits until a path is there, some seconds at most (ERROR_TIMEDOUT). */
int xenlight_await_path(const char *path);

/* ---- which domain a VM has: backend_xenlight_domain.c ---- */

/* What the backend keeps of a VM: nothing that cannot be found out again. */
struct xenlight_vm {
	int domid; /* the last that was seen of it, or -1 */
	int watched_domid; /* whose writes are watched; 0: nobody's */
	unsigned n_changes; /* how often the backend told of one */
	bool was_there, had_ended; /* as last seen: what differs is told */
};
struct xenlight_vm *xenlight_vm(struct vm *vm);

/* A VM's domain, looked for by the VM's id, which the hypervisor keeps. For the pool. */
struct xenlight_domain {
	libxl_uuid uuid;
	bool is_there;
	libxl_dominfo info; /* if it is there */
};
/* Fills in the uuid of a VM's id: false when it is none. */
bool xenlight_domain_init(struct xenlight_domain *d, const struct vm *vm);
/* From the pool: looks. */
int xenlight_domain_find(struct xenlight_domain *d);
/* From a fiber: looks, and says Domain_not_built when there is none. */
MAY_WAIT must_check struct err *xenlight_domain_get(struct vm *vm, struct xenlight_domain *d);

/* At the start, before the first vm_create. */
MAY_WAIT must_check struct err *xenlight_domid_load(void);
MAY_WAIT struct err *xenlight_vm_look(struct vm *vm, struct domain_look *out);
MAY_WAIT struct err *xenlight_vm_create(struct vm *vm, int *domid);
MAY_WAIT struct err *xenlight_vm_build(struct vm *vm, struct task *task);
MAY_WAIT struct err *xenlight_vm_destroy(struct vm *vm);
MAY_WAIT struct err *xenlight_vm_pause(struct vm *vm);
MAY_WAIT struct err *xenlight_vm_unpause(struct vm *vm);
MAY_WAIT struct err *xenlight_vm_request_end(struct vm *vm, enum guest_end how, int64_t deadline);
void xenlight_vm_forget(struct vm *vm);

/* ---- how a domain is made: backend_xenlight_config.c ---- */

/* What a VM's config says, for libxl; libxl_domain_config_dispose in any case. */
must_check struct err *xenlight_config(const struct vm *vm, int domid, libxl_domain_config *out);
int64_t xenlight_vm_memory_bytes(const struct vm *vm, int64_t bytes);

/* ---- what a domain tells: backend_xenlight_stat.c ---- */

MAY_WAIT struct err *xenlight_vm_stat(struct vm *vm, struct arena *a, struct xenops_vm_state *out);
MAY_WAIT struct err *xenlight_figures(struct arena *a, struct xenops_figures *out);

/* ---- devices: backend_xenlight_disk.c, backend_xenlight_nic.c ---- */

MAY_WAIT struct err *xenlight_vbd_plug(
	struct vm *vm, const struct device *vbd, const struct storage_implementation_list *ways);
MAY_WAIT struct err *xenlight_vbd_unplug(struct vm *vm, const struct device *vbd, bool force);
MAY_WAIT struct err *xenlight_vbd_is_plugged(struct vm *vm, const struct device *vbd, bool *out);
/* libxl runs a program for each device that comes and goes; this one does nothing. */
#define XENLIGHT_SCRIPT "/bin/true"
/* The number that xenstore and sysfs know a drive by ("xvda": 51712); -1: it has none. */
int xenlight_vbd_number(const struct device *vbd);

MAY_WAIT struct err *xenlight_vif_plug(struct vm *vm, const struct device *vif);
MAY_WAIT struct err *xenlight_vif_unplug(struct vm *vm, const struct device *vif, bool force);
MAY_WAIT struct err *xenlight_vif_interfaces(
	struct vm *vm, const struct device *vif, struct arena *a, struct vif_interfaces *out);

/* ---- the host: backend_xenlight_host.c ---- */

MAY_WAIT struct err *xenlight_host_stat(struct arena *a, struct xenops_host_stat *out);
MAY_WAIT struct err *xenlight_host_memory(struct xenops_host_memory *out);
MAY_WAIT struct err *xenlight_host_dmesg(bool clear, struct arena *a, const char **out);
MAY_WAIT struct err *xenlight_host_debug_keys(const char *keys);

/* ---- what happens by itself: backend_xenlight_watch.c ---- */

/* Finds the domains of the VMs, and begins to tell of what guests and others do to them. */
MAY_WAIT must_check struct err *xenlight_watch_begin(void);
/* Watches what a VM's domain writes, in the place of the one before; 0: none any more. */
MAY_WAIT must_check struct err *xenlight_watch_domain(struct vm *vm, int domid);

#endif
