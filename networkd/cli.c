/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * networkd-cli: the debug CLI of networkd. All its commands come from the interface; this is the
 * whole program.
 */
#include "common/cli.h"

#include "network.gen.h"

int main(int argc, char **argv)
{
	static const struct interface *const interfaces[] = {&network_interface, NULL};
	const struct cli_spec spec = {
		.program = "networkd-cli",
		.doc = "Speaks to networkd: bridges, addresses, the interfaces of guests.",
		.daemon = "networkd",
		.interfaces = interfaces,
	};

	return cli_main(argc, argv, &spec);
}
