/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd: the life of this host's VMs. What was added is read back from files, what was begun when
 * it was killed is repaired, and then the socket opens. Read on in api_vm.c, then plan_start.c.
 */
#include "common/daemon.h"
#include "common/diagnostics.h"
#include "common/mem.h"
#include "common/version.h"
#include "xenopsd/agent_features.h"
#include "xenopsd/backend.h"
#include "xenopsd/damage.h"
#include "xenopsd/disk.h"
#include "xenopsd/files.h"
#include "xenopsd/memory.h"
#include "xenopsd/nic.h"
#include "xenopsd/plans.h"
#include "xenopsd/queue.h"
#include "xenopsd/repair.h"
#include "xenopsd/xenopsd.h"

#include "xenops.gen.h"

struct xenopsd xenopsd;

struct xenopsd_conf xenopsd_conf;

static const char *const backend_names[] = {"simulator", "qemu", "libvirt", "xenlight", NULL};

static const struct conf_key keys[] = {
	{.name = "backend",
		.kind = CONF_ENUM,
		.offset = offsetof(struct xenopsd_conf, backend),
		.standard = "xenlight",
		.names = backend_names,
		.doc = "What VMs run on: Xen by libxl (xenlight), QEMU alone (qemu), libvirt, or a "
		       "simulator that needs no hypervisor. Read at the start only."},
	{.name = "worker-pool-size",
		.kind = CONF_INT,
		.offset = offsetof(struct xenopsd_conf, workers),
		.standard = "16",
		.min = 1,
		.max = 1000,
		.doc = "How many VMs are worked on at once."},
	{.name = "hooks",
		.kind = CONF_PATH,
		.offset = offsetof(struct xenopsd_conf, hooks),
		.standard = "",
		.doc = "The folder of the hooks, with a folder vm-pre-start and the like for each; "
		       "empty for that of the installation, /usr/libexec/xenith/hooks."},
	{.name = "hook-timeout",
		.kind = CONF_DURATION,
		.offset = offsetof(struct xenopsd_conf, hook_timeout_ns),
		.standard = "300s",
		.min = NS_PER_S,
		.max = 86400 * NS_PER_S,
		.doc = "A program of a hook that is not done by then is ended, and has failed."},
	{.name = "coredumps",
		.kind = CONF_PATH,
		.offset = offsetof(struct xenopsd_conf, coredumps),
		.standard = "",
		.doc = "Where the memory of crashed guests is written to when their VMs want so, one "
		       "file a VM; empty for /var/lib/xenith/coredump."},
	{.name = "reboot-delay",
		.kind = CONF_DURATION,
		.offset = offsetof(struct xenopsd_conf, reboot_delay_ns),
		.standard = "15s",
		.min = 0,
		.max = 86400 * NS_PER_S,
		.doc = "A guest that reboots by itself soon after its start (short-run) waits so "
		       "long before it is started anew."},
	{.name = "short-run",
		.kind = CONF_DURATION,
		.offset = offsetof(struct xenopsd_conf, short_run_ns),
		.standard = "0s",
		.min = 0,
		.max = 86400 * NS_PER_S,
		.doc = "What soon is for reboot-delay; 0s: as suits the backend, two minutes on Xen."},
	{0},
};

static struct diagnostics_section queue_section = {.name = "queue", .write = queue_dump};
static struct diagnostics_section memory_section = {.name = "memory", .write = memory_dump};
static struct diagnostics_section damage_section = {.name = "damaged", .write = damage_dump};
static struct diagnostics_section repair_section = {.name = "repairs", .write = repair_dump};

static MAY_WAIT struct err *reload(void)
{
	queue_set_workers(xenopsd_conf.workers);
	return NULL;
}

static MAY_WAIT struct err *init(void)
{
	const char *name = backend_names[xenopsd_conf.backend];

	TRY(backend_load(name, &xenopsd.backend));
	xenopsd.dir = xasprintf("%s/xenopsd/%s", daemon_paths()->run, name);
	diagnostics_add(&queue_section);
	diagnostics_add(&memory_section);
	diagnostics_add(&repair_section);
	diagnostics_add(&damage_section);
	queue_set_workers(xenopsd_conf.workers);
	memory_begin();
	disk_begin();
	nic_begin();
	TRY(agent_features_begin());
	TRY(files_load());
	TRY(xenopsd.backend->begin());
	TRY(repair_all());
	/* Some may have been told to have less for a while. */
	memory_changed();
	/* Who asks for updates without a token is told of everything. */
	map_for_each (slot, &vms)
		vm_tell(slot->value);
	return NULL;
}

static MAY_WAIT void stop(void)
{
	if (xenopsd.backend && xenopsd.backend->stop)
		xenopsd.backend->stop();
}

static void fini(void)
{
	if (!xenopsd.dir)
		return;
	vms_free();
	xenopsd.backend->end();
	memory_end();
	agent_features_end();
	disk_end();
	nic_end();
	diagnostics_remove(&queue_section);
	diagnostics_remove(&memory_section);
	diagnostics_remove(&repair_section);
	diagnostics_remove(&damage_section);
	damage_free();
	free(xenopsd.dir);
}

int main(int argc, char **argv)
{
	static const struct service *const services[] = {&xenops_service, NULL};
	const struct daemon_spec spec = {
		.name = "xenopsd",
		.summary = "the life of this host's VMs",
		.version = XENITH_VERSION,
		.keys = keys,
		.conf = &xenopsd_conf,
		.conf_size = sizeof(xenopsd_conf),
		.services = services,
		.descriptors = 8, /* streams of migrations */
		.init = init,
		.reload = reload,
		.stop = stop,
		.fini = fini,
	};

	return daemon_run(argc, argv, &spec);
}
