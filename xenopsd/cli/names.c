/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of VMs for their ids (cli.h). An id wins over a name; a name that several have is refused
 * with their ids, and one that nobody has is taken for an id, so that xenopsd says what is wrong.
 */
#include "common/mem.h"
#include "common/sbuf.h"
#include "common/uuid.h"
#include "core.gen.h"
#include "xenopsd/cli/cli.h"

#include <string.h>

static MAY_WAIT struct err *is_known(struct cli *cli, const char *id, bool *out)
{
	const struct xenops_vm_stat_in in = {id};
	struct xenops_vm_stat stat;
	struct err *e =
		xenops_vm_stat(cli_client(cli), &in, cli_arena(cli), &stat, cli_deadline(cli));

	*out = !e;
	if (!err_is(e, &ERR_Does_not_exist))
		return e;
	err_free(e);
	return NULL;
}

static MAY_WAIT struct err *find_name(struct cli *cli, const char *name, const char **out)
{
	struct xenops_vm_stat_list all;
	auto_sbuf ids = {0};
	size_t n = 0;

	TRY(xenops_vm_list(cli_client(cli), cli_arena(cli), &all, cli_deadline(cli)));
	for (size_t i = 0; i < all.n; i++) {
		if (strcmp(all.v[i].vm.name, name) != 0)
			continue;
		*out = all.v[i].vm.vm;
		sbuf_printf(&ids, "%s%s", n++ ? ", " : "is the name of several VMs: ", *out);
	}
	return n > 1 ? cli_usage(name, sbuf_str(&ids)) : NULL;
}

static MAY_WAIT struct err *find_vm(struct cli *cli, const char *text, const char **out)
{
	struct uuid uuid;
	bool is_id = !uuid_from_text(&uuid, text);

	*out = text;
	if (!is_id)
		TRY(is_known(cli, text, &is_id));
	return is_id ? NULL : find_name(cli, text, out);
}

static bool is_device(const struct type *id)
{
	static const char *const devices[] = {"vbd_id", "vif_id", "pci_id", "vgpu_id", "vusb_id"};

	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		if (!strcmp(id->name, devices[i]))
			return true;
	return false;
}

struct err *find_id(struct cli *cli, const struct type *id, const char *text, const char **out)
{
	const char *slash = strrchr(text, '/'), *vm;

	if (!strcmp(id->name, "vm_id"))
		return find_vm(cli, text, out);
	*out = text;
	if (!is_device(id) || !slash)
		return NULL;
	TRY(find_vm(cli, arena_strndup(cli_arena(cli), text, (size_t)(slash - text)), &vm));
	*out = arena_printf(cli_arena(cli), "%s%s", vm, slash);
	return NULL;
}

struct err *vm_argument(struct cli *cli, int argc, char **argv, int most, const char **out)
{
	if (argc < 1)
		return cli_usage("VM", "is missing");
	if (argc > most)
		return cli_usage(argv[most], "is one argument too many");
	return find_vm(cli, argv[0], out);
}
