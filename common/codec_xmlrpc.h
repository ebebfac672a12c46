/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The second codec: values of any type of the IDL to and from XML-RPC, by the same tables as JSON
 * (codec.h), and the messages around them. What the codecs do alike (defaults, unknown members,
 * paths in errors) is said there.
 *
 *	bool       boolean            bytes      base64
 *	int        i4 or i8, or a string where the flag asks for it; either is read
 *	float      double (also "nan", "inf"); an int or a string is read too
 *	string, id, secret, enum      text without <string>; either is read
 *	datetime   dateTime.iso8601 (a string is read too)
 *	record, map, variant with a value      struct
 *	list       array              absent     nil, or no member at all
 *	any        what its JSON says, part by part
 *	void       an empty string; anything is read
 */
#ifndef XENITH_COMMON_CODEC_XMLRPC_H
#define XENITH_COMMON_CODEC_XMLRPC_H

#include "common/arena.h"
#include "common/codec.h"
#include "common/err.h"
#include "common/sbuf.h"
#include "common/schema.h"
#include "common/xml.h"

/* Besides those of enum codec_flags. */
enum codec_xmlrpc_flags {
	CODEC_XMLRPC_INT_AS_STRING = 256, /* as XenAPI has its 64-bit integers */
};

/* Adds one <value>. */
void codec_xmlrpc_write(const struct type *t, const void *value, unsigned flags, struct sbuf *out);
/* Reads one <value>. ROOT and OUT as for codec_decode. */
must_check struct err *codec_xmlrpc_read(const struct type *t, const char *root,
	const struct xml_node *value, struct arena *a, void *out);

/* ---- messages ---- */

struct codec_xmlrpc_call {
	const char *method;
	const struct xml_node **params; /* <value> each */
	size_t n;
};

/* The answer to a call: a value, or a fault. */
struct codec_xmlrpc_answer {
	const struct xml_node *value; /* NULL: it is a fault */
	int64_t fault_code;
	const char *fault_text;
};

/* MAX_SIZE: of the text. BAD_REQUEST, LIMIT_EXCEEDED; values nest at most JSON_MAX_DEPTH deep. */
must_check struct err *codec_xmlrpc_read_call(const char *text, size_t len, size_t max_size,
	struct arena *a, struct codec_xmlrpc_call *out);
must_check struct err *codec_xmlrpc_read_answer(const char *text, size_t len, size_t max_size,
	struct arena *a, struct codec_xmlrpc_answer *out);

/* A call: begin, each parameter, end. */
void codec_xmlrpc_begin_call(const char *method, struct sbuf *out);
void codec_xmlrpc_add_param(
	const struct type *t, const void *value, unsigned flags, struct sbuf *out);
void codec_xmlrpc_end_call(struct sbuf *out);

void codec_xmlrpc_write_answer(
	const struct type *t, const void *value, unsigned flags, struct sbuf *out);
void codec_xmlrpc_write_fault(int64_t code, const char *text, struct sbuf *out);

#endif
