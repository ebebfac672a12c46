/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The certificate that a host serves HTTPS with: made at its first start, or put into its place by
 * the administrator (xapid/door). The file has the key too, which nobody is told. And whether hosts
 * look at the certificates of others, as they always do but in an emergency.
 */
#include "common/clock.h"
#include "common/datetime.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/tls_pem.h"
#include "xapid/db/db.h"
#include "xapid/door/door.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/host/certificate.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <string.h>

#define MAX_FILE (1 << 20)
#define BEGIN    "-----BEGIN CERTIFICATE-----"
#define END      "-----END CERTIFICATE-----\n"

static struct err *check_host(const char *ref)
{
	const struct xenapi_host *host;

	return db_get(host, ref, &host);
}

/* The first one of the file is the host's, what follows it are those that vouch for it. */
static MAY_WAIT struct err *read_own(struct arena *a, const char **out)
{
	auto_str path = certificate_path();
	auto_str text = NULL;

	auto_err none = file_load(path, MAX_FILE, &text, NULL);
	const char *begin = none ? NULL : strstr(text, BEGIN);
	const char *end = begin ? strstr(begin, END) : NULL;
	if (!end)
		return err(INTERNAL_ERROR, "the host has no certificate");
	*out = arena_strndup(a, begin, (size_t)(end - begin) + strlen(END));
	return NULL;
}

MAY_WAIT struct err *xapi_host_get_server_certificate(
	struct call *c, const struct xenapi_host_get_server_certificate_in *in, const char **out)
{
	TRY(check_host(in->host));
	return read_own(c->arena, out);
}

/* ---- another one ---- */

static struct err *error_of(const struct tls_pem_verdict *v, int64_t now)
{
	char here[DATETIME_SIZE], there[DATETIME_SIZE];

	datetime_put_basic(now, here);
	datetime_put_basic(v->at, there);
	switch (v->problem) {
	case TLS_PEM_GOOD:
		return NULL;
	case TLS_PEM_KEY_INVALID:
		return err(SERVER_CERTIFICATE_KEY_INVALID);
	case TLS_PEM_KEY_ALGORITHM:
		return err(SERVER_CERTIFICATE_KEY_ALGORITHM_NOT_SUPPORTED, v->detail);
	case TLS_PEM_KEY_LENGTH:
		return err(SERVER_CERTIFICATE_KEY_RSA_LENGTH_NOT_SUPPORTED, v->detail);
	case TLS_PEM_CERT_INVALID:
		return err(SERVER_CERTIFICATE_INVALID);
	case TLS_PEM_CERT_EARLY:
		return err(SERVER_CERTIFICATE_NOT_VALID_YET, here, there);
	case TLS_PEM_CERT_EXPIRED:
		return err(SERVER_CERTIFICATE_EXPIRED, here, there);
	case TLS_PEM_CERT_SIGNATURE:
		return err(SERVER_CERTIFICATE_SIGNATURE_NOT_SUPPORTED);
	case TLS_PEM_MISMATCH:
		return err(SERVER_CERTIFICATE_KEY_MISMATCH);
	case TLS_PEM_CHAIN_INVALID:
		return err(SERVER_CERTIFICATE_CHAIN_INVALID);
	}
	__builtin_unreachable();
}

/* A member that has lost its master tells of it when it is back. */
static bool can_tell(void)
{
	return !own_role.is_member || member_is_in_touch();
}

/* Other hosts take it for ours before they meet it. */
static MAY_WAIT struct err *announce(const char *pem)
{
	if (!can_tell())
		return NULL;
	TRY(certificate_announce(pem));
	return db_barrier(db_generation(), NEVER);
}

/* Takes over the text of key, certificate and chain. */
static MAY_WAIT struct err *put(char *pem)
{
	auto_str own = pem;
	struct err *e = xapid_conf.tls_port ? announce(own)
					    : err(INTERNAL_ERROR, "this host serves no TLS");

	if (!e)
		e = door_certificate_put(own);
	explicit_bzero(own, strlen(own));
	/* What is shown now is noted, be it the one of before. */
	struct err *bad = can_tell() ? certificate_note() : NULL;
	if (!e)
		return bad;
	err_free(bad);
	return e;
}

MAY_WAIT struct err *xapi_host_install_server_certificate(
	struct call *c, const struct xenapi_host_install_server_certificate_in *in)
{
	int64_t now = clock_real_ns() / NS_PER_S;

	TRY(check_host(in->host));
	const struct tls_pem_verdict v =
		tls_pem_check(in->certificate, in->private_key, in->certificate_chain, now);
	TRY(error_of(&v, now));
	return put(tls_pem_join(in->certificate, in->private_key, in->certificate_chain));
}

static MAY_WAIT struct err *renew(void)
{
	char *pem;

	TRY(door_certificate_make(xapid_conf.address, &pem));
	return put(pem);
}

MAY_WAIT struct err *xapi_host_reset_server_certificate(
	struct call *c, const struct xenapi_host_reset_server_certificate_in *in)
{
	TRY(check_host(in->host));
	return renew();
}

MAY_WAIT struct err *xapi_host_emergency_reset_server_certificate(struct call *c)
{
	return renew();
}

/* One that somebody installed is theirs to renew. */
MAY_WAIT struct err *xapi_host_refresh_server_certificate(
	struct call *c, const struct xenapi_host_refresh_server_certificate_in *in)
{
	struct tls_cert_facts facts;
	const char *pem;

	TRY(check_host(in->host));
	TRY(read_own(c->arena, &pem));
	if (tls_pem_read(pem, &facts) && !facts.signs_itself)
		return err(INTERNAL_ERROR, "the certificate was issued by somebody else");
	return renew();
}

/* ---- whether hosts look at it ---- */

/* They do from the beginning, where there is TLS at all. */
MAY_WAIT struct err *xapi_pool_enable_tls_verification(struct call *c)
{
	TRY(host_set_trusts_all(false));
	return certificate_note();
}

MAY_WAIT struct err *xapi_host_emergency_disable_tls_verification(struct call *c)
{
	return host_set_trusts_all(true);
}

MAY_WAIT struct err *xapi_host_emergency_reenable_tls_verification(struct call *c)
{
	return host_set_trusts_all(false);
}
