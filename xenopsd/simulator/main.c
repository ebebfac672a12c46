/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulator: a hypervisor in memory (idl/simulator.idl), in a process of its own, so that its
 * domains outlive the xenopsd that made them, as those of a hypervisor do. xenopsd starts it as a
 * companion in RUN/simulator. Read on in domain.c.
 */
#include "common/daemon.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/version.h"
#include "xenopsd/simulator/simulator.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct simulator simulator = {.faults_fd = -1};

static MAY_WAIT struct err *init(void)
{
	const struct daemon_paths *paths = daemon_paths();
	auto_str faults = xasprintf("%s/faults", paths->run);

	simulator.memory_bytes = (int64_t)1 << 40;
	simulator.has_power_buttons = true;
	simulator.console_dir = xasprintf("%s/console", paths->run);
	int r = dir_make(simulator.console_dir, 0755);
	if (r)
		return err_errno(-r, "making %s", simulator.console_dir);
	simulator.faults_fd = open(faults, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return simulator.faults_fd < 0 ? err_errno(errno, "making %s", faults) : NULL;
}

static void fini(void)
{
	struct map_slot *slot;

	while ((slot = map_slot_from(&simulator.domains, simulator.domains.slots)))
		domain_free(slot->value);
	map_fini(&simulator.domains);
	vec_for_each (i, &simulator.quarantine)
		free(simulator.quarantine.v[i]);
	vec_fini(&simulator.quarantine);
	faults_fini();
	free(simulator.console_dir);
	if (simulator.faults_fd >= 0)
		close(simulator.faults_fd);
}

int main(int argc, char **argv)
{
	static const struct service *const services[] = {&simulator_service, NULL};
	const struct daemon_spec spec = {
		.name = "simulator",
		.summary = "a hypervisor in memory, for xenopsd",
		.version = XENITH_VERSION,
		.services = services,
		.init = init,
		.fini = fini,
	};

	return daemon_run(argc, argv, &spec);
}
