/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The head of a JSON-RPC message, read member by member so that params and result are decoded where
 * they stand, and the writing of messages. Of rpc_*.c alone.
 */
#ifndef XENITH_COMMON_RPC_WIRE_H
#define XENITH_COMMON_RPC_WIRE_H

#include "common/dialect.h"
#include "common/err.h"
#include "common/json.h"

/* The codes of JSON-RPC 2.0, and the one of all errors that the IDL declares. */
enum rpc_code {
	RPC_NOT_JSON = -32700,
	RPC_NO_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_BAD_PARAMS = -32602,
	RPC_OWN_ERROR = -32000,
};

struct rpc_head {
	struct json_reader r;
	const char *line;
	size_t len;
	bool first;
	bool is_own; /* as we write heads: nothing comes behind params or result */
	unsigned seen; /* a bit a member; one that comes twice is refused */
	bool is_version_2;
	struct json_text id; /* as it stands; text NULL: none */
	uint64_t number; /* that it is; 0: it is none of ours */
	struct json_text method; /* decoded; text NULL: none */
	struct json_text tag; /* decoded; text NULL: none */
	struct json_text params; /* that were passed over; text NULL: none */
	struct json_text result; /* the same */
	struct json_text error; /* the same */
	const char *problem; /* why this is no message */
};

enum rpc_stop {
	RPC_AT_PARAMS, /* the reader stands before the params of a known id and method */
	RPC_AT_RESULT, /* the reader stands before the result of a known id */
	RPC_AT_END, /* all is read, or there is a problem */
};

/* Reads as far as the first stop. ARENA takes names that had to be decoded. LINE must stay; N_OPEN
 * is json_line_end's. */
enum rpc_stop rpc_head_begin(
	struct rpc_head *h, const char *line, size_t len, size_t n_open, struct arena *arena);
/* Reads on, when the caller has read the value of the stop (or skipped it). */
enum rpc_stop rpc_head_next(struct rpc_head *h);
/* Which of the codes a message with a problem gets: not JSON at all, or no request. */
enum rpc_code rpc_head_code(const struct rpc_head *h);

/* ID is JSON text; a request without TAG has "". Each is followed by the value, and that by
 * rpc_message_end. */
void rpc_request_begin(struct sbuf *out, uint64_t id, const char *method, const char *tag);
void rpc_answer_begin(struct sbuf *out, struct json_text id);
void rpc_message_end(struct sbuf *out);
/* A whole message; ID.text NULL: null. */
void rpc_error_message(
	struct sbuf *out, struct json_text id, enum rpc_code code, const struct err *e);
/* The notification that nobody waits for call ID any more. */
void rpc_cancel_message(struct sbuf *out, uint64_t id);
/* The notification that a descriptor comes beside it. */
void rpc_descriptor_message(struct sbuf *out, const char *id);

/* The error in an answer. */
must_check struct err *rpc_error_read(struct json_text text, struct arena *a);
/* "id" of the params of a notification; text NULL: there is none. */
struct json_text rpc_notified_id(struct json_text params, struct arena *a);

#endif
