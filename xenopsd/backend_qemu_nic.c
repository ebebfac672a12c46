/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network interfaces. Where the bridge is a kernel's bridge and we may make tap interfaces, there
 * is one, which networkd puts on the bridge; elsewhere QEMU's user network: the guest reaches out
 * as a program of this host does, and nobody reaches it. A tap is made to last, so that QEMU can
 * open it by its name without rights of its own; its name is as that of a domain's under Xen.
 */
#define LOG_MODULE "qemu"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "core.gen.h"
#include "xenopsd/backend_qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

const char *qemu_tap_name(const struct machine *m, const struct device *vif, struct arena *a)
{
	return arena_printf(a, "tap%d.%s", m->domid, vif->name);
}

/* ---- taps ---- */

struct tap_work {
	const char *name;
	bool is_to_last;
	int errnum;
};

static int tap_set(const char *name, bool is_to_last)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	auto_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (strlen(name) >= sizeof(request.ifr_name))
		return -ENAMETOOLONG;
	memcpy(request.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETPERSIST, (long)is_to_last) < 0)
		return -errno;
	return 0;
}

static void tap_work(void *arg)
{
	struct tap_work *w = arg;

	w->errnum = -tap_set(w->name, w->is_to_last);
}

static MAY_WAIT struct err *tap_make(const char *name)
{
	struct tap_work w = {.name = name, .is_to_last = true};

	TRY(offload("making a tap", tap_work, &w));
	return w.errnum ? err_errno(w.errnum, "making the interface %s", name) : NULL;
}

static MAY_WAIT struct err *tap_remove(const char *name)
{
	struct tap_work w = {.name = name};

	if (!if_nametoindex(name))
		return NULL;
	TRY(offload("removing a tap", tap_work, &w));
	return w.errnum ? err_errno(w.errnum, "removing the interface %s", name) : NULL;
}

struct err *qemu_taps_remove(struct machine *m)
{
	auto_arena a = {0};

	vm_for_each (vif, m->vm, DEVICE_VIF)
		TRY(tap_remove(qemu_tap_name(m, vif, &a)));
	return NULL;
}

/* ---- what QEMU is told ---- */

static char *host_text(const char *id, const char *tap)
{
	AUTO(sbuf_fini) struct sbuf text = {0};
	auto_str host = xasprintf("host-%s", id);
	struct json_writer w;

	json_writer_init(&w, &text);
	json_write_object(&w);
	json_member_string(&w, "type", tap ? "tap" : "user");
	json_member_string(&w, "id", host);
	if (tap) {
		json_member_string(&w, "ifname", tap);
		json_member_string(&w, "script", "no");
		json_member_string(&w, "downscript", "no");
	}
	json_write_object_end(&w);
	return sbuf_take(&text);
}

/* XenAPI's platform:nic_type. */
static const char *model_of(const struct vm *vm)
{
	const char *type = string_map_get(&vm->config.platform, "nic_type");

	if (type && !strcmp(type, "e1000"))
		return "e1000";
	return type && !strcmp(type, "rtl8139") ? "rtl8139" : "virtio-net-pci";
}

static char *device_text(const struct device *vif, const char *id)
{
	const struct xenops_guest *guest = &vif->vm->config.guest;
	const char *n = guest->kind == XENOPS_GUEST_HVM ? strchr(guest->hvm.boot_order, 'n') : NULL;
	AUTO(sbuf_fini) struct sbuf text = {0};
	auto_str host = xasprintf("host-%s", id);
	struct json_writer w;

	json_writer_init(&w, &text);
	json_write_object(&w);
	json_member_string(&w, "driver", model_of(vif->vm));
	json_member_string(&w, "id", id);
	json_member_string(&w, "netdev", host);
	json_member_string(&w, "mac", vif->vif.mac);
	if (n)
		json_member_int(&w, "bootindex",
			1 + (n - guest->hvm.boot_order) * 1000 + vif->vif.position);
	else
		json_member_string(&w, "romfile", "");
	json_write_object_end(&w);
	return sbuf_take(&text);
}

/* ---- what the plans call ---- */

/* The tap, made if it can be; *OUT is NULL where QEMU's user network has to do. */
static MAY_WAIT struct err *tap_for(
	struct machine *m, const struct device *vif, struct arena *a, const char **out)
{
	const char *bridge =
		vif->vif.backend.kind == XENOPS_VIF_BACKEND_BRIDGE ? vif->vif.backend.bridge : NULL;
	const char *name = qemu_tap_name(m, vif, a);

	if (!bridge)
		return err(Unimplemented, "a network interface that is on no bridge");
	*out = NULL;
	if (!if_nametoindex(bridge)) {
		log_info("vif=%s: there is no bridge %s: QEMU's user network", vif->id, bridge);
		return NULL;
	}
	auto_err e = tap_make(name);
	if (e && (!err_is(e, &ERR_SYSTEM_ERROR) || geteuid() == 0))
		return take(e);
	if (e)
		log_err(LOG_INFO_, e, "vif=%s: QEMU's user network", vif->id);
	else
		*out = name;
	return NULL;
}

struct err *qemu_vif_plug(struct vm *vm, const struct device *vif)
{
	struct machine *m = machine_of(vm);
	auto_arena a = {0};
	const char *id, *tap;

	TRY(qemu_device_id(vif, &a, &id));
	TRY(tap_for(m, vif, &a, &tap));
	struct err *e = machine_add(m, PART_NIC, id, host_text(id, tap), device_text(vif, id));
	if (e && tap) {
		fiber_cancel_mask();
		err_free(tap_remove(tap));
		fiber_cancel_unmask();
	}
	return e;
}

struct err *qemu_vif_unplug(struct vm *vm, const struct device *vif, bool force)
{
	struct machine *m = machine_of(vm);
	auto_arena a = {0};
	const char *id;

	TRY(qemu_device_id(vif, &a, &id));
	const char *tap = m->domid < 0 ? NULL : qemu_tap_name(m, vif, &a);
	TRY(machine_remove(m, PART_NIC, vif, id));
	return tap ? tap_remove(tap) : NULL;
}

struct err *qemu_vif_interfaces(
	struct vm *vm, const struct device *vif, struct arena *a, struct vif_interfaces *out)
{
	struct machine *m = machine_of(vm);
	const char *name = qemu_tap_name(m, vif, a), *id;
	bool is_plugged;

	TRY(qemu_device_id(vif, a, &id));
	TRY(machine_has(m, id, &is_plugged));
	*out = (struct vif_interfaces){.names = {name}, .n = is_plugged};
	return NULL;
}

struct err *qemu_vif_set_carrier(struct vm *vm, const struct device *vif)
{
	auto_arena a = {0};
	const char *id;

	TRY(qemu_device_id(vif, &a, &id));
	return machine_call(machine_of(vm), "set_link",
		arena_printf(
			&a, "{\"name\":\"%s\",\"up\":%s}", id, vif->vif.carrier ? "true" : "false"),
		NULL);
}
