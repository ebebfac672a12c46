/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenops-cli: the debug CLI of xenopsd. A command for each call comes from the interface; those of
 * an operator, who has names and wants an end, are in the files beside this one.
 */
#include "xenopsd/cli/cli.h"

#include "common/dialect.h"

static const struct cli_option options_of_wait[] = {
	{"--wait", NULL, "wait for the end, with a progress bar on a terminal; so it is anyway"},
	{0},
};

static const struct cli_command commands[] = {
	{"list", NULL, "Shows the VMs: state, VCPUs, memory, since when they run, name and id.",
		run_list, NULL},
	{"start", "VM", "Starts a halted VM and lets it run.", run_start, options_of_start},
	{"shutdown", "VM", "Asks a VM to halt, or pulls its plug.", run_shutdown,
		options_of_shutdown},
	{"reboot", "VM", "Asks a VM to reboot, or does it to it.", run_reboot, options_of_shutdown},
	{"pause", "VM", "Stops a running VM where it is.", run_pause, options_of_wait},
	{"unpause", "VM", "Lets a paused VM go on.", run_unpause, options_of_wait},
	{"suspend", "VM IMAGE",
		"Writes a running VM to an image: a path, or SR/VDI. Its memory is then free.",
		run_suspend, options_of_wait},
	{"resume", "VM IMAGE", "Brings a VM back from its image and lets it go on.", run_resume,
		options_of_start},
	{"migrate", "VM URL",
		"Sends a running VM to another host: its URL is a secret, @FILE or - (standard "
		"input).",
		run_migrate, options_of_wait},
	{"console", "VM", "Is the VM's text console, until it ends or ^] is typed.", run_console,
		NULL},
};

int main(int argc, char **argv)
{
	static const struct interface *const interfaces[] = {&xenops_interface, NULL};
	const struct cli_spec spec = {
		.program = "xenops-cli",
		.doc = "Speaks to xenopsd: VMs, their power, drives and network interfaces. Where "
		       "a VM is wanted, its name does as well as its id.",
		.daemon = "xenopsd",
		.interfaces = interfaces,
		.commands = commands,
		.n_commands = ARRAY_LEN(commands),
		.find = find_id,
	};

	return cli_main(argc, argv, &spec);
}
