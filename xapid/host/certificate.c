/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The certificates of the pool's hosts (certificate.h).
 */
#include "xapid/host/certificate.h"

#include "common/daemon.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/tls.h"
#include "xapid/db/db.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- what the pool knows ---- */

/* Of the hosts' own, whoever noted it; NULL: another kind, or of another host. */
static const char *fingerprint_of(const struct xenapi_certificate *c, const char *address)
{
	const struct xenapi_host *host = db_find(host, c->host);
	bool is_own = c->type == XENAPI_CERTIFICATE_TYPE_HOST ||
		c->type == XENAPI_CERTIFICATE_TYPE_HOST_INTERNAL;

	return host && is_own && !strcmp(host->address, address) ? c->fingerprint_sha256 : NULL;
}

bool certificate_is_of(const char *address, const char *fingerprint)
{
	db_for_each (certificate, row) {
		const char *known = fingerprint_of(db_record(row), address);

		if (known && *known && !strcmp(known, fingerprint))
			return true;
	}
	return false;
}

const char *certificate_at(const char *address)
{
	db_for_each (certificate, row) {
		const struct xenapi_certificate *c = db_record(row);
		const char *known = fingerprint_of(c, address);

		if (known && *known && c->type == XENAPI_CERTIFICATE_TYPE_HOST_INTERNAL)
			return known;
	}
	return "";
}

/* ---- this host's ---- */

static const char *own_row(const char *host)
{
	db_for_each (certificate, row) {
		const struct xenapi_certificate *c = db_record(row);

		if (c->type == XENAPI_CERTIFICATE_TYPE_HOST_INTERNAL && !strcmp(c->host, host))
			return db_ref(row);
	}
	return NULL;
}

static struct err *note_fingerprint(const char *host, const char *fingerprint)
{
	struct xenapi_certificate row = db_blank(certificate);
	const char *there = own_row(host);

	if (there &&
		!strcmp(((const struct xenapi_certificate *)db_find(certificate, there))
				->fingerprint_sha256,
			fingerprint))
		return NULL;
	if (there)
		TRY(db_delete(certificate, there));
	row.type = XENAPI_CERTIFICATE_TYPE_HOST_INTERNAL;
	row.host = host;
	row.fingerprint = row.fingerprint_sha256 = fingerprint;
	return db_create(certificate, &row, NULL);
}

static struct err *note_verification(const char *host)
{
	bool is_on = xapid_conf.tls_port && !host_trusts_all();

	TRY(db_write(host, host, tls_verification_enabled, is_on));
	return own_role.is_member || !db_first(pool)
		? NULL
		: db_write(pool, db_first_ref(pool), tls_verification_enabled, xapid_conf.tls_port);
}

struct err *certificate_note(void)
{
	auto_str path = xasprintf("%s/xapid.pem", daemon_paths()->state);
	auto_str host = xstrdup(host_here());
	char fingerprint[TLS_FINGERPRINT_SIZE];

	if (ref_is_null(host))
		return NULL;
	TRY(note_verification(host));
	if (!xapid_conf.tls_port || access(path, R_OK) < 0)
		return NULL;
	TRY(tls_cert_fingerprint(path, fingerprint));
	return note_fingerprint(host, fingerprint);
}

/* ---- emergencies ---- */

static char *emergency_path(void)
{
	return xasprintf("%s/xapid.trusts-all", daemon_paths()->state);
}

bool host_trusts_all(void)
{
	auto_str path = emergency_path();

	return !access(path, F_OK);
}

struct err *host_set_trusts_all(bool value)
{
	auto_str path = emergency_path();

	if (value) {
		int r = file_write(path, "", 0, 0600, FILE_DURABLE);

		return r < 0 ? err_errno(-r, "writing %s", path) : NULL;
	}
	return unlink(path) < 0 && errno != ENOENT ? err_errno(errno, "removing %s", path) : NULL;
}
