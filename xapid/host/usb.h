/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's USB devices: a PUSB each, in a group of its own. Hubs are none. Loop thread.
 */
#ifndef XENITH_XAPID_HOST_USB_H
#define XENITH_XAPID_HOST_USB_H

#include "common/dialect.h"
#include "common/err.h"

/* Makes the PUSBs of this host those that the kernel tells of below SYS. One that a VM has stays,
 * though it was pulled out. */
must_check struct err *usb_scan(const char *sys);

#endif
