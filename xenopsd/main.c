/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd: the life of this host's VMs. What was added is read back from files, what was begun when
 * it was killed is repaired, and then the socket opens. Read on in api_vm.c, then plan_start.c.
 */
#include "common/daemon.h"
#include "common/mem.h"
#include "common/version.h"
#include "xenopsd/backend.h"
#include "xenopsd/xenopsd.h"

#include "xenops.gen.h"

struct xenopsd xenopsd;

static struct {
	int backend; /* of backend_names */
} conf;

static const char *const backend_names[] = {"simulator", "qemu", "libvirt", "xenlight", NULL};

static const struct conf_key keys[] = {
	{.name = "backend",
		.kind = CONF_ENUM,
		.offset = 0,
		.standard = "xenlight",
		.names = backend_names,
		.doc = "What VMs run on: Xen by libxl (xenlight), QEMU alone (qemu), libvirt, or a "
		       "simulator that needs no hypervisor. Read at the start only."},
	{0},
};

static MAY_WAIT struct err *init(void)
{
	const char *name = backend_names[conf.backend];

	TRY(backend_load(name, &xenopsd.backend));
	xenopsd.dir = xasprintf("%s/xenopsd/%s", daemon_paths()->run, name);
	return xenopsd.backend->begin();
}

static MAY_WAIT void stop(void)
{
	if (xenopsd.backend && xenopsd.backend->stop)
		xenopsd.backend->stop();
}

static void fini(void)
{
	if (xenopsd.backend)
		xenopsd.backend->end();
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
		.conf = &conf,
		.conf_size = sizeof(conf),
		.services = services,
		.init = init,
		.stop = stop,
		.fini = fini,
	};

	return daemon_run(argc, argv, &spec);
}
