/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rrdd: what the host and its VMs did, sampled each 5 seconds and kept for a year. Read on in
 * sampler.c, then series.h and owner.h.
 */
#include "common/daemon.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "common/version.h"
#include "rrdd/owner.h"
#include "rrdd/rrdd.h"
#include "rrdd/sampler.h"

struct rrdd rrdd;

static struct err *make_dir(const char *dir)
{
	int r = dir_make(dir, 0750);

	return r ? err_errno(-r, "making %s", dir) : NULL;
}

static MAY_WAIT struct err *init(void)
{
	const struct daemon_paths *paths = daemon_paths();
	auto_str xenopsd = xasprintf("%s/xenopsd.sock", paths->run);

	rrdd.series_dir = xasprintf("%s/rrdd", paths->run);
	rrdd.archive_dir = xasprintf("%s/rrd", paths->state);
	rrdd.xenopsd = rpc_client_new(xenopsd, NULL);
	TRY(make_dir(rrdd.series_dir));
	TRY(make_dir(rrdd.archive_dir));
	TRY(owners_open());
	return sampler_start();
}

/* What only the run directory has is gone after a reboot. */
static MAY_WAIT void stop(void)
{
	auto_err e = owners_feed_all();

	if (e)
		log_err(LOG_WARN_, e, "not all archives are up to date");
}

static void fini(void)
{
	owners_close();
	rpc_client_free(rrdd.xenopsd);
	free(rrdd.series_dir);
	free(rrdd.archive_dir);
}

int main(int argc, char **argv)
{
	static const struct service *const services[] = {&rrd_service, NULL};
	const struct daemon_spec spec = {
		.name = "rrdd",
		.summary = "the metrics of this host and its VMs",
		.version = XENITH_VERSION,
		.services = services,
		.init = init,
		.stop = stop,
		.fini = fini,
	};

	return daemon_run(argc, argv, &spec);
}
