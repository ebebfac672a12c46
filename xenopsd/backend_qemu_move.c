/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drives that go over to other images, in front of those that they have. What is behind a drive is
 * the node "host-ID" of QEMU, and after that "host-ID.1", "host-ID.2" and so on, each with the one
 * before behind it: the guest has the last one. Which that is QEMU is asked, so nothing need be
 * remembered.
 */
#include "common/mem.h"
#include "common/number.h"
#include "core.gen.h"
#include "xenopsd/backend_qemu.h"

#include <string.h>

/* ---- what a drive has now ---- */

struct place {
	const char *node, *file; /* in the arena */
};

/* QEMU names an image by its file; or, where it has one behind it that is not as the image itself
 * says, by how it was opened: "json:{"file": {"filename": …}, …}". */
static struct err *read_file(const char *name, struct arena *a, const char **out)
{
	static const char start[] = "json:";
	json_auto_t *how = NULL;

	if (strncmp(name, start, strlen(start)) != 0) {
		*out = arena_strdup(a, name);
		return NULL;
	}
	name += strlen(start);
	TRY(json_value_read("the name of an image", (struct json_text){name, strlen(name)}, &how));
	const json_t *file = json_object_get(how, "file");
	*out = arena_strdup(a, json_string_value(json_object_get(file, "filename")) ?: "");
	return NULL;
}

static MAY_WAIT struct err *find(
	struct machine *m, const char *id, struct arena *a, struct place *out)
{
	json_auto_t *all = NULL;
	size_t i;
	json_t *one;

	TRY(machine_call(m, "query-block", NULL, &all));
	json_array_foreach(all, i, one)
	{
		const json_t *in = json_object_get(one, "inserted");
		const char *node = json_string_value(json_object_get(in, "node-name"));
		const char *file = json_string_value(json_object_get(in, "file"));

		if (!qemu_is_drive(json_string_value(json_object_get(one, "qdev")), id))
			continue;
		if (!node || !file)
			return err(Media_not_present);
		out->node = arena_strdup(a, node);
		return read_file(file, a, &out->file);
	}
	return err(Device_not_connected);
}

struct err *qemu_vbd_file(
	struct vm *vm, const struct device *vbd, struct arena *a, const char **out)
{
	struct place place;
	const char *id;

	TRY(qemu_device_id(vbd, a, &id));
	TRY(find(machine_of(vm), id, a, &place));
	*out = place.file;
	return NULL;
}

/* ---- nodes ---- */

/* 3 of "host-ID.3", 0 of "host-ID" and of all else. */
static int64_t number_of(const char *node, const char *id)
{
	auto_str start = xasprintf("host-%s.", id);
	size_t len = strlen(start);
	int64_t n;

	if (strncmp(node, start, len) || !number_read_int(node + len, strlen(node + len), &n))
		return 0;
	return n;
}

/* One that is not there, or in use, stays as it is. */
static MAY_WAIT struct err *delete_node(struct machine *m, const char *node)
{
	auto_str arguments = xasprintf("{\"node-name\":\"%s\"}", node);
	auto_err e = machine_call(m, "blockdev-del", arguments, NULL);

	return err_is(e, &ERR_INTERNAL_ERROR) ? NULL : take(e);
}

static MAY_WAIT struct err *last_number(struct machine *m, const char *id, int64_t *out)
{
	json_auto_t *all = NULL;
	size_t i;
	json_t *one;

	*out = 0;
	TRY(machine_call(m, "query-named-block-nodes", "{\"flat\":true}", &all));
	json_array_foreach(all, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "node-name"));
		int64_t n = name ? number_of(name, id) : 0;

		*out = n > *out ? n : *out;
	}
	return NULL;
}

struct err *qemu_drop_images(struct machine *m, const char *id)
{
	auto_str first = xasprintf("host-%s", id);
	int64_t last;

	if (!machine_is_up(m))
		return NULL;
	TRY(last_number(m, id, &last));
	for (int64_t n = last; n > 0; n--) {
		auto_str node = xasprintf("%s.%lld", first, (long long)n);

		TRY(delete_node(m, node));
	}
	return last ? delete_node(m, first) : NULL;
}

/* ---- going over ---- */

struct move {
	const char *from, *to; /* nodes */
	bool is_open; /* QEMU has `to` */
};

/* Opens the new image; a move without `to` is none. */
static MAY_WAIT struct err *open_image(
	struct machine *m, const struct device *vbd, struct arena *a, struct move *move)
{
	const struct storage_implementation *way = vbd->ways.v;
	struct place now;
	const char *id;
	auto_str text = NULL;

	if (!vbd->ways.n || way->kind != STORAGE_IMPLEMENTATION_FILE)
		return err(Unimplemented, "new images of disks that are no files");
	TRY(qemu_device_id(vbd, a, &id));
	TRY(find(m, id, a, &now));
	if (!strcmp(now.file, way->file.path))
		return NULL;
	move->from = now.node;
	move->to = arena_printf(a, "host-%s.%lld", id, (long long)number_of(now.node, id) + 1);
	TRY(qemu_host_text(vbd, move->to, &vbd->ways, true, &text));
	/* A xenopsd that was killed may have left one. */
	TRY(delete_node(m, move->to));
	TRY(machine_call(m, "blockdev-add", text, NULL));
	move->is_open = true;
	return NULL;
}

static MAY_WAIT struct err *go_over(struct machine *m, const struct move *moves, size_t n)
{
	AUTO(sbuf_fini) struct sbuf text = {0};

	for (size_t i = 0; i < n; i++) {
		if (!moves[i].to)
			continue;
		sbuf_adds(&text, sbuf_len(&text) ? "," : "{\"actions\":[");
		sbuf_printf(&text,
			"{\"type\":\"blockdev-snapshot\","
			"\"data\":{\"node\":\"%s\",\"overlay\":\"%s\"}}",
			moves[i].from, moves[i].to);
	}
	if (!sbuf_len(&text))
		return NULL;
	sbuf_adds(&text, "]}");
	return machine_call(m, "transaction", sbuf_str(&text), NULL);
}

static MAY_WAIT struct err *move_all(struct machine *m, struct device *const *vbds,
	struct move *moves, size_t n, struct arena *a)
{
	for (size_t i = 0; i < n; i++)
		TRY(open_image(m, vbds[i], a, &moves[i]));
	return go_over(m, moves, n);
}

/* QEMU does not delete what the guest went over to. */
static MAY_WAIT void close_images(struct machine *m, const struct move *moves, size_t n)
{
	fiber_cancel_mask();
	for (size_t i = 0; i < n; i++)
		if (moves[i].is_open)
			err_free(delete_node(m, moves[i].to));
	fiber_cancel_unmask();
}

struct err *qemu_vbds_move(struct vm *vm, struct device *const *vbds, size_t n)
{
	struct machine *m = machine_of(vm);
	auto_arena a = {0};
	struct move *moves = arena_calloc(&a, n, sizeof(*moves));
	struct err *e = move_all(m, vbds, moves, n, &a);

	if (e)
		close_images(m, moves, n);
	return e;
}
