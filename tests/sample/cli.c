/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sample-cli: the debug CLI of the sample daemon. All its commands come from the interface; this is
 * the whole program.
 */
#include "common/cli.h"

#include "sample.gen.h"

int main(int argc, char **argv)
{
	static const struct interface *const interfaces[] = {&sample_interface, NULL};
	const struct cli_spec spec = {
		.program = "sample-cli",
		.doc = "Speaks to a sample daemon.",
		.daemon = "sampled",
		.interfaces = interfaces,
	};

	return cli_main(argc, argv, &spec);
}
