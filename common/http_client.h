/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's side of HTTP/1.1, as far as xapid's own answers go: a length comes before the body.
 * One request at a time on a stream, whatever it runs over; fibers only.
 */
#ifndef XENITH_COMMON_HTTP_CLIENT_H
#define XENITH_COMMON_HTTP_CLIENT_H

#include "common/arena.h"
#include "common/json_value.h"

struct stream;

/* The body of the answer to what was sent; BAD_REQUEST for a status other than 200. */
MAY_WAIT must_check struct err *http_answer(
	struct stream *s, struct arena *a, struct json_text *body);
/* The same of an answer without a body, after which another protocol is spoken. */
MAY_WAIT must_check struct err *http_answer_head(struct stream *s, struct arena *a);

/*
 * A call of JSON-RPC 2.0 at /jsonrpc with PARAMS. *RESULT (or NULL) lives as long as VALUES, an
 * array that takes the answers. The error is what was answered.
 */
MAY_WAIT must_check struct err *http_rpc_call(struct stream *s, struct arena *a, json_t *values,
	const char *method, const json_t *params, json_t **result);

#endif
