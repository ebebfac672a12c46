/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connection to a QEMU (qmp.h). A fiber of its own reads it line by line and wakes whose answer
 * came. Loop thread only.
 */
#define LOG_MODULE "qmp"
#include "xenopsd/qmp.h"

#include "common/arena.h"
#include "common/fiber.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/stream.h"
#include "core.gen.h"

#include <string.h>

#define LINE_MAX ((size_t)4 * 1024 * 1024) /* query-blockstats of a thousand drives */

struct qmp {
	unsigned refs; /* the owner, the reader, each call in flight */
	struct stream *stream; /* owned; NULL once closed */
	char *path; /* owned; for messages */
	bool is_greeted;
	struct list calls;
	int64_t last_id;
	struct cond answered; /* a call, or the greeting came, or the connection closed */
	qmp_event_fn fn; /* NULL: the owner is gone */
	void *arg;
};

/* A command in flight, on the stack of who waits for it. */
struct call {
	struct list link;
	int64_t id;
	json_t *answer; /* owned; NULL: it has not come */
};

static void unref(struct qmp *q)
{
	if (--q->refs)
		return;
	cond_fini(&q->answered);
	free(q->path);
	free(q);
}

static void close_stream(struct qmp *q)
{
	stream_free(take(q->stream));
	cond_broadcast(&q->answered);
}

bool qmp_is_open(const struct qmp *q)
{
	return q->stream != NULL;
}

void qmp_free(struct qmp *q)
{
	if (!q)
		return;
	q->fn = NULL;
	close_stream(q);
	unref(q);
}

/* ---- what QEMU says ---- */

static void take_answer(struct qmp *q, json_t *message)
{
	int64_t id = json_integer_value(json_object_get(message, "id"));

	list_for_each (c, &q->calls, struct call, link) {
		if (c->id == id && !c->answer) {
			c->answer = json_incref(message);
			cond_broadcast(&q->answered);
			return;
		}
	}
	log_debug("%s: an answer that nobody waits for", q->path);
}

static void take_message(struct qmp *q, json_t *message)
{
	const char *event = json_string_value(json_object_get(message, "event"));

	if (json_object_get(message, "QMP")) {
		q->is_greeted = true;
		cond_broadcast(&q->answered);
	} else if (event) {
		log_debug("%s: %s", q->path, event);
		if (q->fn)
			q->fn(event, json_object_get(message, "data"), q->arg);
	} else {
		take_answer(q, message);
	}
}

static MAY_WAIT struct err *read_line(struct qmp *q, struct json_text *out)
{
	size_t scanned = 0;

	while (q->stream) {
		struct sbuf *in = stream_in(q->stream);
		char *start = sbuf_data(in);
		char *newline = sbuf_len(in) > scanned
			? memchr(start + scanned, '\n', sbuf_len(in) - scanned)
			: NULL;
		bool is_end = false;

		if (newline) {
			*out = (struct json_text){start, (size_t)(newline - start)};
			return NULL;
		}
		scanned = sbuf_len(in);
		TRY(stream_fill(q->stream, LINE_MAX, &is_end, NEVER));
		if (is_end)
			break;
	}
	return err(CONNECTION_LOST, q->path);
}

static MAY_WAIT struct err *read_all(struct qmp *q)
{
	for (;;) {
		struct json_text line;
		json_auto_t *message = NULL;

		TRY(read_line(q, &line));
		TRY(json_value_read("QEMU's message", line, &message));
		sbuf_consume(stream_in(q->stream), line.len + 1);
		take_message(q, message);
	}
}

static void reader(void *arg)
{
	struct qmp *q = arg;
	auto_err e = read_all(q);

	if (q->stream && !err_is(e, &ERR_CONNECTION_LOST) && !err_is(e, &ERR_SHUTTING_DOWN))
		log_err(LOG_WARN_, e, "%s", q->path);
	close_stream(q);
	if (q->fn)
		q->fn(NULL, NULL, q->arg);
	unref(q);
}

/* ---- commands ---- */

static void write_command(struct qmp *q, int64_t id, const char *command, const char *arguments)
{
	struct json_writer w;

	json_writer_init(&w, stream_out(q->stream));
	json_write_object(&w);
	json_member_string(&w, "execute", command);
	if (arguments) {
		json_write_name(&w, "arguments");
		json_write_raw(&w, arguments, strlen(arguments));
	}
	json_member_int(&w, "id", id);
	json_write_object_end(&w);
	sbuf_addc(stream_out(q->stream), '\n');
	stream_flush_later(q->stream);
}

/* What the answer means. */
static struct err *outcome(json_t *answer, const char *command, json_t **result)
{
	const json_t *error = json_object_get(answer, "error");

	if (error) {
		const char *desc = json_string_value(json_object_get(error, "desc"));
		auto_arena a = {0};

		return err(INTERNAL_ERROR,
			arena_printf(&a, "QEMU refuses %s: %s", command, desc ? desc : "?"));
	}
	if (result)
		*result = json_incref(json_object_get(answer, "return"));
	return NULL;
}

static MAY_WAIT struct err *await(
	struct qmp *q, struct call *c, const char *command, int64_t deadline)
{
	while (!c->answer) {
		if (!q->stream)
			return err(CONNECTION_LOST, q->path);
		TRY(cond_wait(&q->answered, command, deadline));
	}
	return NULL;
}

struct err *qmp_call(struct qmp *q, const char *command, const char *arguments, json_t **result,
	int64_t deadline)
{
	if (!q->stream)
		return err(CONNECTION_LOST, q->path);
	struct call c = {.id = ++q->last_id};

	q->refs++;
	list_push_back(&q->calls, &c.link);
	write_command(q, c.id, command, arguments);
	struct err *e = await(q, &c, command, deadline);
	list_remove(&c.link);
	unref(q);
	json_auto_t *answer = c.answer;
	return e ? e : outcome(answer, command, result);
}

/* ---- the beginning ---- */

static MAY_WAIT struct err *greet(struct qmp *q, int64_t deadline)
{
	while (!q->is_greeted) {
		if (!q->stream)
			return err(CONNECTION_LOST, q->path);
		TRY(cond_wait(&q->answered, "QEMU's greeting", deadline));
	}
	return qmp_call(q, "qmp_capabilities", NULL, NULL, deadline);
}

struct err *qmp_connect(
	struct qmp **out, const char *path, qmp_event_fn fn, void *arg, int64_t deadline)
{
	int fd;
	int r = unix_connect(path, &fd);

	if (r < 0)
		return err(CONNECTION_REFUSED, path, strerrordesc_np(-r));
	struct qmp *q = xnew(struct qmp);
	q->stream = stream_new(fd);
	q->path = xstrdup(path);
	q->refs = 2;
	list_init(&q->calls);
	cond_init(&q->answered);
	struct err *e = fiber_spawn(NULL, reader, q, "qmp %s", path);
	if (e)
		q->refs--;
	else
		e = greet(q, deadline);
	if (e) {
		qmp_free(q);
		return e;
	}
	q->fn = fn;
	q->arg = arg;
	*out = q;
	return NULL;
}
