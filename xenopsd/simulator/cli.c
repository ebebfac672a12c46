/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd-simulator-cli: looks into the simulator, and plays guests and faults. The simulator of a
 * stack in DIR is reached with --dir DIR/run/simulator.
 */
#include "common/cli.h"
#include "simulator.gen.h"

int main(int argc, char **argv)
{
	static const struct interface *const interfaces[] = {&simulator_interface, NULL};
	const struct cli_spec spec = {
		.program = "xenopsd-simulator-cli",
		.doc = "Speaks to the simulator: its domains, their guests, planned faults.",
		.daemon = "simulator",
		.interfaces = interfaces,
	};

	return cli_main(argc, argv, &spec);
}
