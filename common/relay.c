/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A relay (relay.h): a fiber each way; when one comes to the end, the other one is ended.
 */
#include "common/relay.h"

#include "common/fiber.h"
#include "common/stream.h"

#define UNREAD_MAX    ((size_t)256 * 1024)
#define UNWRITTEN_MAX ((size_t)1024 * 1024)
#define LAST_NS       (10 * NS_PER_S)

struct way {
	struct stream *from, *to;
	struct fiber_group *group;
};

static MAY_WAIT struct err *carry(struct way *w)
{
	bool is_end = false;

	while (!is_end) {
		struct sbuf *in = stream_in(w->from);

		sbuf_add(stream_out(w->to), sbuf_data(in), sbuf_len(in));
		sbuf_clear(in);
		stream_flush_later(w->to);
		TRY(stream_drain(w->to, UNWRITTEN_MAX, NEVER));
		TRY(stream_fill(w->from, UNREAD_MAX, &is_end, NEVER));
	}
	return stream_drain(w->to, 0, deadline_in(LAST_NS));
}

static MAY_WAIT struct err *run(void *arg)
{
	struct way *w = arg;
	struct err *e = carry(w);

	fiber_group_cancel(w->group);
	return e;
}

MAY_WAIT void relay_run(struct stream *a, struct stream *b)
{
	struct fiber_group group;
	struct way there = {a, b, &group}, back = {b, a, &group};

	fiber_group_init(&group);
	struct err *e = fiber_group_spawn(&group, run, &there, "relay there");
	if (!e)
		e = fiber_group_spawn(&group, run, &back, "relay back");
	if (e)
		fiber_group_cancel(&group);
	err_free(e);
	err_free(fiber_group_wait(&group));
}
