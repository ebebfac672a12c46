/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenops-cli: the debug CLI of xenopsd. Its commands come from the interface.
 */
#include "common/cli.h"

#include "xenops.gen.h"

int main(int argc, char **argv)
{
	static const struct interface *const interfaces[] = {&xenops_interface, NULL};
	const struct cli_spec spec = {
		.program = "xenops-cli",
		.doc = "Speaks to xenopsd: VMs, their power, drives and network interfaces.",
		.daemon = "xenopsd",
		.interfaces = interfaces,
	};

	return cli_main(argc, argv, &spec);
}
