/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The framings of the XenAPI: a request's body to a method and its parameters, and what the gate
 * answered to a body. They know neither connections nor sessions.
 */
#ifndef XENITH_XAPID_DOOR_RPC_H
#define XENITH_XAPID_DOOR_RPC_H

#include "xapid/gate/gate.h"

#define RPC_BODY_MAX ((size_t)300 * 1024)

/* How an answer in JSON is framed: as its request was. */
struct rpc_json_frame {
	bool is_2_0;
	struct json_text id; /* an integer or a string */
};

/* Fills method, params and form; the params are in the text, or, as all else, in rq->arena.
 * BAD_REQUEST: it is no call at all. */
must_check struct err *rpc_xml_read(const char *text, size_t len, struct gate_request *rq);
must_check struct err *rpc_json_read(
	const char *text, size_t len, struct gate_request *rq, struct rpc_json_frame *frame);

/* Adds the whole body of the answer: E, or the result where E is NULL. */
void rpc_xml_write(const struct err *e, const struct gate_result *result, struct sbuf *out);
void rpc_json_write(const struct rpc_json_frame *frame, const struct err *e,
	const struct gate_result *result, struct sbuf *out);

#endif
