/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands of power: calls of the interface, with what an operator means by them. A start lets
 * the VM run, and a shutdown asks the guest.
 */
#include "common/codec.h"
#include "common/sbuf.h"
#include "xenopsd/cli/cli.h"

#include <string.h>

#define ASK_S "60" /* that a guest has to end, if nothing else is said */

#define WAIT \
	{ \
		"--wait", NULL, \
			"wait for the end, with a progress bar on a terminal; so it is anyway" \
	}

const struct cli_option options_of_start[] = {
	{"--paused", NULL, "leave it paused"},
	WAIT,
	{0},
};
const struct cli_option options_of_shutdown[] = {
	{"--force", NULL, "the guest is not asked"},
	{"--timeout-s", "SECONDS", "how long the guest has to end (" ASK_S ")"},
	WAIT,
	{0},
};

/* A call with a VM and other arguments. */
static MAY_WAIT struct err *call(
	struct cli *cli, const char *method, const char *vm, const char *second, const char *third)
{
	const char *argv[] = {vm, second, third};
	int argc = second ? third ? 3 : 2 : 1;

	return cli_run_call(cli, method, argc, (char **)argv);
}

static MAY_WAIT struct err *let_run(struct cli *cli, const char *vm)
{
	/* Who does not wait has it paused: there is nothing yet that could run. */
	if (cli_given(cli, "--paused") || !cli_waits(cli))
		return NULL;
	return call(cli, "VM.unpause", vm, NULL, NULL);
}

MAY_WAIT struct err *run_start(struct cli *cli, int argc, char **argv)
{
	const char *vm;

	TRY(vm_argument(cli, argc, argv, 1, &vm));
	TRY(call(cli, "VM.start", vm, NULL, NULL));
	return let_run(cli, vm);
}

static MAY_WAIT struct err *end(struct cli *cli, const char *method, int argc, char **argv)
{
	const char *given = cli_given(cli, "--timeout-s");
	const char *vm;

	TRY(vm_argument(cli, argc, argv, 1, &vm));
	if (cli_given(cli, "--force"))
		return call(cli, method, vm, NULL, NULL);
	return call(cli, method, vm, "--timeout-s", given ? given : ASK_S);
}

MAY_WAIT struct err *run_shutdown(struct cli *cli, int argc, char **argv)
{
	return end(cli, "VM.shutdown", argc, argv);
}

MAY_WAIT struct err *run_reboot(struct cli *cli, int argc, char **argv)
{
	return end(cli, "VM.reboot", argc, argv);
}

static MAY_WAIT struct err *plain(struct cli *cli, const char *method, int argc, char **argv)
{
	const char *vm;

	TRY(vm_argument(cli, argc, argv, 1, &vm));
	return call(cli, method, vm, NULL, NULL);
}

MAY_WAIT struct err *run_pause(struct cli *cli, int argc, char **argv)
{
	return plain(cli, "VM.pause", argc, argv);
}

MAY_WAIT struct err *run_unpause(struct cli *cli, int argc, char **argv)
{
	return plain(cli, "VM.unpause", argc, argv);
}

/* ---- images ---- */

/* Of a path, or SR/VDI, as the call takes it. */
static struct err *image_argument(struct cli *cli, int argc, char **argv, const char **out)
{
	struct arena *a = cli_arena(cli);
	struct xenops_disk disk = {.kind = XENOPS_DISK_LOCAL};
	auto_sbuf text = {0};

	if (argc < 2)
		return cli_usage("IMAGE", "is missing");
	const char *slash = strchr(argv[1], '/');
	if (slash == argv[1]) {
		disk.local = argv[1];
	} else if (slash) {
		disk.kind = XENOPS_DISK_VDI;
		disk.vdi.sr = arena_strndup(a, argv[1], (size_t)(slash - argv[1]));
		disk.vdi.vdi = slash + 1;
	} else {
		return cli_usage(argv[1], "is neither a path from the root nor SR/VDI");
	}
	codec_encode(&xenops_type_disk, &disk, &text);
	*out = arena_strdup(a, sbuf_str(&text));
	return NULL;
}

MAY_WAIT struct err *run_suspend(struct cli *cli, int argc, char **argv)
{
	const char *vm, *image;

	TRY(vm_argument(cli, argc, argv, 2, &vm));
	TRY(image_argument(cli, argc, argv, &image));
	return call(cli, "VM.suspend", vm, image, NULL);
}

MAY_WAIT struct err *run_resume(struct cli *cli, int argc, char **argv)
{
	const char *vm, *image;

	TRY(vm_argument(cli, argc, argv, 2, &vm));
	TRY(image_argument(cli, argc, argv, &image));
	TRY(call(cli, "VM.resume", vm, image, NULL));
	return let_run(cli, vm);
}

/* ---- elsewhere ---- */

MAY_WAIT struct err *run_migrate(struct cli *cli, int argc, char **argv)
{
	const char *vm;

	TRY(vm_argument(cli, argc, argv, 2, &vm));
	if (argc < 2)
		return cli_usage("URL", "is missing");
	return call(cli, "VM.migrate", vm, argv[1], NULL);
}
