/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of PCI devices, from the list pci.ids that distributions install. Numbers are hexadecimal
 * texts, "8086"; a name that is not known is "". TEXT is the whole list, or "".
 */
#ifndef XENITH_XAPID_HOST_PCI_IDS_H
#define XENITH_XAPID_HOST_PCI_IDS_H

#include "common/arena.h"

/* Of a vendor, "8086". */
const char *pci_ids_vendor(const char *text, const char *vendor, struct arena *a);
/* Of one of its devices. */
const char *pci_ids_device(
	const char *text, const char *vendor, const char *device, struct arena *a);
/* Of a class with its subclass, "0300". */
const char *pci_ids_class(const char *text, const char *class_id, struct arena *a);

#endif
