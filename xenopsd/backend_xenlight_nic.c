/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's network interfaces: libxl tells the guest and netback of one, netback makes vifD.N, and
 * networkd puts that on its bridge. netback lets the guest connect when "hotplug-status" says so,
 * which otherwise a hotplug script would.
 */
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/backend_xenlight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_DEVIDS 1024

/* What the pool needs of a VIF. */
struct nic {
	struct xenlight_domain domain;
	libxl_device_nic nic;
	bool is_forced, is_whole;
};

/* A VIF's number in the guest, which is its name too. */
static struct err *number_of(const struct device *vif, int *out)
{
	if (vif->vif.position < 0 || vif->vif.position >= N_DEVIDS)
		return err(INVALID_VALUE, "position", "is not between 0 and 1023");
	*out = (int)vif->vif.position;
	return NULL;
}

static void interface_name(char *out, size_t size, int domid, int number)
{
	snprintf(out, size, "vif%d.%d", domid, number);
}

static struct err *read_mac(const char *text, libxl_mac mac)
{
	unsigned b[6];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		    &end) != 6 ||
		text[end])
		return err(INVALID_VALUE, "mac", "is no MAC address");
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return NULL;
}

static int connect_nic(const struct nic *n)
{
	char path[96], interface[32];

	interface_name(interface, sizeof(interface), (int)n->domain.info.domid, n->nic.devid);
	snprintf(path, sizeof(path), "/sys/class/net/%s", interface);
	int rc = xenlight_await_path(path);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/%d/hotplug-status",
		n->domain.info.domid, n->nic.devid);
	return xs_write(xenlight_xs, XBT_NULL, path, "connected", 9) ? 0 : ERROR_FAIL;
}

static int add(void *arg)
{
	struct nic *n = arg;
	int rc = libxl_device_nic_add(xenlight_ctx, n->domain.info.domid, &n->nic, NULL);

	return rc ? rc : connect_nic(n);
}

struct err *xenlight_vif_plug(struct vm *vm, const struct device *vif)
{
	AUTO(libxl_device_nic_dispose) libxl_device_nic nic;
	struct nic n = {0};
	int number;

	libxl_device_nic_init(&nic);
	TRY(number_of(vif, &number));
	TRY(read_mac(vif->vif.mac, nic.mac));
	nic.devid = number;
	nic.mtu = (int)vif->vif.mtu;
	nic.nictype = LIBXL_NIC_TYPE_VIF;
	nic.script = xstrdup(XENLIGHT_SCRIPT);
	if (vif->vif.backend.kind == XENOPS_VIF_BACKEND_BRIDGE)
		nic.bridge = xstrdup(vif->vif.backend.bridge); /* for who looks into xenstore */
	TRY(xenlight_domain_get(vm, &n.domain));
	n.nic = nic;
	struct err *e = xenlight_run("adding a network interface", add, &n);
	nic = n.nic; /* what libxl has filled in goes with it */
	return e;
}

static int remove_nic(void *arg)
{
	struct nic *n = arg;
	libxl_domid domid;
	int rc = xenlight_domain_find(&n->domain);

	if (rc || !n->domain.is_there)
		return rc;
	domid = n->domain.info.domid;
	if (libxl_devid_to_device_nic(xenlight_ctx, domid, n->nic.devid, &n->nic))
		return 0; /* it has none of this number */
	rc = n->is_forced ? libxl_device_nic_destroy(xenlight_ctx, domid, &n->nic, NULL)
			  : libxl_device_nic_remove(xenlight_ctx, domid, &n->nic, NULL);
	libxl_device_nic_dispose(&n->nic);
	return rc;
}

struct err *xenlight_vif_unplug(struct vm *vm, const struct device *vif, bool force)
{
	struct nic n = {.is_forced = force};

	TRY(number_of(vif, &n.nic.devid));
	if (!xenlight_domain_init(&n.domain, vm))
		return NULL;
	return xenlight_run("removing a network interface", remove_nic, &n);
}

static int look_for_nic(void *arg)
{
	struct nic *n = arg;
	int rc = xenlight_domain_find(&n->domain);

	if (rc == 0 && n->domain.is_there)
		n->is_whole = xenlight_is_whole(
			"vif", n->domain.info.domid, n->nic.devid, "hotplug-status");
	return rc;
}

struct err *xenlight_vif_interfaces(
	struct vm *vm, const struct device *vif, struct arena *a, struct vif_interfaces *out)
{
	struct nic n = {0};
	char name[32], path[64];

	*out = (struct vif_interfaces){0};
	TRY(number_of(vif, &n.nic.devid));
	if (!xenlight_domain_init(&n.domain, vm))
		return NULL;
	TRY(xenlight_run("looking for a network interface", look_for_nic, &n));
	if (!n.is_whole)
		return NULL;
	interface_name(name, sizeof(name), (int)n.domain.info.domid, n.nic.devid);
	snprintf(path, sizeof(path), "/sys/class/net/%s", name);
	if (access(path, F_OK) == 0)
		*out = (struct vif_interfaces){.names = {arena_strdup(a, name)}, .n = 1};
	return NULL;
}
