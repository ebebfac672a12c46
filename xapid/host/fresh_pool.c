/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pool, its one host, and the domain that the host's own programs run in (fresh.h). What may
 * change from start to start is host.c's to write.
 */
#include "xapid/host/fresh.h"

#include "common/mem.h"
#include "xapid/db/db.h"

#include "xenapi.gen.h"

#define DOM0_MEMORY_MIN (INT64_C(512) << 20)

const char *fresh_host(void)
{
	const struct xenapi_pool *pool = db_first(pool);

	return pool ? pool->master : REF_NULL;
}

/* ---- the host ---- */

static struct err *make_host(const struct host_facts *facts, const char **ref)
{
	static const char *bootloaders[] = {"pygrub", "eliloader"};
	static int64_t platforms[] = {0, 1, 2};
	struct xenapi_host_metrics metrics = db_blank(host_metrics);
	struct xenapi_host host = db_blank(host);

	metrics.live = true;
	metrics.memory_total = facts->memory_total;
	metrics.memory_free = facts->memory_free;
	TRY(db_create(host_metrics, &metrics, &host.metrics));
	host.name_label = facts->hostname;
	host.name_description = "Default install";
	host.API_version_major = 2;
	host.API_version_minor = 23;
	host.API_version_vendor = "XenSource"; /* of the API, which is older than we */
	host.enabled = true;
	host.sched_policy = "credit2";
	host.supported_bootloaders = (struct string_list){bootloaders, ARRAY_LEN(bootloaders)};
	host.hostname = facts->hostname;
	host.virtual_hardware_platform_versions =
		(struct int_list){platforms, ARRAY_LEN(platforms)};
	host.ssl_legacy = false;
	host.https_only = false;
	return db_create(host, &host, ref);
}

/* ---- the control domain ---- */

static struct err *make_dom0_metrics(const struct host_facts *facts, const char **ref)
{
	struct xenapi_vm_metrics metrics = db_blank(vm_metrics);

	metrics.VCPUs_number = (int64_t)facts->cpus.n;
	metrics.memory_actual = facts->memory_total;
	metrics.current_domain_type = XENAPI_DOMAIN_TYPE_PV;
	metrics.start_time = facts->boot_time;
	return db_create(vm_metrics, &metrics, ref);
}

static struct err *make_dom0(const struct host_facts *facts, const char *host, const char **ref)
{
	auto_str name = xasprintf("Control domain on host: %s", facts->hostname);
	struct xenapi_vm vm = db_blank(vm);

	TRY(make_dom0_metrics(facts, &vm.metrics));
	vm.name_label = name;
	vm.name_description = "The domain which manages physical devices and manages other domains";
	vm.power_state = XENAPI_VM_POWER_STATE_RUNNING;
	vm.user_version = 1;
	vm.is_control_domain = true;
	vm.resident_on = vm.affinity = host;
	vm.domid = 0;
	vm.domarch = "x64";
	vm.domain_type = XENAPI_DOMAIN_TYPE_PV;
	vm.memory_static_max = vm.memory_dynamic_max = vm.memory_dynamic_min = vm.memory_target =
		facts->memory_total;
	vm.memory_static_min = DOM0_MEMORY_MIN;
	vm.VCPUs_max = vm.VCPUs_at_startup = (int64_t)facts->cpus.n;
	vm.actions_after_shutdown = XENAPI_ON_NORMAL_EXIT_DESTROY;
	vm.actions_after_reboot = XENAPI_ON_NORMAL_EXIT_DESTROY;
	vm.actions_after_crash = XENAPI_ON_CRASH_BEHAVIOUR_DESTROY;
	vm.has_vendor_device = false;
	return db_create(vm, &vm, ref);
}

/* ---- all ---- */

static struct err *make_pool(const char *host)
{
	struct string_map_entry ratios[] = {
		{"memory-ratio-hvm", "0.25"}, {"memory-ratio-pv", "0.25"}};
	struct xenapi_pool pool = db_blank(pool);

	pool.master = host;
	pool.other_config = (struct string_map){ratios, ARRAY_LEN(ratios)};
	pool.ha_cluster_stack = "xhad";
	return db_create(pool, &pool, NULL);
}

struct err *fresh_pool(const struct host_facts *facts)
{
	const char *host, *dom0;

	if (db_first(pool))
		return NULL;
	TRY(make_host(facts, &host));
	TRY(make_dom0(facts, host, &dom0));
	TRY(db_write(host, host, control_domain, dom0));
	return make_pool(host);
}
