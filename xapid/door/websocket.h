/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * WebSocket (RFC 6455), the server's side: the handshake, and messages to and from bytes. The bytes
 * go through buffers; nothing here waits.
 */
#ifndef XENITH_XAPID_DOOR_WEBSOCKET_H
#define XENITH_XAPID_DOOR_WEBSOCKET_H

#include "common/sbuf.h"
#include "xapid/door/http.h"

#define WEBSOCKET_MESSAGE_MAX ((uint64_t)1024 * 1024)

/* Whether the request asks for the protocol. */
bool websocket_is_wanted(const struct http_request *r);
/* Adds the head of the answer to OUT; 0, or the status to refuse with. */
must_check unsigned websocket_accept(
	const struct http_request *r, struct arena *a, struct sbuf *out);

struct websocket;

/* What comes from the client is taken from FROM_CLIENT, what goes to it added to TO_CLIENT; what
 * its messages hold is added to CONTENT. All are borrowed. */
struct websocket *websocket_new(
	struct sbuf *from_client, struct sbuf *to_client, struct sbuf *content);
void websocket_free(struct websocket *w);
/* Takes all whole frames; answers pings. False: the conversation is over. */
bool websocket_take(struct websocket *w);
/* Sends one binary message. False: the conversation is over. */
bool websocket_send(struct websocket *w, const void *bytes, size_t n);

#endif
