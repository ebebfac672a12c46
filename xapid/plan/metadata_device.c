/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's devices as xenopsd wants to know them: disks by the SR and name that smd knows them by,
 * network interfaces by their bridge.
 */
#include "xapid/db/db.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"

#include <string.h>

/* ---- disks ---- */

struct xenops_disk *metadata_disk(const char *vdi, struct arena *a)
{
	const struct xenapi_vdi *row = db_find(vdi, vdi);
	const struct xenapi_sr *sr = row ? db_find(sr, row->SR) : NULL;

	if (!sr)
		return NULL;
	struct xenops_disk *out = arena_new(a, struct xenops_disk);
	*out = (struct xenops_disk){.kind = XENOPS_DISK_VDI,
		.vdi = {arena_strdup(a, sr->uuid), arena_strdup(a, row->location)}};
	return out;
}

static struct xenops_io_priority *io_priority(const struct xenapi_vbd *vbd, struct arena *a)
{
	const char *class = string_map_get(&vbd->qos_algorithm_params, "class");
	struct xenops_io_priority *out;

	if (strcmp(vbd->qos_algorithm_type, "ionice") != 0)
		return NULL;
	out = arena_new(a, struct xenops_io_priority);
	*out = (struct xenops_io_priority)XENOPS_IO_PRIORITY_INIT;
	if (class && !strcmp(class, "rt"))
		out->scheduler = XENOPS_IO_SCHEDULER_REAL_TIME;
	if (class && !strcmp(class, "idle"))
		out->scheduler = XENOPS_IO_SCHEDULER_IDLE;
	out->level = metadata_number(&vbd->qos_algorithm_params, "sched", out->level);
	return out;
}

static enum xenops_vbd_type drive_type(enum xenapi_vbd_type type)
{
	switch (type) {
	case XENAPI_VBD_TYPE_CD:
		return XENOPS_VBD_TYPE_CD;
	case XENAPI_VBD_TYPE_DISK:
		return XENOPS_VBD_TYPE_DISK;
	case XENAPI_VBD_TYPE_FLOPPY:
		return XENOPS_VBD_TYPE_FLOPPY;
	}
	__builtin_unreachable();
}

struct err *plan_metadata_vbd(const char *ref, struct arena *a, struct xenops_vbd *out)
{
	const struct xenapi_vbd *vbd;
	const struct xenapi_vm *vm;

	TRY(db_get(vbd, ref, &vbd));
	TRY(db_get(vm, vbd->VM, &vm));
	const struct xenapi_vdi *vdi = db_find(vdi, vbd->VDI);
	*out = (struct xenops_vbd)XENOPS_VBD_INIT;
	out->vbd = xenopsd_vbd_id(a, vm, vbd);
	out->position = strchr(out->vbd, '/') + 1;
	out->type = drive_type(vbd->type);
	out->mode = vbd->mode == XENAPI_VBD_MODE_RW ? XENOPS_VBD_MODE_RW : XENOPS_VBD_MODE_RO;
	out->backend = vbd->empty ? NULL : metadata_disk(vbd->VDI, a);
	out->unpluggable = vbd->unpluggable;
	out->persistent = !vdi || vdi->on_boot == XENAPI_ON_BOOT_PERSIST;
	out->qos = io_priority(vbd, a);
	if (!vbd->empty && !out->backend)
		return err(HANDLE_INVALID, "VDI", vbd->VDI);
	return NULL;
}

/* ---- network interfaces ---- */

static struct network_locking_mode locking_mode(
	const struct xenapi_vif *vif, const struct xenapi_network *network, struct arena *a)
{
	struct network_locking_mode out = {.kind = NETWORK_LOCKING_MODE_UNLOCKED};

	switch (vif->locking_mode) {
	case XENAPI_VIF_LOCKING_MODE_NETWORK_DEFAULT:
		if (network->default_locking_mode == XENAPI_NETWORK_DEFAULT_LOCKING_MODE_DISABLED)
			out.kind = NETWORK_LOCKING_MODE_DISABLED;
		return out;
	case XENAPI_VIF_LOCKING_MODE_UNLOCKED:
		return out;
	case XENAPI_VIF_LOCKING_MODE_DISABLED:
		out.kind = NETWORK_LOCKING_MODE_DISABLED;
		return out;
	case XENAPI_VIF_LOCKING_MODE_LOCKED:
		out.kind = NETWORK_LOCKING_MODE_LOCKED;
		out.locked.ipv4 = metadata_list(&vif->ipv4_allowed, a);
		out.locked.ipv6 = metadata_list(&vif->ipv6_allowed, a);
		return out;
	}
	__builtin_unreachable();
}

static struct network_rate_limit *rate_limit(const struct xenapi_vif *vif, struct arena *a)
{
	const struct string_map *params = &vif->qos_algorithm_params;
	int64_t kbytes = metadata_number(params, "kbps", 0);

	if (strcmp(vif->qos_algorithm_type, "ratelimit") != 0 || kbytes <= 0)
		return NULL;
	struct network_rate_limit *out = arena_new(a, struct network_rate_limit);
	*out = (struct network_rate_limit)NETWORK_RATE_LIMIT_INIT;
	out->kbytes_per_s = kbytes;
	out->timeslice_us = metadata_number(params, "timeslice_us", out->timeslice_us);
	return out;
}

static struct xenops_static_addresses *addresses(
	const struct string_list *list, const char *gateway, struct arena *a)
{
	struct xenops_static_addresses *out = arena_new(a, struct xenops_static_addresses);

	out->addresses = metadata_list(list, a);
	out->gateway = *gateway ? arena_strdup(a, gateway) : NULL;
	return out;
}

static int64_t mtu_of(const struct xenapi_vif *vif, const struct xenapi_network *network)
{
	if (network->MTU > 0)
		return network->MTU;
	return vif->MTU > 0 ? vif->MTU : 1500;
}

struct err *plan_metadata_vif(const char *ref, struct arena *a, struct xenops_vif *out)
{
	const struct xenapi_vif *vif;
	const struct xenapi_vm *vm;
	const struct xenapi_network *network;

	TRY(db_get(vif, ref, &vif));
	TRY(db_get(vm, vif->VM, &vm));
	TRY(db_get(network, vif->network, &network));
	*out = (struct xenops_vif)XENOPS_VIF_INIT;
	out->vif = xenopsd_vif_id(a, vm, vif);
	out->position = strtoll(vif->device, NULL, 10);
	out->mac = arena_strdup(a, vif->MAC);
	out->backend = (struct xenops_vif_backend){
		.kind = XENOPS_VIF_BACKEND_BRIDGE, .bridge = arena_strdup(a, network->bridge)};
	out->mtu = mtu_of(vif, network);
	out->locking_mode = locking_mode(vif, network, a);
	out->carrier = out->locking_mode.kind != NETWORK_LOCKING_MODE_DISABLED;
	out->rate = rate_limit(vif, a);
	if (vif->ipv4_configuration_mode == XENAPI_VIF_IPV4_CONFIGURATION_MODE_STATIC)
		out->ipv4_configuration = addresses(&vif->ipv4_addresses, vif->ipv4_gateway, a);
	if (vif->ipv6_configuration_mode == XENAPI_VIF_IPV6_CONFIGURATION_MODE_STATIC)
		out->ipv6_configuration = addresses(&vif->ipv6_addresses, vif->ipv6_gateway, a);
	out->trunks.v = arena_calloc(a, vif->trunks.n, sizeof(*out->trunks.v));
	for (; out->trunks.n < vif->trunks.n; out->trunks.n++)
		out->trunks.v[out->trunks.n] = vif->trunks.v[out->trunks.n];
	out->other_config = metadata_map(&vif->other_config, a);
	return NULL;
}

/* ---- USB ---- */

/* A device of the group on this host that may be given away; nobody else has one of the group. */
static const struct xenapi_pusb *find_pusb(const struct xenapi_vusb *vusb)
{
	const struct xenapi_usb_group *group = db_find(usb_group, vusb->USB_group);
	const struct xenapi_pusb *found = NULL;

	for (size_t i = 0; group && i < group->VUSBs.n; i++) {
		const struct xenapi_vusb *other = db_find(vusb, group->VUSBs.v[i]);

		if (other != vusb && other->currently_attached)
			return NULL;
	}
	for (size_t i = 0; group && !found && i < group->PUSBs.n; i++) {
		const struct xenapi_pusb *pusb = db_find(pusb, group->PUSBs.v[i]);

		if (pusb->passthrough_enabled && !strcmp(pusb->host, host_here()))
			found = pusb;
	}
	return found;
}

struct err *plan_metadata_vusb(const char *ref, struct arena *a, struct xenops_vusb *out)
{
	const struct xenapi_vusb *vusb;
	const struct xenapi_vm *vm;

	TRY(db_get(vusb, ref, &vusb));
	TRY(db_get(vm, vusb->VM, &vm));
	const struct xenapi_pusb *pusb = find_pusb(vusb);
	if (!pusb)
		return err(VM_REQUIRES_VUSB, vusb->VM, vusb->USB_group);
	const char *dash = strchrnul(pusb->path, '-');
	*out = (struct xenops_vusb){
		.vusb = xenopsd_vusb_id(a, vm, vusb),
		.hostbus = arena_strndup(a, pusb->path, (size_t)(dash - pusb->path)),
		.hostport = arena_strdup(a, *dash ? dash + 1 : ""),
		.version = arena_strdup(a, pusb->version),
		.path = arena_strdup(a, pusb->path),
		.speed_mbit = pusb->speed,
	};
	return NULL;
}
