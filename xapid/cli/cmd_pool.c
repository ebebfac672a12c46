/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's commands about pools of several hosts, and about VMs that move between these. Those for when
 * the master is lost log in to their own host alone.
 */
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <string.h>

/* ---- who is in it ---- */

static MAY_WAIT struct err *pool_join(struct cli *c)
{
	TRY(cli_call_long(c, cli_switch(c, "force") ? "pool.join_force" : "pool.join",
		json_pack("[s, s, s]", cli_arg(c, "master-address"), cli_arg(c, "master-username"),
			cli_arg(c, "master-password")),
		NULL));
	cli_print(c, "The host has joined, and begins anew as a member.");
	return NULL;
}

/* Whether no other host has a PBD of the SR. */
static MAY_WAIT struct err *is_of_host_alone(
	struct cli *c, const json_t *sr, const char *host, bool *out)
{
	json_t *pbds = json_object_get(sr, "PBDs"), *pbd;

	*out = json_array_size(pbds) > 0;
	for (size_t i = 0; i < json_array_size(pbds) && *out; i++) {
		TRY(cli_object(c, "PBD", json_string_value(json_array_get(pbds, i)), &pbd));
		*out = pbd && !strcmp(cli_string(pbd, "host"), host);
	}
	return NULL;
}

static MAY_WAIT struct err *list_vdis(struct cli *c, const json_t *sr)
{
	json_t *refs = json_object_get(sr, "VDIs"), *vdi;

	for (size_t i = 0; i < json_array_size(refs); i++) {
		TRY(cli_object(c, "VDI", json_string_value(json_array_get(refs, i)), &vdi));
		if (vdi)
			cli_printf(c, "VDI: %s (%s)", cli_string(vdi, "uuid"),
				cli_string(vdi, "name_label"));
	}
	return NULL;
}

static MAY_WAIT struct err *pool_eject(struct cli *c)
{
	const char *host, *ref;
	json_t *srs, *sr;
	bool is_its_own;

	TRY(cli_arg_object(c, "host", "host-uuid", &host));
	TRY(cli_objects(c, "SR", NULL, &srs));
	cli_print(c,
		"WARNING: the host that is ejected begins anew, and knows nothing of its VMs "
		"and local disks.");
	cli_print(c, "The following VDIs are lost to the pool");
	json_object_foreach(srs, ref, sr)
	{
		TRY(is_of_host_alone(c, sr, host, &is_its_own));
		if (is_its_own)
			TRY(list_vdis(c, sr));
	}
	TRY(cli_confirm(c));
	return cli_call_long(c, "pool.eject", json_pack("[s]", host), NULL);
}

/* ---- who is master ---- */

static MAY_WAIT struct err *designate(struct cli *c)
{
	const char *host;

	TRY(cli_arg_object(c, "host", "host-uuid", &host));
	return cli_call_long(c, "pool.designate_new_master", json_pack("[s]", host), NULL);
}

static MAY_WAIT struct err *recover(struct cli *c)
{
	json_t *hosts, *host;

	TRY(cli_call(c, "pool.recover_slaves", NULL, &hosts));
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		TRY(cli_object(c, "host", json_string_value(json_array_get(hosts, i)), &host));
		if (host)
			cli_print(c, cli_string(host, "uuid"));
	}
	return NULL;
}

static MAY_WAIT struct err *become_master(struct cli *c)
{
	return cli_call(c, "pool.emergency_transition_to_master", NULL, NULL);
}

static MAY_WAIT struct err *reset_master(struct cli *c)
{
	return cli_call(c, "pool.emergency_reset_master",
		json_pack("[s]", cli_arg(c, "master-address")), NULL);
}

static MAY_WAIT struct err *is_in_emergency(struct cli *c)
{
	json_t *is;

	TRY(cli_call(c, "host.is_in_emergency_mode", NULL, &is));
	cli_print(c, json_is_true(is) ? "true" : "false");
	return NULL;
}

/* ---- its database ---- */

static MAY_WAIT struct err *dump_database(struct cli *c)
{
	return cli_fetch(c, "/pool/xmldbdump", cli_arg(c, "file-name"));
}

static MAY_WAIT struct err *restore_database(struct cli *c)
{
	bool is_dry_run = cli_switch(c, "dry-run");

	TRY(cli_bring(c,
		is_dry_run ? "/pool/xmldbdump?dry_run=true" : "/pool/xmldbdump?dry_run=false",
		cli_arg(c, "file-name")));
	cli_print(c,
		is_dry_run ? "The database can be restored from this file."
			   : "The database is restored, and the host begins anew with it.");
	return NULL;
}

/* ---- VMs that move ---- */

static MAY_WAIT struct err *find_host(struct cli *c, const char **out)
{
	const char *name = cli_arg(c, "host"), *ref;
	json_t *hosts, *record;

	if (cli_arg(c, "host-uuid"))
		return cli_arg_object(c, "host", "host-uuid", out);
	if (!name)
		return cli_missing("host");
	TRY(cli_objects(c, "host", NULL, &hosts));
	json_object_foreach(cli_named(c, hosts, name), ref, record)
	{
		*out = ref;
		return NULL;
	}
	return cli_error("No matching hosts found");
}

static MAY_WAIT struct err *migrate(struct cli *c, const char *ref, const json_t *vm)
{
	const char *host;

	TRY(find_host(c, &host));
	return cli_call_long(c, "VM.pool_migrate",
		json_pack("[s, s, {s: s}]", ref, host, "live",
			cli_switch(c, "live") ? "true" : "false"),
		NULL);
}

static MAY_WAIT struct err *vm_migrate(struct cli *c)
{
	if (cli_arg(c, "remote-master"))
		return err(NOT_IMPLEMENTED, "VM.migrate_send");
	return cli_each(c, "vm", "VMs", "live host host-uuid", migrate);
}

const struct cli_command cli_pool_commands[] = {
	{"pool-join", "master-address master-username master-password", "force", pool_join,
		.doc = "Make this host a member of another's pool."},
	{"pool-eject", "host-uuid", "force", pool_eject,
		.doc = "Take a host out of the pool; it begins anew."},
	{"pool-designate-new-master", "host-uuid", "", designate,
		.doc = "Give the part of the master to another host."},
	{"pool-dump-database", "file-name", "", dump_database,
		.doc = "Write the pool's database into a new file."},
	{"pool-restore-database", "file-name", "dry-run", restore_database,
		.doc = "Restore the pool's database from such a file; dry-run only checks it."},
	{"pool-recover-slaves", "", "", recover,
		.doc = "Have the members that lost their master follow this one."},
	{"pool-emergency-transition-to-master", "", "force", become_master, .is_local = true,
		.doc = "Make this host the master of a pool that has lost its own."},
	{"pool-emergency-reset-master", "master-address", "", reset_master, .is_local = true,
		.doc = "Tell this host where its master is now."},
	{"host-is-in-emergency-mode", "", "", is_in_emergency, .is_local = true,
		.doc = "Whether this host has lost its master."},
	{"vm-migrate", "", "live host host-uuid <vm-selectors>", vm_migrate,
		.doc = "Move running VMs to another host of the pool."},
};
const size_t n_cli_pool_commands = ARRAY_LEN(cli_pool_commands);
