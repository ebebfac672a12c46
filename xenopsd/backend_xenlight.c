/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backend (backend.h) for the Xen hypervisor, by libxl: PV and PVH guests. Read on in
 * backend_xenlight.h, which says what lies where.
 *
 * libxl's hotplug scripts are passed over (XENLIGHT_SCRIPT): networkd puts a guest's interface on
 * its bridge, a disk is a block device before libxl sees it, and what else they would write into
 * xenstore is written here.
 */
#define LOG_MODULE "xenlight"
#include "xenopsd/backend_xenlight.h"

#include "common/log.h"
#include "common/version.h"

static MAY_WAIT struct err *begin(void)
{
	TRY(xenlight_open());
	TRY(xenlight_domid_load());
	return xenlight_watch_begin();
}

const struct backend_ops xenopsd_backend = {
	.name = "xenlight",
	.version = XENITH_VERSION,
	.short_run_ns = 120 * NS_PER_S,
	.begin = begin,
	.end = xenlight_close,
	.vm_forget = xenlight_vm_forget,
	.host_stat = xenlight_host_stat,
	.host_memory = xenlight_host_memory,
	.host_dmesg = xenlight_host_dmesg,
	.host_debug_keys = xenlight_host_debug_keys,
	.figures = xenlight_figures,
	.vm_look = xenlight_vm_look,
	.vm_stat = xenlight_vm_stat,
	.vm_memory_bytes = xenlight_vm_memory_bytes,
	.vm_create = xenlight_vm_create,
	.vm_build = xenlight_vm_build,
	.vm_destroy = xenlight_vm_destroy,
	.vm_pause = xenlight_vm_pause,
	.vm_unpause = xenlight_vm_unpause,
	.vm_request_end = xenlight_vm_request_end,
	.vbd_plug = xenlight_vbd_plug,
	.vbd_unplug = xenlight_vbd_unplug,
	.vbd_is_plugged = xenlight_vbd_is_plugged,
	.vif_plug = xenlight_vif_plug,
	.vif_unplug = xenlight_vif_unplug,
	.vif_interfaces = xenlight_vif_interfaces,
};
