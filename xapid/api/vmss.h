/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Schedules of snapshots (class VMSS): vmss.c has the messages, vmss_time.c says when one is due,
 * vmss_run.c takes the snapshots. Only a pool's master takes any by itself.
 */
#ifndef XENITH_XAPID_API_VMSS_H
#define XENITH_XAPID_API_VMSS_H

#include "common/err.h"

#include "xenapi.gen.h"

/* The last time, up to NOW (seconds since 1970), that the schedule says, on the clock on the
 * host's wall. */
int64_t vmss_last_due(const struct xenapi_vmss *vmss, int64_t now);
/* INVALID_VALUE unless the schedule has what the frequency wants and nothing else. */
must_check struct err *vmss_check_schedule(
	enum xenapi_vmss_frequency frequency, const struct string_map *schedule);

/* Begins to take snapshots when they are due. */
must_check struct err *vmss_start(void);
/* A schedule has changed: it may be due. */
void vmss_changed(void);

#endif
