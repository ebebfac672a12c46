/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hashes of passwords, as in shadow(5), by libcrypt. Both are slow on purpose: off the loop. Any
 * thread.
 */
#ifndef XENITH_COMMON_PASSWORD_H
#define XENITH_COMMON_PASSWORD_H

#include "common/dialect.h"

/* A new hash with a salt of its own, from malloc; NULL: the system's libcrypt has none. */
must_check char *password_hash(const char *password);
/* Whether it is the password of HASH (of whatever kind libcrypt knows). */
bool password_is(const char *password, const char *hash);

#endif
