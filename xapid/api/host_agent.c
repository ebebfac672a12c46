/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host and its agent, which is xapid. host.restart_agent: xapid ends, and whoever runs it
 * (xenith, systemd) starts it again; guests and the other daemons go on meanwhile.
 */
#define LOG_MODULE "host"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/fiber.h"
#include "common/log.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/host/hostname.h"

#include "xenapi.gen.h"

/* So that the answer is out before, and a client that asks next is not cut off. */
#define PAUSE (300 * NS_PER_MS)

static MAY_WAIT void end(void *arg)
{
	err_free(fiber_sleep(PAUSE));
	daemon_stop(DAEMON_EXIT_FAILED); /* with which every supervisor starts it again */
}

MAY_WAIT struct err *xapi_host_restart_agent(
	struct call *c, const struct xenapi_host_restart_agent_in *in)
{
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	log_info("restarting: %s wants it", xapi_call(c)->user);
	return fiber_spawn(NULL, end, NULL, "restart");
}

MAY_WAIT struct err *xapi_host_set_hostname_live(
	struct call *c, const struct xenapi_host_set_hostname_live_in *in)
{
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	TRY(hostname_set(in->hostname));
	TRY(db_write(host, in->host, hostname, in->hostname));
	return db_map_put(host, in->host, software_version, "hostname", in->hostname);
}

static MAY_WAIT void end_for_good(void *arg)
{
	err_free(fiber_sleep(PAUSE));
	daemon_stop(DAEMON_EXIT_OK);
}

/* Of this host. What runs it does not start it again. */
MAY_WAIT struct err *xapi_host_shutdown_agent(struct call *c)
{
	log_info("ending: %s wants it", xapi_call(c)->user);
	return fiber_spawn(NULL, end_for_good, NULL, "end");
}
