/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sm-cli: the debug CLI of smd. All its commands come from the interface; this is the whole
 * program.
 */
#include "common/cli.h"

#include "storage.gen.h"

int main(int argc, char **argv)
{
	static const struct interface *const interfaces[] = {&storage_interface, NULL};
	const struct cli_spec spec = {
		.program = "sm-cli",
		.doc = "Speaks to smd: storage repositories, their VDIs, who uses them.",
		.daemon = "smd",
		.interfaces = interfaces,
	};

	return cli_main(argc, argv, &spec);
}
