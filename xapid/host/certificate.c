/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The certificates of the pool's hosts (certificate.h).
 */
#include "xapid/host/certificate.h"

#include "common/daemon.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/tls_pem.h"
#include "xapid/db/db.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE (1 << 20)

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

char *certificate_path(void)
{
	return xasprintf("%s/xapid.pem", daemon_paths()->state);
}

/* Forgets the rows of the host and this type but for that with the fingerprint. */
static struct err *forget_others(
	const char *host, enum xenapi_certificate_type type, const char *fingerprint)
{
	db_for_each (certificate, row) {
		const struct xenapi_certificate *c = db_record(row);

		if (c->type == type && !strcmp(c->host, host) &&
			strcmp(c->fingerprint_sha256, fingerprint) != 0)
			TRY(db_delete(certificate, db_ref(row)));
	}
	return NULL;
}

static bool has_row(const char *host, enum xenapi_certificate_type type, const char *fingerprint)
{
	db_for_each (certificate, row) {
		const struct xenapi_certificate *c = db_record(row);

		if (c->type == type && !strcmp(c->host, host) &&
			!strcmp(c->fingerprint_sha256, fingerprint))
			return true;
	}
	return false;
}

static struct err *add_row(
	const char *host, enum xenapi_certificate_type type, const struct tls_cert_facts *facts)
{
	struct xenapi_certificate row = db_blank(certificate);

	if (has_row(host, type, facts->sha256))
		return NULL;
	row.type = type;
	row.host = host;
	row.not_before = facts->not_before;
	row.not_after = facts->not_after;
	row.fingerprint = row.fingerprint_sha256 = facts->sha256;
	row.fingerprint_sha1 = facts->sha1;
	return db_create(certificate, &row, NULL);
}

/* Clients and other hosts are shown the same one. */
static struct err *add_rows(const char *host, const struct tls_cert_facts *facts)
{
	TRY(add_row(host, XENAPI_CERTIFICATE_TYPE_HOST, facts));
	return add_row(host, XENAPI_CERTIFICATE_TYPE_HOST_INTERNAL, facts);
}

struct err *certificate_announce(const char *pem)
{
	auto_str host = xstrdup(host_here());
	struct tls_cert_facts facts;

	if (ref_is_null(host) || !tls_pem_read(pem, &facts))
		return NULL;
	return add_rows(host, &facts);
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
	auto_str path = certificate_path();
	auto_str host = xstrdup(host_here());
	auto_str text = NULL;
	struct tls_cert_facts facts;

	if (ref_is_null(host))
		return NULL;
	TRY(note_verification(host));
	if (!xapid_conf.tls_port || file_read(path, MAX_FILE, &text, NULL) < 0 ||
		!tls_pem_read(text, &facts))
		return NULL; /* of what is wrong with it the door tells */
	TRY(add_rows(host, &facts));
	TRY(forget_others(host, XENAPI_CERTIFICATE_TYPE_HOST, facts.sha256));
	return forget_others(host, XENAPI_CERTIFICATE_TYPE_HOST_INTERNAL, facts.sha256);
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
