/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request's head: from bytes to values, strictly. What two readers could take for two different
 * things is refused: folded headers, a bare CR or LF, blanks before a colon, two lengths, any
 * transfer coding. Pure functions, nothing here waits; libhttp-parser is seen in http.c alone.
 */
#ifndef XENITH_XAPID_DOOR_HTTP_H
#define XENITH_XAPID_DOOR_HTTP_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/schema.h"

#define HTTP_HEAD_MAX    ((size_t)32 * 1024)
#define HTTP_HEADERS_MAX 100

/* "Not Found"; never NULL. */
const char *http_status_text(unsigned status);

struct http_header {
	const char *name; /* in lower case */
	const char *value; /* without the blanks around it */
};

struct http_request {
	const char *method; /* "GET" */
	const char *target; /* as it came: path and query */
	const char *path; /* decoded; begins with '/', holds no NUL */
	const char *query; /* not decoded, without the '?'; "" when there is none */
	struct http_header *headers;
	size_t n_headers;
	uint64_t length; /* of the body */
	bool has_length;
	bool is_1_0; /* HTTP/1.0, else 1.1 */
	bool keeps_alive; /* the client wants the connection to stay */
	bool expects_continue;
};

/*
 * The size of the head that the N bytes begin with (with its empty line), or 0 while it is not
 * whole. *SCANNED: where to look on, 0 at first.
 */
size_t http_head_size(const char *bytes, size_t n, size_t *scanned);
/* Reads a whole head. 0, or the status to refuse it with (*WHY: a constant sentence). */
must_check unsigned http_read_head(const char *bytes, size_t size, struct arena *a,
	struct http_request *out, const char **why);

/* The first header of this name (lower case), or NULL. */
const char *http_header(const struct http_request *r, const char *name);
/* Whether a header that is a list of words has WORD, in any case. */
bool http_header_has(const struct http_request *r, const char *name, const char *word);
/* The value of a key of the query, decoded ("" when it has none), or NULL: it is not there. */
const char *http_query(const struct http_request *r, struct arena *a, const char *key);
/* Those of a key that may be there several times, in their order. */
struct string_list http_query_all(const struct http_request *r, struct arena *a, const char *key);
/* The same of a cookie. */
const char *http_cookie(const struct http_request *r, struct arena *a, const char *key);

#endif
