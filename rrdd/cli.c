/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rrd-cli: the debug CLI of rrdd. All its commands come from the interface; this is the whole
 * program.
 */
#include "common/cli.h"

#include "rrd.gen.h"

int main(int argc, char **argv)
{
	static const struct interface *const interfaces[] = {&rrd_interface, NULL};
	const struct cli_spec spec = {
		.program = "rrd-cli",
		.doc = "Speaks to rrdd: what the host and its VMs did.",
		.daemon = "rrdd",
		.interfaces = interfaces,
	};

	return cli_main(argc, argv, &spec);
}
