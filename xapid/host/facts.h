/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What there is to know of the machine that we run on, from /proc, /sys and the kernel's list of
 * interfaces: processors, memory, firmware, network devices. No daemon is asked, so it is there
 * before any of them.
 */
#ifndef XENITH_XAPID_HOST_FACTS_H
#define XENITH_XAPID_HOST_FACTS_H

#include "common/arena.h"
#include "common/err.h"
#include "common/schema.h"

struct cpu_facts {
	int64_t number, family, model, mhz;
	const char *vendor, *model_name, *stepping, *flags;
};

struct nic_facts {
	const char *name, *mac;
	int64_t mtu, speed; /* Mbit/s; 0: not known */
	bool is_physical; /* a device stands behind it */
	bool has_carrier;
	bool is_up;
	const char *ip, *netmask; /* IPv4; "": none */
	const char *gateway; /* of a default route over it; "": none */
};

struct host_facts {
	const char *hostname, *kernel;
	const char *timezone; /* "Europe/Berlin" */
	int64_t boot_time; /* seconds since 1970 */
	int64_t memory_total, memory_free; /* bytes */
	int64_t n_sockets, n_nodes, threads_per_core;
	bool has_iommu;
	struct {
		struct cpu_facts *v;
		size_t n;
	} cpus;
	struct {
		struct nic_facts *v;
		size_t n;
	} nics; /* by name */
	struct string_map bios; /* with the keys of host.bios_strings */
};

/* What cannot be found out is 0 or "". */
MAY_WAIT must_check struct err *host_facts_read(struct arena *a, struct host_facts *out);

#endif
