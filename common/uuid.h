/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UUIDs and the kernel's random bytes. For every thread. The names keep clear of libuuid's, which
 * libxl brings into a daemon's process.
 */
#ifndef XENITH_COMMON_UUID_H
#define XENITH_COMMON_UUID_H

#include "common/dialect.h"

/* Of the text form, with its NUL. */
#define UUID_TEXT_SIZE 37

struct uuid {
	unsigned char bytes[16];
};

/* A new one, random (version 4). */
struct uuid uuid_random(void);
/* Lower case with hyphens, as XenAPI has it. Returns OUT. */
char *uuid_to_text(const struct uuid *u, char out[static UUID_TEXT_SIZE]);
/* Takes the form with hyphens, either case; -EINVAL for all else. */
must_check int uuid_from_text(struct uuid *out, const char *text);
/* A new one as text. Returns OUT. */
char *uuid_random_text(char out[static UUID_TEXT_SIZE]);
bool uuid_is_nil(const struct uuid *u);
bool uuid_is_equal(const struct uuid *a, const struct uuid *b);

/* N bytes that nobody can guess, for keys and references too. */
void random_bytes(void *out, size_t n);

#endif
