/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * This host at the start of xapid: a fresh one is filled (fresh.h), and what may have changed since
 * the last start is noted: software, firmware, addresses, times. What xenopsd knows better it says
 * when it is there (link/host_state.h).
 */
#define LOG_MODULE "host"

#include "xapid/host/host.h"

#include "common/clock.h"
#include "common/datetime.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/version.h"
#include "xapid/db/db.h"
#include "xapid/host/facts.h"
#include "xapid/host/fresh.h"
#include "xapid/host/pci.h"
#include "xapid/host/role.h"
#include "xapid/host/usb.h"
#include "xapid/link/host_state.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What clients take for the version of the platform: they decide by it what they may ask for. */
#define PRODUCT_VERSION  "8.4.0"
#define PLATFORM_VERSION "3.4.0"
#define XENCENTER        "2.23"

static const char *text_of(struct arena *a, int64_t v)
{
	return arena_printf(a, "%lld", (long long)v);
}

/* ---- software ---- */

/* What the last start knew of the hypervisor: xenopsd is asked later. */
static const char *kept(const char *ref, const char *key, struct arena *a)
{
	const struct xenapi_host *host = db_find(host, ref);

	for (size_t i = 0; host && i < host->software_version.n; i++)
		if (!strcmp(host->software_version.v[i].key, key))
			return arena_strdup(a, host->software_version.v[i].value);
	return "";
}

/* When this xapid was built, which its package has kept as the time of the file; "": unknown. */
static const char *build_date(struct arena *a)
{
	char *out = arena_alloc(a, DATETIME_SIZE);
	struct stat st;

	return stat("/proc/self/exe", &st) < 0 ? "" : datetime_put_basic(st.st_mtime, out);
}

static struct err *note_software(const char *host, const struct host_facts *facts, struct arena *a)
{
	struct string_map_entry v[] = {
		{"product_version", PRODUCT_VERSION},
		{"product_version_text", "8"},
		{"product_version_text_short", "8"},
		{"platform_name", "XCP"},
		{"platform_version", PLATFORM_VERSION},
		{"product_brand", PRODUCT_BRAND},
		{"build_number", "xenith-" XENITH_VERSION},
		{"xapi", "26.17"},
		{"xapi_build", "26.17.0"},
		{"xenith", XENITH_VERSION},
		{"git_id", ""},
		{"date", build_date(a)},
		{"hostname", facts->hostname},
		{"xen", kept(host, "xen", a)},
		{"hypervisor", kept(host, "hypervisor", a)},
		{"linux", facts->kernel},
		{"xencenter_min", XENCENTER},
		{"xencenter_max", XENCENTER},
		{"network_backend", "bridge"},
		{"db_schema", "5.909"},
	};
	const struct string_map map = {v, ARRAY_LEN(v)};

	return db_write(host, host, software_version, map);
}

/* ---- until xenopsd says what the host is ---- */

/* What this host's kernel takes for its processors; under a hypervisor there may be more. */
static struct xenops_host_stat guess(const struct host_facts *facts, struct arena *a)
{
	const struct cpu_facts none = {
		.vendor = "unknown", .model_name = "", .stepping = "", .flags = ""};
	const struct cpu_facts *cpu = facts->cpus.n ? facts->cpus.v : &none;

	return (struct xenops_host_stat){
		.cpu_info = {.cpu_count = (int64_t)facts->cpus.n,
			.socket_count = facts->n_sockets,
			.threads_per_core = facts->threads_per_core,
			.numa_nodes = facts->n_nodes,
			.vendor = cpu->vendor,
			.speed_mhz = text_of(a, cpu->mhz),
			.modelname = cpu->model_name,
			.family = text_of(a, cpu->family),
			.model = text_of(a, cpu->model),
			.stepping = cpu->stepping,
			.flags = cpu->flags,
			.features_hvm = "",
			.features_pv = "",
			.features_hvm_host = "",
			.features_pv_host = ""},
		.hypervisor = "",
		.hypervisor_version = "",
		.hypervisor_capabilities = "",
		.iommu = facts->has_iommu,
	};
}

/* What xenopsd said at the last start is better than what we guess. */
static struct err *note_guess(const char *ref, const struct host_facts *facts, struct arena *a)
{
	const struct xenapi_host *host;

	TRY(db_get(host, ref, &host));
	if (host->cpu_info.n)
		return NULL;
	const struct xenops_host_stat stat = guess(facts, a);
	return host_state_note(ref, &stat);
}

/* ---- firmware, memory, times ---- */

static struct err *note_bios(const char *host, const struct host_facts *facts, struct arena *a)
{
	static const struct string_map_entry more[] = {
		{"oem-1", "Xen"}, {"oem-2", ""}, {"hp-rombios", ""}};
	struct string_map map = {
		.v = arena_calloc(a, facts->bios.n + ARRAY_LEN(more), sizeof(*map.v))};

	for (size_t i = 0; i < facts->bios.n; i++)
		map.v[map.n++] = facts->bios.v[i];
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		map.v[map.n++] = more[i];
	return db_write(host, host, bios_strings, map);
}

/* There is no licence to buy and none that ends, which clients look for all the same. */
static struct err *note_editions(const char *host)
{
	static struct string_map_entry entries[] = {{"sku_type", "free"},
		{"sku_marketing_name", PRODUCT_BRAND}, {"expiry", "20991231T00:00:00Z"},
		{"grace", "no"}};
	static const struct string_map terms = {entries, ARRAY_LEN(entries)};
	static const char *editions[] = {"free"};
	const struct string_list all = {editions, ARRAY_LEN(editions)};

	TRY(db_write(host, host, editions, all));
	TRY(db_write(host, host, license_params, terms));
	return db_write(host, host, edition, "free");
}

static struct err *note_metrics(const char *host, const struct host_facts *facts)
{
	const struct xenapi_host *h;

	TRY(db_get(host, host, &h));
	const char *metrics = h->metrics;
	TRY(db_write(host_metrics, metrics, live, true));
	if (!db_find(host_metrics, metrics)->memory_total) {
		TRY(db_write(host_metrics, metrics, memory_total, facts->memory_total));
		TRY(db_write(host_metrics, metrics, memory_free, facts->memory_free));
	}
	return db_write(host_metrics, metrics, last_updated, clock_real_ns() / NS_PER_S);
}

/* As the original writes them: seconds and a point. */
static struct err *note_times(const char *host, const struct host_facts *facts, struct arena *a)
{
	const char *boot = arena_printf(a, "%lld.", (long long)facts->boot_time);
	const char *start = arena_printf(a, "%lld.", (long long)(clock_real_ns() / NS_PER_S));

	TRY(db_map_put(host, host, other_config, "boot_time", boot));
	return db_map_put(host, host, other_config, "agent_start_time", start);
}

/* One that was disabled for a while is ready when xapid is. */
static struct err *note_enabled(const char *ref)
{
	const struct xenapi_host *host;

	TRY(db_get(host, ref, &host));
	const char *said = string_map_get(&host->other_config, HOST_AUTO_ENABLE);
	bool stays = said && !strcmp(said, "false");
	return stays ? NULL : db_write(host, ref, enabled, true);
}

/* ---- its address ---- */

static bool is_wildcard(const char *address)
{
	return !*address || !strcmp(address, "::") || !strcmp(address, "0.0.0.0");
}

bool host_listens_on(const char *address)
{
	return is_wildcard(xapid_conf.address) || !strcmp(xapid_conf.address, address);
}

/* The address of the PIF that somebody chose for it, as far as the host has it; NULL: it has not.
 */
static const char *managed_address(const struct host_facts *facts)
{
	db_for_each (pif, row) {
		const struct xenapi_pif *pif = db_record(row);

		if (!pif->management || strcmp(pif->host, host_here()) != 0)
			continue;
		for (size_t i = 0; i < facts->nics.n; i++)
			if (*pif->IP && !strcmp(facts->nics.v[i].ip, pif->IP))
				return pif->IP;
	}
	return NULL;
}

/* What we listen on, or the address of the device that the host is managed over. */
static const char *address_of(const struct host_facts *facts)
{
	const struct nic_facts *best = NULL;
	const char *managed = managed_address(facts);

	if (!is_wildcard(xapid_conf.address))
		return xapid_conf.address;
	if (managed)
		return managed;
	for (size_t i = 0; i < facts->nics.n; i++) {
		const struct nic_facts *nic = &facts->nics.v[i];

		if (*nic->ip && (!best || (*nic->gateway && !*best->gateway)))
			best = nic;
	}
	return best ? best->ip : "127.0.0.1";
}

/* ---- all ---- */

static struct err *note(const struct host_facts *facts, struct arena *a)
{
	const char *host = arena_strdup(a, host_here());

	TRY(note_software(host, facts, a));
	TRY(note_guess(host, facts, a));
	TRY(note_bios(host, facts, a));
	TRY(note_editions(host));
	TRY(note_metrics(host, facts));
	TRY(note_times(host, facts, a));
	TRY(note_enabled(host));
	TRY(db_write(host, host, address, address_of(facts)));
	TRY(db_write(host, host, hostname, facts->hostname));
	TRY(db_write(host, host, timezone, facts->timezone));
	TRY(pci_scan(xapid_conf.sys, xapid_conf.pci_ids));
	TRY(usb_scan(xapid_conf.sys));
	return fresh_networks(facts, host);
}

/* Who this host is, and that it is the master, of which the file of its role may be the only one
 * to know yet. No other host is there before it has called. */
static struct err *take_role(void)
{
	const char *host = ref_is_null(host_here()) ? fresh_host() : host_here();
	const struct xenapi_host *row;

	TRY(db_get(host, host, &row));
	TRY(db_write(pool, db_first_ref(pool), master, host));
	if (strcmp(own_role.host, row->uuid) != 0) {
		TRY(role_write(NULL, "", row->uuid));
		free(own_role.host);
		own_role.host = xstrdup(row->uuid);
	}
	db_for_each (host_metrics, metrics)
		TRY(db_write(host_metrics, db_ref(metrics), live, false));
	return NULL;
}

struct err *host_start(void)
{
	auto_arena a = {0};
	struct host_facts facts;
	bool is_fresh = !db_first(pool);

	TRY(host_facts_read(&a, &facts));
	if (!own_role.is_member) {
		TRY(fresh_pool(&facts));
		TRY(fresh_roles());
		TRY(fresh_templates());
		TRY(take_role());
	}
	TRY(note(&facts, &a));
	if (is_fresh)
		log_info("this is a fresh host: '%s'", facts.hostname);
	return db_barrier(db_generation(), NEVER);
}
