/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting to the xenopsd of another host by way of its xapid. The request is
 *
 *	PUT PATH/migrate/vm/VM?QUERY HTTP/1.1
 *
 * for the URL http://HOST[:PORT]PATH?QUERY#FRAGMENT, or https. The fragment may say cookie=NAME=VALUE,
 * a header that is sent along, and pin=FINGERPRINT, of the certificate that the host has to show.
 * xapid looks at the session in the query or the cookie, answers with 200 and no body, and hands
 * what follows to its xenopsd (VM.receive). Fibers only.
 */
#ifndef XENITH_XENOPSD_DIAL_H
#define XENITH_XENOPSD_DIAL_H

#include "common/err.h"

#include <stdint.h>

struct stream;

/* INVALID_VALUE(url, …) for what is no such URL, and how a connection fails. */
MAY_WAIT must_check struct err *dial(
	const char *url, const char *vm_id, struct stream **out, int64_t deadline);

#endif
