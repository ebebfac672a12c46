/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xapid: the XenAPI. Here it is put together: the database is opened first, who serves clients
 * comes last. Read on in db/db.h, then gate/gate.h and api/.
 */
#include "common/clock.h"
#include "common/daemon.h"
#include "common/mem.h"
#include "common/stream.h"
#include "common/version.h"
#include "xapid/api/audit_log.h"
#include "xapid/api/blob.h"
#include "xapid/api/database.h"
#include "xapid/api/event_kept.h"
#include "xapid/api/import_vdi.h"
#include "xapid/api/report.h"
#include "xapid/api/rrd.h"
#include "xapid/api/unbuilt.h"
#include "xapid/api/vmss.h"
#include "xapid/cli/cli.h"
#include "xapid/db/db.h"
#include "xapid/door/door.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/audit_file.h"
#include "xapid/gate/gate.h"
#include "xapid/guests.h"
#include "xapid/host/certificate.h"
#include "xapid/host/host.h"
#include "xapid/host/role.h"
#include "xapid/link/link.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/blob.h"
#include "xapid/rules/rules.h"
#include "xapid/xapid.h"
#include "xapid/xmldb/xmldb.h"

#include "control.gen.h"

#include <unistd.h>

/* As in enum xapid_auth. */
static const char *const auth_names[] = {"pam", "file", NULL};

/* As in enum xapid_users. */
static const char *const users_names[] = {"superuser", "subject", NULL};

static const struct conf_key keys[] = {
	{.name = "address",
		.kind = CONF_STRING,
		.offset = offsetof(struct xapid_conf, address),
		.standard = "::",
		.doc = "The address that HTTP and HTTPS are served on."},
	{.name = "port",
		.kind = CONF_INT,
		.offset = offsetof(struct xapid_conf, port),
		.standard = "80",
		.min = 0,
		.max = 65535,
		.doc = "The port of HTTP; 0 for none."},
	{.name = "tls_port",
		.kind = CONF_INT,
		.offset = offsetof(struct xapid_conf, tls_port),
		.standard = "443",
		.min = 0,
		.max = 65535,
		.doc = "The port of HTTPS; 0 for none."},
	{.name = "connections",
		.kind = CONF_INT,
		.offset = offsetof(struct xapid_conf, connections),
		.standard = "16384",
		.min = 16,
		.max = 1000000,
		.doc = "So many connections of clients may be open; for one more, that which was "
		       "idle longest is closed."},
	{.name = "session_rate",
		.kind = CONF_INT,
		.offset = offsetof(struct xapid_conf, session_rate),
		.standard = "200000",
		.min = 0,
		.max = 1000000000,
		.doc = "So many calls a second one session may make, after as many at once; those "
		       "beyond are answered LIMIT_EXCEEDED. 0: as many as it likes."},
	{.name = "caller_wait",
		.kind = CONF_DURATION,
		.offset = offsetof(struct xapid_conf, caller_wait_ns),
		.standard = "10s",
		.min = 0,
		.max = 3600 * NS_PER_S,
		.doc = "So long a call of a caller that has a Rate_limit waits for its turn; one "
		       "that would have to wait for longer is answered LIMIT_EXCEEDED."},
	{.name = "register_callers",
		.kind = CONF_BOOL,
		.offset = offsetof(struct xapid_conf, register_callers),
		.standard = "false",
		.doc = "Whether a client that logs in, told by its user agent and address, gets a "
		       "row of Caller by itself."},
	{.name = "idle_timeout",
		.kind = CONF_DURATION,
		.offset = offsetof(struct xapid_conf, idle_ns),
		.standard = "15min",
		.min = NS_PER_S,
		.max = 86400 * NS_PER_S,
		.doc = "A connection without a request for so long is closed."},
	{.name = "auth",
		.kind = CONF_ENUM,
		.offset = offsetof(struct xapid_conf, auth),
		.standard = "pam",
		.names = auth_names,
		.doc = "Where accounts are looked up: PAM's service xapid, or xapid.passwd in the "
		       "state directory, for development."},
	{.name = "pam_users",
		.kind = CONF_ENUM,
		.offset = offsetof(struct xapid_conf, pam_users),
		.standard = "superuser",
		.names = users_names,
		.doc = "What those are whom PAM lets in, beside root: superusers of the pool, or "
		       "what the roles of their subjects say. A subject's identifier is the name "
		       "that its user logs in with; who has none is refused."},
	{.name = "login_timeout",
		.kind = CONF_DURATION,
		.offset = offsetof(struct xapid_conf, login_ns),
		.standard = "30s",
		.min = NS_PER_S,
		.max = 600 * NS_PER_S,
		.doc = "PAM answers within this time, or the login has failed."},
	{.name = "plugins",
		.kind = CONF_PATH,
		.offset = offsetof(struct xapid_conf, plugins),
		.standard = "",
		.doc = "The folder of the programs that host.call_plugin runs; empty for that of "
		       "the installation, /usr/libexec/xenith/plugins."},
	{.name = "shutdown_command",
		.kind = CONF_STRING,
		.offset = offsetof(struct xapid_conf, shutdown_command),
		.standard = "/sbin/shutdown -h now",
		.doc = "The program, with its arguments, that host.shutdown runs."},
	{.name = "reboot_command",
		.kind = CONF_STRING,
		.offset = offsetof(struct xapid_conf, reboot_command),
		.standard = "/sbin/shutdown -r now",
		.doc = "The program, with its arguments, that host.reboot runs."},
	{.name = "uefi_tools",
		.kind = CONF_PATH,
		.offset = offsetof(struct xapid_conf, uefi_tools),
		.standard = "/usr/bin",
		.doc = "The folder of varstore-ls and varstore-sb-state, which read and set the "
		       "UEFI variables of VMs."},
	{.name = "uefi_certificates",
		.kind = CONF_PATH,
		.offset = offsetof(struct xapid_conf, uefi_certificates),
		.standard = "/var/lib/varstored",
		.doc = "The folder of the certificates that guests boot securely with: PK.auth, "
		       "KEK.auth, db.auth and dbx.auth."},
	{.name = "sys",
		.kind = CONF_PATH,
		.offset = offsetof(struct xapid_conf, sys),
		.standard = "/sys",
		.doc = "Where the kernel tells of the host's PCI and USB devices."},
	{.name = "pci_ids",
		.kind = CONF_PATH,
		.offset = offsetof(struct xapid_conf, pci_ids),
		.standard = "/usr/share/misc/pci.ids",
		.doc = "The list of the names of PCI devices; what is not there has no name."},
	{.name = "guests_stop_timeout",
		.kind = CONF_DURATION,
		.offset = offsetof(struct xapid_conf, guests_stop_ns),
		.standard = "5min",
		.min = NS_PER_S,
		.max = 86400 * NS_PER_S,
		.doc = "So long a guest may take to shut down when the toolstack stops and its VM "
		       "says that it is to; then its plug is pulled."},
	{.name = "logs",
		.kind = CONF_PATH,
		.offset = offsetof(struct xapid_conf, logs),
		.standard = "",
		.doc = "The folder of the daemons' logs, for those who download them; empty where "
		       "the journal has them."},
	{.name = "audit_size",
		.kind = CONF_SIZE,
		.offset = offsetof(struct xapid_conf, audit_size),
		.standard = "16MiB",
		.min = 64 * 1024,
		.max = INT64_C(1) << 40,
		.doc = "xapid-audit.log in the state directory, which tells of every call that is "
		       "to change something, steps aside at this size."},
	{.name = "audit_files",
		.kind = CONF_INT,
		.offset = offsetof(struct xapid_conf, audit_files),
		.standard = "7",
		.min = 0,
		.max = AUDIT_FILES_MAX,
		.doc = "So many older files of the audit are kept beside it, as "
		       "xapid-audit.log.1 and so on."},
	{.name = "cache_size",
		.kind = CONF_SIZE,
		.offset = offsetof(struct xapid_conf, cache_size),
		.standard = "64MiB",
		.doc = "Memory for the wire forms of records, which are kept until they change."},
	{.name = "backup_interval",
		.kind = CONF_DURATION,
		.offset = offsetof(struct xapid_conf, backup_ns),
		.standard = "1h",
		.min = NS_PER_S,
		.max = 365 * 86400 * NS_PER_S,
		.doc = "How long after a copy of a database that has changed the next one is made. "
		       "When the file is damaged, the newest copy takes its place."},
	{.name = "heartbeat",
		.kind = CONF_DURATION,
		.offset = offsetof(struct xapid_conf, heartbeat_ns),
		.standard = "10s",
		.min = 100 * NS_PER_MS,
		.max = 600 * NS_PER_S,
		.doc = "So often the master of a pool says something to each member; who is silent "
		       "for three times as long is taken for gone. The same on all hosts."},
	{.name = "evacuation_batch_size",
		.kind = CONF_INT,
		.offset = offsetof(struct xapid_conf, evacuation_batch),
		.standard = "10",
		.min = 1,
		.max = 1000,
		.doc = "host.evacuate moves so many VMs at once, where the call does not say."},
	{.name = "withheld",
		.kind = CONF_STRING,
		.offset = offsetof(struct xapid_conf, withheld),
		.standard = "",
		.doc = "A message, VM.clone say, that is answered NOT_IMPLEMENTED to whoever may "
		       "send it: so tests prove that they need it."},
	{0},
};

static MAY_WAIT struct err *open_door(void)
{
	const struct daemon_paths *paths = daemon_paths();
	auto_str unix_path = xasprintf("%s/xapi", paths->run);
	auto_str cert_path = certificate_path();
	auto_str www = xasprintf("%s/www", paths->share);
	const struct door_conf conf = {
		.address = xapid_conf.address,
		.port = xapid_conf.port,
		.tls_port = xapid_conf.tls_port,
		.connections = xapid_conf.connections,
		.idle_ns = xapid_conf.idle_ns,
		.unix_path = unix_path,
		.cert_path = cert_path,
		.www = www,
	};

	door_add_routes(cli_routes, n_cli_routes);
	stream_limit_old_bytes((size_t)xapid_conf.cache_size);
	return door_open(&conf);
}

static MAY_WAIT struct err *begin_as_master(void)
{
	TRY(host_start());
	TRY(blob_start());
	rules_start();
	TRY(vmss_start());
	TRY(links_start(daemon_paths()->run));
	return guests_start();
}

/* The copy of the master's database is whole. */
static MAY_WAIT struct err *begin_as_member(void)
{
	TRY(host_start());
	TRY(certificate_note());
	TRY(links_start(daemon_paths()->run));
	return guests_start();
}

static MAY_WAIT struct err *tell_arrived(const char *vm, const char *host)
{
	auto_arena a = {0};

	return dial_host(&a, host, "VM.pool_migrate_complete", vm, host);
}

static MAY_WAIT struct err *init(void)
{
	auto_str path = xasprintf("%s/xapid.db", daemon_paths()->state);
	auto_str cert_path = certificate_path();
	auto_str audit_path = xasprintf("%s/xapid-audit.log", daemon_paths()->state);
	const struct db_options options = {
		.path = path,
		.form_bytes = (size_t)xapid_conf.cache_size,
		.backup_ns = xapid_conf.backup_ns,
	};

	if (xapid_conf.tls_port)
		TRY(door_certificate_ensure(cert_path, xapid_conf.address));
	TRY(role_load());
	TRY(xmldb_take_restored(path));
	TRY(db_open(&options));
	op_start();
	TRY(audit_file_open(audit_path, xapid_conf.audit_size, xapid_conf.audit_files));
	TRY(gate_start());
	audit_log_serve();
	blob_serve();
	report_serve();
	rrd_serve();
	import_vdi_serve();
	database_serve();
	master_serve();
	run_serve();
	migrate_serve();
	web_serve();
	unbuilt_serve();
	move_set_tell(tell_arrived);
	if (own_role.is_member)
		TRY(forward_start(begin_as_member));
	else
		TRY(begin_as_master());
	TRY(open_door());
	/* It may be new; a member that has found its master already notes it here. */
	return own_role.is_member && !member_is_in_touch() ? NULL : certificate_note();
}

static MAY_WAIT struct err *reload(void)
{
	audit_file_set_limits(xapid_conf.audit_size, xapid_conf.audit_files);
	TRY(door_certificate_reload());
	return own_role.is_member && !member_is_in_touch() ? NULL : certificate_note();
}

static MAY_WAIT void stop(void)
{
	door_close();
	db_copy_give_up();
	links_give_up();
}

static void fini(void)
{
	door_fini();
	links_stop();
	move_stop();
	forward_stop();
	gate_stop();
	event_kept_forget();
	audit_file_close();
	op_stop();
	db_close();
	role_fini();
}

int main(int argc, char **argv)
{
	static const struct service *const services[] = {&control_service, NULL};
	const struct daemon_spec spec = {
		.name = "xapid",
		.summary = "the XenAPI: what clients of the pool speak to",
		.version = XENITH_VERSION,
		.keys = keys,
		.conf = &xapid_conf,
		.conf_size = sizeof(xapid_conf),
		.tools = xapid_tools,
		.services = services,
		.init = init,
		.reload = reload,
		.stop = stop,
		.fini = fini,
	};

	int status = daemon_run(argc, argv, &spec);
	if (role_is_to_begin_anew() && !status && !daemon_was_told_to_stop())
		execv("/proc/self/exe", argv);
	return status;
}
