/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a name and a password are somebody's, and what he may do. Accounts come from a file of
 * passwords, for development, or from PAM, which a helper process (xapid-pam) asks, one for each
 * login: a module of PAM may block, crash and hold what it likes.
 *
 * The file, xapid.passwd in the state directory, has a line an account, NAME:ROLE:HASH, the hash as
 * in shadow(5); the role is one of the model's, or "root": a local superuser. Whom PAM admits is
 * one too, or, but for root, has the roles of his subject (subject.h), as pam_users says.
 */
#ifndef XENITH_XAPID_GATE_AUTH_H
#define XENITH_XAPID_GATE_AUTH_H

#include "common/arena.h"
#include "common/err.h"
#include "common/schema.h"

struct auth_account {
	const char *role; /* of the model's roles */
	bool is_root;
	const char *subject; /* ref, borrowed until the fiber waits; NULL: none */
};

/* SESSION_AUTHENTICATION_FAILED[user, why], after a while. ORIGIN: the address it comes from. */
MAY_WAIT must_check struct err *auth_check(
	const char *origin, const char *user, struct secret password, struct auth_account *out);

/* One of the pool's own hosts shows this. Made at the first start. Blocks. */
must_check struct err *auth_load_pool_secret(void);
bool auth_is_pool_secret(const char *text);
const char *auth_pool_secret(void);
/* That of another pool, from the next start on. Durable when it returns; blocks. */
must_check struct err *auth_write_pool_secret(const char *secret);

void auth_start(void);
void auth_stop(void);

#endif
