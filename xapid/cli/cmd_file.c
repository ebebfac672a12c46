/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's commands that fetch or bring files: the audit, logs and the state of a host, blobs; and
 * those about a host's certificate.
 */
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <string.h>

/* ---- what a host has to tell ---- */

static MAY_WAIT struct err *audit_log_get(struct cli *c)
{
	const char *since = cli_arg(c, "since");

	return cli_fetch(c,
		since ? arena_printf(c->arena, "/audit_log?since=%s", cli_escaped(c, since))
		      : "/audit_log",
		cli_arg(c, "filename"));
}

static MAY_WAIT struct err *logs_one(struct cli *c, const char *ref, const json_t *host)
{
	const char *file = cli_arg(c, "file-name");

	if (!file)
		return cli_missing("file-name");
	return cli_fetch(c,
		arena_printf(c->arena, "/host_logs_download?host=%s", cli_string(host, "uuid")),
		file);
}

static MAY_WAIT struct err *logs(struct cli *c)
{
	return cli_each(c, "host", "hosts", "file-name", logs_one);
}

static MAY_WAIT struct err *status_one(struct cli *c, const char *ref, const json_t *host)
{
	const char *entries = cli_arg(c, "entries"), *output = cli_arg(c, "output");

	return cli_fetch(c,
		arena_printf(c->arena, "/system-status?host=%s&output=%s%s%s",
			cli_string(host, "uuid"), output ? cli_escaped(c, output) : "tar.bz2",
			entries ? "&entries=" : "", entries ? cli_escaped(c, entries) : ""),
		cli_arg(c, "filename"));
}

static MAY_WAIT struct err *status(struct cli *c)
{
	return cli_each(c, "host", "hosts", "filename entries output", status_one);
}

static MAY_WAIT struct err *print_string(struct cli *c, const char *message, const char *ref)
{
	const char *text;

	TRY(cli_call_string(c, message, json_pack("[s]", ref), &text));
	cli_print(c, text);
	return NULL;
}

static MAY_WAIT struct err *capabilities_one(struct cli *c, const char *ref, const json_t *host)
{
	return print_string(c, "host.get_system_status_capabilities", ref);
}

static MAY_WAIT struct err *capabilities(struct cli *c)
{
	return cli_each(c, "host", "hosts", "", capabilities_one);
}

static MAY_WAIT struct err *log_one(struct cli *c, const char *ref, const json_t *host)
{
	return print_string(c, "host.get_log", ref);
}

static MAY_WAIT struct err *get_log(struct cli *c)
{
	return cli_each(c, "host", "hosts", "", log_one);
}

static MAY_WAIT struct err *syslog_reconfigure(struct cli *c)
{
	const char *host;

	TRY(cli_arg_object(c, "host", "host-uuid", &host));
	return cli_call_long(c, "host.syslog_reconfigure", json_pack("[s]", host), NULL);
}

/* ---- its certificate ---- */

static MAY_WAIT struct err *certificate_one(struct cli *c, const char *ref, const json_t *host)
{
	return print_string(c, "host.get_server_certificate", ref);
}

static MAY_WAIT struct err *certificate(struct cli *c)
{
	return cli_each(c, "host", "hosts", "", certificate_one);
}

static MAY_WAIT struct err *install_one(struct cli *c, const char *ref, const json_t *host)
{
	const char *chain_file = cli_arg(c, "certificate-chain");
	const char *cert, *key, *chain = "";

	TRY(cli_load(c, cli_arg(c, "certificate"), &cert));
	TRY(cli_load(c, cli_arg(c, "private-key"), &key));
	if (chain_file)
		TRY(cli_load(c, chain_file, &chain));
	return cli_call_long(c, "host.install_server_certificate",
		json_pack("[s, s, s, s]", ref, cert, key, chain), NULL);
}

static MAY_WAIT struct err *install(struct cli *c)
{
	return cli_each(
		c, "host", "hosts", "certificate private-key certificate-chain", install_one);
}

static MAY_WAIT struct err *refresh(struct cli *c)
{
	const char *host;

	TRY(cli_arg_object(c, "host", "host", &host));
	return cli_call_long(c, "host.refresh_server_certificate", json_pack("[s]", host), NULL);
}

static MAY_WAIT struct err *reset_one(struct cli *c, const char *ref, const json_t *host)
{
	return cli_call_long(c, "host.reset_server_certificate", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *reset(struct cli *c)
{
	return cli_each(c, "host", "hosts", "", reset_one);
}

static MAY_WAIT struct err *emergency_reset(struct cli *c)
{
	return cli_call(c, "host.emergency_reset_server_certificate", NULL, NULL);
}

/* ---- blobs ---- */

static MAY_WAIT struct err *blob_create(struct cli *c)
{
	static const struct {
		const char *key, *class;
	} owners[] = {{"vm-uuid", "VM"}, {"host-uuid", "host"}, {"sr-uuid", "SR"},
		{"network-uuid", "network"}, {"pool-uuid", "pool"}};
	const char *owner, *blob, *type = cli_arg(c, "mime-type");

	for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
		if (!cli_arg(c, owners[i].key))
			continue;
		TRY(cli_arg_object(c, owners[i].class, owners[i].key, &owner));
		TRY(cli_call_string(c,
			arena_printf(c->arena, "%s.create_new_blob", owners[i].class),
			json_pack("[s, s, s, b]", owner, cli_arg(c, "name"), type ? type : "",
				cli_switch(c, "public")),
			&blob));
		return cli_print_uuid(c, "blob", blob);
	}
	return cli_error("A blob needs an object that it is kept with: vm-uuid or the like");
}

static const char *blob_path(struct cli *c)
{
	return arena_printf(c->arena, "/blob?uuid=%s", cli_escaped(c, cli_arg(c, "uuid")));
}

static MAY_WAIT struct err *blob_get(struct cli *c)
{
	const char *ref;

	TRY(cli_arg_object(c, "blob", "uuid", &ref));
	return cli_fetch(c, blob_path(c), cli_arg(c, "filename"));
}

static MAY_WAIT struct err *blob_put(struct cli *c)
{
	const char *ref;

	TRY(cli_arg_object(c, "blob", "uuid", &ref));
	return cli_bring(c, blob_path(c), cli_arg(c, "filename"));
}

static MAY_WAIT struct err *blob_destroy(struct cli *c)
{
	const char *ref;

	TRY(cli_arg_object(c, "blob", "uuid", &ref));
	return cli_call(c, "blob.destroy", json_pack("[s]", ref), NULL);
}

/* ---- diagnostics ---- */

static MAY_WAIT struct err *print_map(struct cli *c, const char *message, json_t *params)
{
	json_t *map, *value;
	const char *key;

	TRY(cli_call(c, message, params, &map));
	json_object_foreach(map, key, value) cli_printf(c, "%s: %s", key, json_string_value(value));
	return NULL;
}

static MAY_WAIT struct err *db_stats(struct cli *c)
{
	return print_map(c, "Diagnostics.db_stats", NULL);
}

static MAY_WAIT struct err *gc_stats_one(struct cli *c, const char *ref, const json_t *host)
{
	return print_map(c, "Diagnostics.gc_stats", json_pack("[s]", ref));
}

static MAY_WAIT struct err *gc_stats(struct cli *c)
{
	return cli_each(c, "host", "hosts", "", gc_stats_one);
}

static MAY_WAIT struct err *compact_one(struct cli *c, const char *ref, const json_t *host)
{
	return cli_call(c, "Diagnostics.gc_compact", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *compact(struct cli *c)
{
	return cli_each(c, "host", "hosts", "", compact_one);
}

const struct cli_command cli_file_commands[] = {
	{"audit-log-get", "filename", "since", audit_log_get,
		.doc = "Fetch who did what, from a point in time on, into a new file."},
	{"host-logs-download", "", "file-name <host-selectors>", logs,
		.doc = "Fetch the logs of a host into a new file, a tar.gz."},
	{"host-get-system-status", "filename", "entries output <host-selectors>", status,
		.doc = "Fetch what helps to find a fault of a host into a new file; output is tar, "
		       "tar.bz2 or zip."},
	{"host-get-system-status-capabilities", "", "<host-selectors>", capabilities,
		.doc = "Tell of the entries that host-get-system-status knows."},
	{"host-get-log", "", "<host-selectors>", get_log, .doc = "Print the end of a host's log."},
	{"host-syslog-reconfigure", "host-uuid", "", syslog_reconfigure,
		.doc = "Send a host's log to where its logging:syslog_destination says."},
	{"host-get-server-certificate", "", "<host-selectors>", certificate,
		.doc = "Print the certificate that a host shows."},
	{"host-server-certificate-install", "certificate private-key",
		"certificate-chain <host-selectors>", install,
		.doc = "Give a host another certificate, of these files."},
	{"host-refresh-server-certificate", "host", "", refresh,
		.doc = "Make the certificate that a host has signed itself anew."},
	{"host-reset-server-certificate", "", "<host-selectors>", reset,
		.doc = "Have a host sign its certificate itself."},
	{"host-emergency-reset-server-certificate", "", "", emergency_reset,
		.doc = "The same on this host, whether its pool can be reached or not.",
		.is_local = true},
	{"blob-create", "name", "mime-type vm-uuid host-uuid sr-uuid network-uuid pool-uuid public",
		blob_create, .doc = "Make a blob that is kept with an object."},
	{"blob-get", "uuid filename", "", blob_get, .doc = "Fetch a blob into a new file."},
	{"blob-put", "uuid filename", "", blob_put, .doc = "Put a file's bytes into a blob."},
	{"blob-destroy", "uuid", "", blob_destroy, .doc = "Destroy a blob."},
	{"diagnostic-db-stats", "", "", db_stats, .doc = "Print how much the database has."},
	{"diagnostic-gc-stats", "", "<host-selectors>", gc_stats,
		.doc = "Print how much memory xapid has."},
	{"diagnostic-compact", "", "<host-selectors>", compact,
		.doc = "Have xapid give back memory that it does not need."},
};
const size_t n_cli_file_commands = ARRAY_LEN(cli_file_commands);
