/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of the XenAPI (client.h).
 */
#include "packaging/xenith/client.h"

#include "common/clock.h"
#include "common/http_client.h"
#include "common/listen.h"
#include "common/mem.h"
#include "common/stream.h"
#include "core.gen.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PIECE  ((size_t)256 * 1024)
#define WITHIN (600 * NS_PER_S) /* only against an end that hangs */

MAY_WAIT struct err *client_call(
	struct client *c, const char *message, json_t *params, json_t **result)
{
	json_auto_t *all = params ? params : json_array();

	if (c->session)
		json_array_insert_new(all, 0, json_string(c->session));
	TRY_CTX(http_rpc_call(c->stream, &c->arena, c->values, message, all, result), "%s",
		message);
	return NULL;
}

MAY_WAIT struct err *client_call_string(
	struct client *c, const char *message, json_t *params, const char **result)
{
	json_t *value = NULL;

	TRY(client_call(c, message, params, &value));
	if (result)
		*result = json_is_string(value) ? json_string_value(value) : "";
	return NULL;
}

/* ---- files ---- */

static MAY_WAIT struct err *send_file(struct stream *s, int fd, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		uint64_t left = size - done;
		size_t want = left < PIECE ? (size_t)left : PIECE;
		ssize_t n = pread(fd, sbuf_room(stream_out(s), want), want, (off_t)done);

		if (n < 0)
			return err_errno(errno, "reading the file");
		if (n == 0)
			return err(INVALID_VALUE, "file", "it became shorter meanwhile");
		sbuf_added(stream_out(s), (size_t)n);
		stream_flush_later(s);
		TRY(stream_drain(s, PIECE, deadline_in(WITHIN)));
		done += (uint64_t)n;
	}
	return NULL;
}

static MAY_WAIT struct err *put_over(
	struct client *c, struct stream *s, const char *target, int fd, uint64_t size)
{
	struct json_text body;

	sbuf_printf(stream_out(s),
		"PUT %s HTTP/1.1\r\nhost: localhost\r\nuser-agent: xenith\r\n"
		"content-length: %" PRIu64 "\r\n\r\n",
		target, size);
	/* Who refuses it stops reading and says why: that is the error to tell. */
	auto_err e = send_file(s, fd, size);
	if (e && !err_is(e, &ERR_CONNECTION_LOST))
		return take(e);
	struct err *answer = http_answer(s, &c->arena, &body);
	if (!e || (answer && !err_is(answer, &ERR_CONNECTION_LOST)))
		return answer;
	err_free(answer);
	return take(e);
}

MAY_WAIT struct err *client_put(struct client *c, const char *target, int fd, uint64_t size)
{
	auto_str path = xasprintf("%s/run/xapi", c->dir);
	int own_fd, r = unix_connect(path, &own_fd);

	if (r < 0)
		return err_errno(-r, "connecting to %s", path);
	struct stream *s = stream_new(own_fd);
	struct err *e = put_over(c, s, target, fd, size);
	stream_free(s);
	return err_wrap(e, "PUT %.*s", (int)strcspn(target, "?"), target);
}

bool client_is_null(const char *ref)
{
	return !strcmp(ref, "OpaqueRef:NULL");
}

/* ---- its life ---- */

MAY_WAIT struct err *client_open(struct client *c, const char *dir)
{
	auto_str path = xasprintf("%s/run/xapi", dir);
	json_t *names = json_pack("[s, s, s, s]", "root", "", "1.0", "xenith");
	int fd = -1, r = unix_connect(path, &fd);

	c->dir = dir;
	c->values = json_array();
	if (r < 0) {
		json_decref(names);
		return err_errno(-r, "connecting to %s", path);
	}
	c->stream = stream_new(fd);
	return client_call_string(c, "session.login_with_password", names, &c->session);
}

MAY_WAIT void client_close(struct client *c)
{
	if (c->session)
		err_free(client_call(c, "session.logout", NULL, NULL));
	stream_free(c->stream);
	json_decref(c->values);
	arena_fini(&c->arena);
	*c = (struct client){0};
}
