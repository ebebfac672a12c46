/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text consoles of simulated guests (simulator.h): who connects sees what was printed and gets each
 * line that he types back. Loop thread; a fiber a connection.
 */
#define LOG_MODULE "console"
#include "common/listen.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/stream.h"
#include "xenopsd/simulator/simulator.h"

#include <string.h>
#include <sys/socket.h>

#define KEPT_BYTES 4096 /* of what was printed, for who connects later, and of what was typed */
#define LINE_BYTES 4096 /* unread of what is typed */

struct viewer {
	struct list link;
	struct console *console; /* NULL: it has gone */
	struct stream *stream; /* owned by the viewer's fiber */
};

struct console {
	char *path; /* owned */
	struct listener *listener; /* owned */
	struct list viewers;
	struct sbuf printed, typed;
};

static void show(struct viewer *v, const void *bytes, size_t n)
{
	sbuf_add(stream_out(v->stream), bytes, n);
	stream_flush_later(v->stream);
}

static void keep(struct sbuf *kept, const void *bytes, size_t n)
{
	sbuf_add(kept, bytes, n);
	if (sbuf_len(kept) > KEPT_BYTES)
		sbuf_consume(kept, sbuf_len(kept) - KEPT_BYTES);
}

/* Echoes until the peer, or the console, has gone. */
static MAY_WAIT struct err *converse(struct viewer *v)
{
	struct sbuf *in = stream_in(v->stream);

	for (;;) {
		bool is_end;

		TRY(stream_fill(v->stream, LINE_BYTES, &is_end, NEVER));
		if (is_end || !v->console)
			return NULL;
		show(v, sbuf_data(in), sbuf_len(in));
		keep(&v->console->typed, sbuf_data(in), sbuf_len(in));
		sbuf_consume(in, sbuf_len(in));
		TRY(stream_drain(v->stream, LINE_BYTES, NEVER));
	}
}

static MAY_WAIT void viewer_main(void *arg)
{
	struct viewer *v = arg;

	err_free(converse(v));
	list_remove(&v->link);
	stream_free(v->stream);
	free(v);
}

static void viewer_new(int fd, void *arg)
{
	struct console *c = arg;
	struct viewer *v = xnew(struct viewer);

	v->console = c;
	v->stream = stream_new(fd);
	list_push_back(&c->viewers, &v->link);
	show(v, sbuf_data(&c->printed), sbuf_len(&c->printed));
	struct err *e = fiber_spawn(NULL, viewer_main, v, "console %s", c->path);
	if (!e)
		return;
	log_err(LOG_WARN_, e, "nobody serves a console");
	err_free(e);
	list_remove(&v->link);
	stream_free(v->stream);
	free(v);
}

struct err *console_new(struct console **out, const char *path, const char *greeting)
{
	struct console *c = xnew(struct console);
	struct err *e = listen_unix(&c->listener, path, 0660, viewer_new, c);

	if (e) {
		free(c);
		return e;
	}
	c->path = xstrdup(path);
	list_init(&c->viewers);
	console_print(c, greeting);
	*out = c;
	return NULL;
}

const char *console_path(const struct console *c)
{
	return c->path;
}

void console_print(struct console *c, const char *text)
{
	size_t len = strlen(text);

	keep(&c->printed, text, len);
	list_for_each (v, &c->viewers, struct viewer, link)
		show(v, text, len);
}

/* What one types may be anything, and may be cut. */
static const char *text_of(const struct sbuf *b, struct arena *a)
{
	char *text = arena_strndup(a, sbuf_data(b), sbuf_len(b));

	for (char *p = text; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return text;
}

void console_tell(const struct console *c, struct arena *a, struct simulator_console_text *out)
{
	out->shown = text_of(&c->printed, a);
	out->typed = text_of(&c->typed, a);
}

void console_free(struct console *c)
{
	struct viewer *v;

	if (!c)
		return;
	while ((v = list_pop_front(&c->viewers, struct viewer, link))) {
		v->console = NULL;
		/* Its fiber reads an end, and then frees it. */
		shutdown(stream_fd(v->stream), SHUT_RDWR);
	}
	if (loop_is_here())
		listener_free(c->listener);
	sbuf_fini(&c->printed);
	sbuf_fini(&c->typed);
	free(c->path);
	free(c);
}
