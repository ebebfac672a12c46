/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The certificate that a host serves HTTPS with: made at its first start, or put into its place by
 * the administrator (xapid/door). The file has the key too, which nobody is told. And whether hosts
 * look at the certificates of others, as they always do but in an emergency.
 */
#include "common/daemon.h"
#include "common/file.h"
#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/host/certificate.h"

#include "xenapi.gen.h"

#include <string.h>

#define MAX_FILE (1 << 20)
#define BEGIN    "-----BEGIN CERTIFICATE-----"
#define END      "-----END CERTIFICATE-----\n"

MAY_WAIT struct err *xapi_host_get_server_certificate(
	struct call *c, const struct xenapi_host_get_server_certificate_in *in, const char **out)
{
	auto_str path = xasprintf("%s/xapid.pem", daemon_paths()->state);
	auto_str text = NULL;
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	TRY(file_load(path, MAX_FILE, &text, NULL));
	/* The first one is the host's, what follows it are those that vouch for it. */
	const char *begin = strstr(text, BEGIN);
	const char *end = begin ? strstr(begin, END) : NULL;
	if (!end)
		return err(INTERNAL_ERROR, "the host has no certificate");
	*out = arena_strndup(c->arena, begin, (size_t)(end - begin) + strlen(END));
	return NULL;
}

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
