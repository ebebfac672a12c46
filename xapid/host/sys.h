/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small files of the kernel's below /sys. Reading them does not block.
 */
#ifndef XENITH_XAPID_HOST_SYS_H
#define XENITH_XAPID_HOST_SYS_H

#include "common/arena.h"

/* What FOLDER/NAME says, without the blanks around it; "": it is not there. */
const char *sys_read(struct arena *a, const char *folder, const char *name);
/* The last part of what the link FOLDER/NAME leads to; "": it is not there. */
const char *sys_link(struct arena *a, const char *folder, const char *name);

#endif
