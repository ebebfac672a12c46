/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the codecs share and nobody else uses: how a value is put together in an arena while a wire
 * form is read, and how errors get their paths. An error is made without a path where the fault is;
 * on its way out each level puts its own part before it, so success pays nothing for paths.
 */
#ifndef XENITH_COMMON_CODEC_BUILD_H
#define XENITH_COMMON_CODEC_BUILD_H

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "common/schema.h"

/* ---- errors ---- */

must_check struct err *codec_bad(const char *fmt, ...) printf_like(1, 2);
/* Put a part before the path of E; NULL stays NULL. */
must_check struct err *codec_at_root(struct err *e, const char *root);
must_check struct err *codec_at_field(struct err *e, const char *name);
must_check struct err *codec_at_index(struct err *e, size_t index);
must_check struct err *codec_at_key(struct err *e, const char *key, size_t len);
/* "'foo' is none of: running, halted". */
must_check struct err *codec_no_such_case(const struct type *t, const char *name, size_t len);

/* ---- values, to be written ---- */

/* Whether the member may be missing: it would be read as what it is. */
bool codec_may_be_left_out(const struct field *f, const void *value, unsigned flags);
/* The case that an enum or variant holds. */
const struct type_case *codec_case_of(const struct type *t, const void *value)
	__attribute__((__returns_nonnull__));
#define CODEC_MASKED "***"
/* Whether a value of type T with this name, which is no secret by its type, is one. */
bool codec_is_masked(const struct type *t, const char *name);
/* A secret, or stars for it. */
const char *codec_secret_text(const struct secret *secret, unsigned flags);

/* ---- values, as they are read ---- */

/* The value inside of an option, or NULL when it is absent. */
const void *codec_option_value(const struct type *t, const void *value);
/* Where to read the value of a present option; sets OUT to it (a string is its own place). */
void *codec_option_place(const struct type *t, struct arena *a, void *out);

must_check struct err *codec_read_enum(
	const struct type *t, const char *name, size_t len, void *out);
/* The case of a variant with this name, which must have a value or not; sets the kind in OUT. */
must_check struct err *codec_read_case(const struct type *t, const char *name, size_t len,
	bool has_value, void *out, const struct type_case **found);
must_check struct err *codec_read_bytes(
	const char *text, size_t len, struct arena *a, struct bytes *out);
must_check struct err *codec_read_datetime(const char *text, size_t len, int64_t *out);

/* A list or map that grows. Zeroed but for its first two members, it is empty. */
struct codec_growing {
	struct arena *arena;
	size_t size; /* of an element or entry */
	struct any_list list;
	size_t space; /* elements that fit */
};

/* Room for one more, zeroed. NULL: it would be too much memory. */
void *codec_grow(struct codec_growing *g);
#define CODEC_TOO_LARGE "the value takes too much memory"
/* Whether the key of an entry is one that map T may have: a name of its enum, a whole number. */
must_check struct err *codec_check_key(const struct type *t, const char *key, size_t len);
/* Whether two entries of a map have the same key. */
bool codec_keys_repeat(const struct type *t, const struct any_list *entries);

/* A record while its members come, in any order. */
struct codec_record {
	const struct type *type;
	struct arena *arena;
	char *out;
	uint32_t next; /* the field that is expected next */
	uint64_t few, *seen; /* a bit a field; seen is &few where that is enough */
	struct json_names unknown;
};

void codec_record_begin(struct codec_record *rec, const struct type *t, struct arena *a, void *out);
void codec_record_fini(struct codec_record *rec);
/* The field of a member that came: *FIELD is NULL if it is unknown. A second one is an error. NAME
 * must stay until the end of the record. */
must_check struct err *codec_record_member(
	struct codec_record *rec, const char *name, size_t len, const struct field **field);
/* Gives the fields that did not come their defaults; one without is an error. */
must_check struct err *codec_record_end(struct codec_record *rec);

#endif
