/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The certificates by which the hosts of a pool know each other: each notes that of its own door as
 * objects of class Certificate (of types host and host_internal: there is one for clients
 * and hosts), which all have copies of.
 */
#ifndef XENITH_XAPID_HOST_CERTIFICATE_H
#define XENITH_XAPID_HOST_CERTIFICATE_H

#include "common/dialect.h"
#include "common/err.h"

/* Notes this host's as it is in the file now, and whether hosts look at them. */
must_check struct err *certificate_note(void);
/* The same of one that this host is about to have, beside that which it has. */
must_check struct err *certificate_announce(const char *pem);
/* Where it is, with key and chain; owned. */
char *certificate_path(void);
/* Whether that with the fingerprint is one of the host at ADDRESS. */
bool certificate_is_of(const char *address, const char *fingerprint);
/* The fingerprint of the host at ADDRESS; "": none is known. Borrowed. */
const char *certificate_at(const char *address);

/* In an emergency a host takes any other one for what it says it is, until it is told otherwise;
 * durable. */
bool host_trusts_all(void);
must_check struct err *host_set_trusts_all(bool value);

#endif
