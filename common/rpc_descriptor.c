/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors that are handed over with calls (rpc.h): named by a notification, beside whose first
 * byte they come, and kept by the connection until a call takes them. Loop thread only.
 */
#include "common/mem.h"
#include "common/number.h"
#include "common/rpc_conn.h"
#include "core.gen.h"

#include <stdio.h>
#include <string.h>

struct descriptor {
	struct list link;
	char *id; /* owned; as JSON text */
	int fd; /* owned */
};

static void drop(struct rpc_conn *c, struct descriptor *d)
{
	list_remove(&d->link);
	c->n_descriptors--;
	if (d->fd >= 0)
		close(d->fd);
	free(d->id);
	free(d);
}

void rpc_descriptors_close(struct rpc_conn *c)
{
	struct descriptor *d;

	while ((d = list_first(&c->descriptors, struct descriptor, link)))
		drop(c, d);
}

static struct descriptor *find(struct rpc_conn *c, struct json_text id)
{
	list_for_each (d, &c->descriptors, struct descriptor, link)
		if (strlen(d->id) == id.len && !memcmp(d->id, id.text, id.len))
			return d;
	return NULL;
}

struct err *rpc_descriptor_take_in(struct rpc_conn *c, struct json_text params)
{
	struct json_text id = rpc_notified_id(params, &c->scratch);
	char limit[16];

	if (!c->limits.descriptors)
		return err(BAD_REQUEST, "no descriptors are taken here");
	auto_fd fd = stream_take_fd(c->stream);
	if (fd < 0)
		return err(BAD_REQUEST, "no descriptor came with rpc.descriptor");
	if (!id.text || find(c, id))
		return err(BAD_REQUEST, "a descriptor without a name of its own");
	snprintf(limit, sizeof(limit), "%u", c->limits.descriptors);
	if (c->n_descriptors >= c->limits.descriptors)
		return err(LIMIT_EXCEEDED, "descriptors that no call has taken", limit);
	struct descriptor *d = xnew(struct descriptor);
	d->id = xstrndup(id.text, id.len);
	d->fd = fd;
	fd = -1;
	list_push_back(&c->descriptors, &d->link);
	c->n_descriptors++;
	return NULL;
}

struct err *rpc_take_descriptor(const struct call *call, const char *param, const char *id, int *fd)
{
	struct rpc_conn *c = call->conn;
	auto_sbuf text = {0};
	struct json_writer w;

	json_writer_init(&w, &text);
	json_write_string(&w, id);
	struct descriptor *d =
		c ? find(c, (struct json_text){sbuf_data(&text), sbuf_len(&text)}) : NULL;
	if (!d)
		return err(INVALID_VALUE, param, "no descriptor was handed over as this");
	*fd = d->fd;
	d->fd = -1;
	drop(c, d);
	return NULL;
}

const char *rpc_descriptor_send(struct rpc_conn *c, int fd, struct arena *a)
{
	char name[8 + NUMBER_INT_SIZE] = "stream-";

	name[7 + number_put_int((int64_t)++c->next_descriptor, name + 7)] = '\0';
	stream_put_fd(c->stream, fd);
	rpc_descriptor_message(stream_out(c->stream), name);
	stream_flush_later(c->stream);
	return arena_strdup(a, name);
}
