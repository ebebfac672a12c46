/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * WebSocket over libwslay (websocket.h), which is included nowhere else.
 */
#include "xapid/door/websocket.h"

#include "common/base64.h"
#include "common/mem.h"
#include "common/tls_digest.h"

#include <string.h>
#include <wslay/wslay.h>

#define GUID     "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* of the RFC */
#define KEY_SIZE 16

bool websocket_is_wanted(const struct http_request *r)
{
	return http_header_has(r, "upgrade", "websocket") &&
		http_header_has(r, "connection", "upgrade");
}

unsigned websocket_accept(const struct http_request *r, struct arena *a, struct sbuf *out)
{
	const char *key = http_header(r, "sec-websocket-key");
	const char *version = http_header(r, "sec-websocket-version");
	unsigned char nonce[64], digest[DIGEST_SHA1_SIZE];
	size_t n = 0;

	if (!version || strcmp(version, "13") != 0)
		return 426;
	if (!key || base64_decoded_size(strlen(key)) > sizeof(nonce) ||
		!base64_decode(key, strlen(key), nonce, &n) || n != KEY_SIZE)
		return 400;
	const char *text = arena_printf(a, "%s" GUID, key);
	digest_sha1(text, strlen(text), digest);
	char *accept = arena_bytes(a, base64_encoded_size(sizeof(digest)) + 1);
	base64_encode(digest, sizeof(digest), accept);
	accept[base64_encoded_size(sizeof(digest))] = '\0';
	sbuf_printf(out,
		"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
		"connection: Upgrade\r\nsec-websocket-accept: %s\r\n%s\r\n",
		accept,
		http_header_has(r, "sec-websocket-protocol", "binary")
			? "sec-websocket-protocol: binary\r\n"
			: "");
	return 0;
}

struct websocket {
	wslay_event_context_ptr ctx; /* owned */
	struct sbuf *from_client, *to_client, *content;
};

static ssize_t on_recv(
	wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user_data)
{
	struct websocket *w = user_data;
	size_t n = sbuf_len(w->from_client);

	if (!n) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (n > len)
		n = len;
	memcpy(buf, sbuf_data(w->from_client), n);
	sbuf_consume(w->from_client, n);
	return (ssize_t)n;
}

static ssize_t on_send(
	wslay_event_context_ptr ctx, const uint8_t *bytes, size_t len, int flags, void *user_data)
{
	struct websocket *w = user_data;

	sbuf_add(w->to_client, bytes, len);
	return (ssize_t)len;
}

static void on_message(wslay_event_context_ptr ctx,
	const struct wslay_event_on_msg_recv_arg *message, void *user_data)
{
	struct websocket *w = user_data;

	if (!wslay_is_ctrl_frame(message->opcode))
		sbuf_add(w->content, message->msg, message->msg_length);
}

struct websocket *websocket_new(
	struct sbuf *from_client, struct sbuf *to_client, struct sbuf *content)
{
	static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
		.send_callback = on_send,
		.on_msg_recv_callback = on_message};
	struct websocket *w = xnew(struct websocket);

	*w = (struct websocket){NULL, from_client, to_client, content};
	if (wslay_event_context_server_init(&w->ctx, &callbacks, w) != 0)
		abort(); /* out of memory */
	wslay_event_config_set_max_recv_msg_length(w->ctx, WEBSOCKET_MESSAGE_MAX);
	return w;
}

void websocket_free(struct websocket *w)
{
	if (!w)
		return;
	wslay_event_context_free(w->ctx);
	free(w);
}

static bool goes_on(struct websocket *w)
{
	return wslay_event_send(w->ctx) == 0 && !wslay_event_get_close_sent(w->ctx) &&
		wslay_event_want_read(w->ctx);
}

bool websocket_take(struct websocket *w)
{
	return wslay_event_recv(w->ctx) == 0 && goes_on(w);
}

bool websocket_send(struct websocket *w, const void *bytes, size_t n)
{
	const struct wslay_event_msg message = {
		.opcode = WSLAY_BINARY_FRAME, .msg = bytes, .msg_length = n};

	return wslay_event_queue_msg(w->ctx, &message) == 0 && goes_on(w);
}
