/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's PCI devices as objects, bridges aside. Loop thread.
 */
#ifndef XENITH_XAPID_HOST_PCI_H
#define XENITH_XAPID_HOST_PCI_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

/* Makes the PCIs of this host those that the kernel tells of below SYS, with names from the list
 * at IDS. One that a VM has stays, though it is gone. */
must_check struct err *pci_scan(const char *sys, const char *ids);
/* The driver that has the device at PCI_ID now; "": none. */
const char *pci_driver(const char *sys, const char *pci_id, struct arena *a);

#endif
