/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one codec: values of any type of the IDL (schema.h), to and from their wire forms, by walking
 * the tables. JSON here; XML-RPC is a second small codec (codec_xmlrpc.h).
 *
 * Decoding: unknown members are ignored; a missing mandatory member, a wrong kind or a value out of
 * range is INVALID_VALUE with the path ("vm.vbds[2].position") and the reason, and so is text that
 * is not JSON. What was decoded lives in the arena and owes nothing to the input. A list or map
 * that would take the arena beyond CODEC_MAX_MEMORY is refused.
 *
 * A float that is no number is null in JSON, so null reads as one where a float must be.
 */
#ifndef XENITH_COMMON_CODEC_H
#define XENITH_COMMON_CODEC_H

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "common/schema.h"

#define CODEC_MAX_MEMORY (UINT64_C(256) << 20)

/* ROOT is the first part of the path in errors ("": the value has no name). OUT has t->size bytes;
 * it is untouched on failure. */
must_check struct err *codec_decode(const struct type *t, const char *root, const char *text,
	size_t len, struct arena *a, void *out);
/* The same from a reader that stands before the value (and behind it afterwards). After a failure
 * r->problem tells whether the text is not even JSON. */
must_check struct err *codec_read(
	const struct type *t, const char *root, struct json_reader *r, void *out);
/* The same with OUT in the reader's arena. */
must_check struct err *codec_read_new(
	const struct type *t, const char *root, struct json_reader *r, void **out);

enum codec_flags {
	/* For logs and dumps: "***" for secrets, and for texts with a name as secrets have. */
	CODEC_MASK_SECRETS = 1,
	CODEC_OMIT_DEFAULTS = 2, /* fields that hold their default are left out */
	CODEC_BASIC_DATETIME = 4, /* "20261121T09:12:58Z", as XenAPI has it in JSON too */
};

/* Whether what has this name is a secret: "auth_password", "chapPassword", "private_key", … */
bool codec_is_secret_name(const char *name);

void codec_write(const struct type *t, const void *value, unsigned flags, struct json_writer *w);
/* The JSON text of VALUE, added to OUT. */
void codec_encode(const struct type *t, const void *value, struct sbuf *out);

/* Sets every field with a default to it and the rest to zero or the empty string, also in the
 * records that it contains. */
void codec_init_record(const struct type *t, struct arena *a, void *out);
/* Whether two values of a type are the same; the order of a map's entries does not count. */
bool codec_equal(const struct type *t, const void *a, const void *b);
/* A deep copy into the arena. */
void codec_copy(const struct type *t, const void *from, struct arena *a, void *to);
/* The same for a value that stays: A, which is empty, takes no more memory than the copy needs. */
void codec_keep(const struct type *t, const void *from, struct arena *a, void *to);

#endif
