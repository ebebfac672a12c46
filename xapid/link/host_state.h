/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xenopsd says of the host that it runs on: processors, hypervisor and memory, noted when the
 * link has come up, and the memory again after VMs have changed.
 */
#ifndef XENITH_XAPID_LINK_HOST_STATE_H
#define XENITH_XAPID_LINK_HOST_STATE_H

#include "common/err.h"

#include "xenops.gen.h"

/* Asks xenopsd, and notes it of this host. */
MAY_WAIT must_check struct err *host_state_compare(void);
/* xenopsd keeps to the host's policy of where VMs have their memory. */
MAY_WAIT must_check struct err *host_state_tell_numa(void);
/* Asks for the memory after a moment, once for all who said so in it. */
void host_state_memory_soon(void);

/* What the hypervisor keeps: what neither the control domain has nor was free before any VM. */
int64_t host_state_overhead(const char *ref, const struct xenops_host_memory *memory);
/* Notes it of the host REF and its pool; does not wait. */
must_check struct err *host_state_note(const char *ref, const struct xenops_host_stat *stat);

#endif
