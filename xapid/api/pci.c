/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PCI: whether the control domain has a device, or it is set aside for guests.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/host/pci.h"
#include "xapid/xapid.h"

#include <string.h>

/* The drivers of the kernel that keep a device for guests. */
static const char *const guest_drivers[] = {"pciback", "xen-pciback", "vfio-pci"};

MAY_WAIT struct err *xapi_pci_get_dom0_access_status(struct call *c,
	const struct xenapi_pci_get_dom0_access_status_in *in, enum xenapi_pci_dom0_access *out)
{
	const struct xenapi_pci *pci;

	TRY(db_get(pci, in->self, &pci));
	const char *driver = pci_driver(xapid_conf.sys, pci->pci_id, c->arena);
	*out = XENAPI_PCI_DOM0_ACCESS_ENABLED;
	for (size_t i = 0; i < ARRAY_LEN(guest_drivers); i++)
		if (!strcmp(driver, guest_drivers[i]))
			*out = XENAPI_PCI_DOM0_ACCESS_DISABLED;
	return NULL;
}
