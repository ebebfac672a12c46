/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * networkd: the host's bridges, addresses, and the guests' interfaces on them. Its configuration is
 * made so once more before the socket opens. Read on in api_bridge.c, then bridge.c.
 */
#include "common/daemon.h"
#include "common/mem.h"
#include "common/updates.h"
#include "common/version.h"
#include "networkd/bridge.h"
#include "networkd/guest.h"
#include "networkd/net.h"
#include "networkd/networkd.h"

#include "network.gen.h"

struct networkd networkd;

static struct {
	int backend; /* of backends */
} conf;

static const char *const backend_names[] = {"kernel", "simulator", NULL};
static const struct net_ops *const backends[] = {&net_kernel, &net_simulator};

static const struct conf_key keys[] = {
	{.name = "backend",
		.kind = CONF_ENUM,
		.offset = 0,
		.standard = "kernel",
		.names = backend_names,
		.doc = "What bridges and addresses are made with: the kernel's own, or a simulator "
		       "that needs no rights and moves no packet. Read at the start only."},
	{0},
};

/* Who asks for updates without a token is told of everything. */
static void tell_of_everything(void)
{
	const struct network_config *kept = &networkd.config->kept;

	for (size_t i = 0; i < kept->bridges.n; i++)
		updates_add("bridge", kept->bridges.v[i].key);
	for (size_t i = 0; i < kept->interfaces.n; i++)
		updates_add("interface", kept->interfaces.v[i].key);
	map_for_each (slot, &networkd.guests)
		updates_add("vif", slot->key);
}

static MAY_WAIT struct err *init(void)
{
	const struct daemon_paths *paths = daemon_paths();

	networkd.net = backends[conf.backend];
	networkd.state_path = xasprintf("%s/networkd.json", paths->state);
	networkd.run_path = xasprintf("%s/networkd-run.json", paths->run);
	networkd.guests_dir = xasprintf("%s/networkd-guests", paths->run);
	mutex_init(&networkd.changing);
	TRY(config_load());
	TRY(guests_load());
	TRY(networkd.net->begin());
	TRY(networkd_apply_all());
	tell_of_everything();
	return NULL;
}

static void fini(void)
{
	if (!networkd.net)
		return;
	networkd.net->end();
	config_free(networkd.config);
	guests_free();
	mutex_fini(&networkd.changing);
	free(networkd.state_path);
	free(networkd.run_path);
	free(networkd.guests_dir);
}

int main(int argc, char **argv)
{
	static const struct service *const services[] = {&network_service, NULL};
	const struct daemon_spec spec = {
		.name = "networkd",
		.summary = "the networks of this host",
		.version = XENITH_VERSION,
		.keys = keys,
		.conf = &conf,
		.conf_size = sizeof(conf),
		.services = services,
		.init = init,
		.fini = fini,
	};

	return daemon_run(argc, argv, &spec);
}
