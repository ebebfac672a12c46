/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON on the wire: a strict pull reader over bytes in memory and a writer into a string buffer.
 * No tree is built. (jansson serves where JSON is a value: any-typed fields, CLIs, files.)
 *
 * The reader takes RFC 8259 and nothing else: UTF-8 checked, numbers by the grammar, no duplicate
 * member (codec and json_skip), no NUL in a string, no half of a surrogate pair, depth at most
 * JSON_MAX_DEPTH, checked before anything is read.
 */
#ifndef XENITH_COMMON_JSON_H
#define XENITH_COMMON_JSON_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"
#include "common/sbuf.h"
#include "common/schema.h"

#define JSON_MAX_DEPTH 64

enum json_kind {
	JSON_KIND_END,
	JSON_KIND_OBJECT,
	JSON_KIND_ARRAY,
	JSON_KIND_STRING,
	JSON_KIND_INTEGER, /* fits int64_t */
	JSON_KIND_REAL,
	JSON_KIND_TRUE,
	JSON_KIND_FALSE,
	JSON_KIND_NULL,
	JSON_KIND_BAD,
};

struct json_reader {
	const char *at, *end;
	const char *start;
	struct arena *arena; /* where decoded strings go */
	const char *problem; /* why the text is not JSON; NULL while it is */
	unsigned depth;
	bool text_may_be_number; /* "5" is read by the codec where a number must be; set at will */
	bool is_for_xml; /* the codec refuses texts that XML cannot carry; set at will */
};

/* The text need not end in NUL; it must stay until the reader is done. A text that is nested too
 * deeply is refused here: problem is set and nothing can be read. */
void json_reader_init(struct json_reader *r, const char *text, size_t len, struct arena *a);
/* The same where json_line_end has counted: the brackets need not be looked at once more. */
void json_reader_init_counted(
	struct json_reader *r, const char *text, size_t len, size_t n_open, struct arena *a);
/* The first newline from P on; END when there is none. N_OPEN is added the brackets that open
 * before it, in strings too, some perhaps twice (or, once it is far above JSON_MAX_DEPTH, fewer):
 * an upper bound of the depth of what stands there. */
const char *json_line_end(const char *p, const char *end, size_t *n_open);
/* The kind of the value that comes next. The value itself is not checked yet. */
enum json_kind json_peek(struct json_reader *r);
/*
 * Each of these reads one value of its kind. False: what comes is of another kind (then the reader
 * still stands before it and problem is NULL), or it is not JSON (problem says why).
 */
bool json_read_bool(struct json_reader *r, bool *out);
bool json_read_null(struct json_reader *r);
bool json_read_int(struct json_reader *r, int64_t *out);
/* An integer is a float too. */
bool json_read_float(struct json_reader *r, double *out);
/* NUL-terminated, in the arena. LEN may be NULL. */
bool json_read_string(struct json_reader *r, const char **out, size_t *len);
/* Not NUL-terminated; part of the text where nothing had to be decoded, else in the arena. */
bool json_read_slice(struct json_reader *r, const char **out, size_t *len);
/* Passes over any value, checking it whole; TEXT (or NULL) tells where it stood. */
bool json_skip(struct json_reader *r, struct json_text *text);
/*
 * Enter an object or array (first = true); then next tells whether another member or element comes
 * (and reads the member's name and colon; the name is a slice as above, not NUL-terminated). After
 * it has said false, the object or array has been left: look at problem.
 */
bool json_enter_object(struct json_reader *r);
bool json_next_member(struct json_reader *r, bool *first, const char **name, size_t *len);
bool json_enter_array(struct json_reader *r);
bool json_next_element(struct json_reader *r, bool *first);
/* Whether nothing but white space is left; false sets problem. */
bool json_at_end(struct json_reader *r);

/* How deeply the text is nested, as brackets alone tell; it may say more, up to ENOUGH, where that
 * is cheaper. */
size_t json_depth(const char *text, size_t len, size_t enough);

/* The words of a person: "an object", "a string", … */
const char *json_kind_words(enum json_kind kind);

/* Member names, to find one that comes twice. A zeroed struct is a valid empty one. */
struct json_names {
	struct json_name {
		const char *s;
		size_t len;
	} * v; /* owned; the strings are borrowed */
	size_t n, size;
};

void json_names_fini(struct json_names *names);
void json_names_add(struct json_names *names, const char *s, size_t len);
/* Whether two of the names from FROM on are the same; may change their order. */
bool json_names_repeat(struct json_names *names, size_t from);

/* The text without white space between its tokens: one line. TEXT is valid JSON. */
struct json_text json_compact(struct json_text text, struct arena *a);

/* The writer puts commas where they belong; the caller nests properly (asserted). (Without the verb
 * the names would be those of functions of jansson.) */
struct json_writer {
	struct sbuf *out;
	unsigned depth;
	unsigned deepest; /* what was written so far is not nested more deeply */
	bool needs_comma;
};

void json_writer_init(struct json_writer *w, struct sbuf *out);
void json_write_object(struct json_writer *w);
void json_write_object_end(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_array_end(struct json_writer *w);
void json_write_name(struct json_writer *w, const char *name);
void json_write_bool(struct json_writer *w, bool v);
void json_write_int(struct json_writer *w, int64_t v);
/* The shortest form that reads back as the same number, with a fraction or an exponent. NaN and
 * infinities have no JSON form: they are written as null. */
void json_write_float(struct json_writer *w, double v);
/* Bytes that are not UTF-8 are written as U+FFFD. */
void json_write_string(struct json_writer *w, const char *s);
void json_write_string_n(struct json_writer *w, const char *s, size_t len);
void json_write_null(struct json_writer *w);
/* A value that is JSON already. */
void json_write_raw(struct json_writer *w, const char *text, size_t len);

static inline void json_member_string(struct json_writer *w, const char *name, const char *s)
{
	json_write_name(w, name);
	json_write_string(w, s);
}

static inline void json_member_int(struct json_writer *w, const char *name, int64_t v)
{
	json_write_name(w, name);
	json_write_int(w, v);
}

static inline void json_member_bool(struct json_writer *w, const char *name, bool v)
{
	json_write_name(w, name);
	json_write_bool(w, v);
}

#endif
