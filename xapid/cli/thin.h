/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thin protocol of xe, version 0.2, both sides of it: after a greeting each way come frames, a
 * length and so many bytes, in which a tag says what is meant. Integers have four bytes, the lowest
 * first; a string is its length and its bytes. All that is known of commands is at the server; the
 * client prints, asks, reads and writes files as it is told.
 */
#ifndef XENITH_XAPID_CLI_THIN_H
#define XENITH_XAPID_CLI_THIN_H

#include "common/arena.h"
#include "common/err.h"
#include "common/sbuf.h"

struct stream;

#define THIN_GREETING      "XenSource thin CLI protocol"
#define THIN_MAJOR         0
#define THIN_MINOR         2
#define THIN_GREETING_SIZE (sizeof(THIN_GREETING) - 1 + 8)
#define THIN_FRAME_MAX     ((size_t)4 * 1024 * 1024)

enum thin_kind { THIN_COMMAND = 9, THIN_RESPONSE = 10, THIN_BLOB = 11 };

/* What stands behind the kind. */
enum thin_tag {
	/* commands, to the client */
	THIN_PRINT = 0, /* text: a line for standard output */
	THIN_LOAD = 1, /* text: a file's name; answered with OK and blobs, or FAILED */
	THIN_PROMPT = 3, /* answered with blobs: a line of standard input */
	THIN_EXIT = 4, /* number */
	THIN_HTTP_GET = 12, /* text: a file's name, more: a path */
	THIN_HTTP_PUT = 13, /* the same */
	THIN_ERROR = 14, /* text: a code, list: its parameters */
	THIN_DEBUG = 15, /* text */
	THIN_STDERR = 16, /* text, as it is */
	THIN_HTTP_CONNECT = 17, /* text: a path */
	/* responses */
	THIN_OK = 5,
	THIN_FAILED = 6,
	THIN_WAIT = 18,
	/* blobs */
	THIN_CHUNK = 7, /* number: so many bytes follow the frame */
	THIN_END = 8,
};

struct thin_message {
	enum thin_kind kind;
	enum thin_tag tag;
	const char *text, *more;
	int32_t number;
	const char **list;
	size_t n_list;
};

/* Ours, which both sides begin with. */
void thin_put_greeting(struct sbuf *out);
/* The other side's: CONNECTION_LOST, or BAD_REQUEST when it is another protocol or version. */
MAY_WAIT must_check struct err *thin_read_greeting(struct stream *s, int64_t deadline);

/* Adds a frame with what the tag asks for. */
void thin_put(struct sbuf *out, const struct thin_message *m);
/* Takes a frame from the N bytes at FRAME (without its length). BAD_REQUEST. */
must_check struct err *thin_parse(
	const char *frame, size_t n, struct arena *a, struct thin_message *out);
MAY_WAIT must_check struct err *thin_read(
	struct stream *s, struct arena *a, struct thin_message *out, int64_t deadline);
/* Reads blobs until their end, of at most MAX bytes in all. */
MAY_WAIT must_check struct err *thin_read_blobs(
	struct stream *s, size_t max, struct sbuf *out, int64_t deadline);
/* Adds N bytes as one blob and, if IS_LAST, the end of the blobs. */
void thin_put_blob(struct sbuf *out, const void *bytes, size_t n, bool is_last);

#endif
