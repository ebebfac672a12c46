/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * This host: what it has when it is fresh, and what is noted of it at each start.
 */
#ifndef XENITH_XAPID_HOST_HOST_H
#define XENITH_XAPID_HOST_HOST_H

#include "common/dialect.h"
#include "common/err.h"

/* A key of other_config: "false" on a host that was disabled to stay so. Any other is enabled again
 * when xapid starts. */
#define HOST_AUTO_ENABLE "auto_enable"

/* Whether clients find xapid at this address of the host, by xapid.conf. */
bool host_listens_on(const char *address);
/* After the database was opened and before anyone is served. */
MAY_WAIT must_check struct err *host_start(void);

#endif
