/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's network devices (nics.h), from /sys/class/net, getifaddrs and the kernel's table of
 * routes.
 */
#include "xapid/host/nics.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/vec.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE (1 << 20)

/* What a bridge, and what the toolstack makes of a guest's interface, is called or has. */
static const char *const not_ours[] = {"vif", "tap", "veth", "virbr", "docker", "xenbr", "xapi"};

static char *read_sys(struct arena *a, const char *nic, const char *name)
{
	auto_str path = xasprintf("/sys/class/net/%s/%s", nic, name);
	auto_str text = NULL;

	if (file_read(path, MAX_FILE, &text, NULL) < 0)
		return arena_strdup(a, "");
	text[strcspn(text, "\n")] = '\0';
	return arena_strdup(a, text);
}

static int64_t read_sys_int(struct arena *a, const char *nic, const char *name)
{
	const char *text = read_sys(a, nic, name);
	int64_t v;

	return number_read_int(text, strlen(text), &v) && v > 0 ? v : 0;
}

static bool has_sys(const char *nic, const char *name)
{
	auto_str path = xasprintf("/sys/class/net/%s/%s", nic, name);

	return access(path, F_OK) == 0;
}

static bool is_candidate(const char *nic)
{
	if (!strcmp(nic, "lo") || has_sys(nic, "bridge"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(not_ours); i++)
		if (!strncmp(nic, not_ours[i], strlen(not_ours[i])))
			return false;
	return true;
}

/* ---- addresses and routes ---- */

static const char *address_text(struct arena *a, const struct sockaddr *address)
{
	char text[INET_ADDRSTRLEN] = "";

	if (address)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr,
			text, sizeof(text));
	return arena_strdup(a, text);
}

static void set_address(struct arena *a, const struct ifaddrs *all, struct nic_facts *nic)
{
	for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
		if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET ||
			strcmp(at->ifa_name, nic->name) != 0 || *nic->ip)
			continue;
		nic->ip = address_text(a, at->ifa_addr);
		nic->netmask = address_text(a, at->ifa_netmask);
	}
}

/* The kernel writes addresses there as one hexadecimal number in its own byte order. */
static void set_gateway(struct arena *a, char *routes, struct nic_facts *nic)
{
	char name[IFNAMSIZ], text[INET_ADDRSTRLEN];
	unsigned destination;
	struct in_addr gateway;

	for (char *line; (line = strsep(&routes, "\n"));) {
		if (sscanf(line, "%15s %x %x", name, &destination, &gateway.s_addr) == 3 &&
			destination == 0 && !strcmp(name, nic->name) &&
			inet_ntop(AF_INET, &gateway, text, sizeof(text)))
			nic->gateway = arena_strdup(a, text);
	}
}

/* ---- devices ---- */

static struct nic_facts read_nic(struct arena *a, const char *name, const struct ifaddrs *all)
{
	auto_str routes = NULL;
	struct nic_facts nic = {
		.name = arena_strdup(a, name),
		.mac = read_sys(a, name, "address"),
		.mtu = read_sys_int(a, name, "mtu"),
		.speed = read_sys_int(a, name, "speed"),
		.is_physical = has_sys(name, "device"),
		.has_carrier = read_sys_int(a, name, "carrier") == 1,
		.ip = "",
		.netmask = "",
		.gateway = "",
	};

	nic.is_up = strcmp(read_sys(a, name, "operstate"), "down") != 0;
	set_address(a, all, &nic);
	if (file_read("/proc/net/route", MAX_FILE, &routes, NULL) == 0)
		set_gateway(a, routes, &nic);
	return nic;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct nic_facts *)a)->name, ((const struct nic_facts *)b)->name);
}

void host_nics_read(struct arena *a, struct host_facts *out)
{
	struct if_nameindex *names = if_nameindex();
	struct ifaddrs *all = NULL;
	vec_of(struct nic_facts) nics = {0};
	bool has_hardware = false;

	if (getifaddrs(&all) < 0)
		all = NULL;
	for (struct if_nameindex *at = names; at && at->if_name; at++) {
		if (!is_candidate(at->if_name))
			continue;
		vec_push(&nics, read_nic(a, at->if_name, all));
		has_hardware |= nics.v[nics.n - 1].is_physical;
	}
	out->nics.v = arena_calloc(a, nics.n ? nics.n : 1, sizeof(*nics.v));
	vec_for_each (i, &nics)
		if (nics.v[i].is_physical || !has_hardware)
			out->nics.v[out->nics.n++] = nics.v[i];
	qsort(out->nics.v, out->nics.n, sizeof(*nics.v), by_name);
	vec_fini(&nics);
	freeifaddrs(all);
	if_freenameindex(names);
}
