/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps the configuration (config.h): its files, copies of it, and its entries. Loop thread.
 */
#define LOG_MODULE "config"
#include "networkd/config.h"

#include "common/codec.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"
#include "networkd/networkd.h"

#include <errno.h>
#include <string.h>

#define FORM      1 /* of the files */
#define MAX_BYTES ((size_t)16 << 20)

/* ---- entries ---- */

/* V has room for one more of N elements of SIZE bytes; the old array stays in the arena. */
static void *grown(struct arena *a, const void *v, size_t n, size_t size)
{
	char *out = arena_calloc(a, n + 1, size);

	if (n)
		memcpy(out, v, n * size);
	return out;
}

#define REMOVE_AT(list, i) \
	memmove(&(list)->v[i], &(list)->v[(i) + 1], (--(list)->n - (i)) * sizeof(*(list)->v))

/* The place of the entry whose member KEY is NAME, or n. */
#define PLACE_OF(list, member, name) \
	({ \
		size_t at_ = 0; \
		while (at_ < (list)->n && strcmp((list)->v[at_].member, (name))) \
			at_++; \
		at_; \
	})

struct network_interface_config *config_interface(const struct config *c, const char *name)
{
	size_t i = PLACE_OF(&c->kept.interfaces, key, name);

	return i < c->kept.interfaces.n ? &c->kept.interfaces.v[i].value : NULL;
}

struct network_bridge_config *config_bridge(const struct config *c, const char *name)
{
	size_t i = PLACE_OF(&c->kept.bridges, key, name);

	return i < c->kept.bridges.n ? &c->kept.bridges.v[i].value : NULL;
}

struct network_interface_config *config_add_interface(struct config *c, const char *name)
{
	struct network_interface_config_map *m = &c->kept.interfaces;
	size_t i = PLACE_OF(m, key, name);

	if (i == m->n) {
		m->v = grown(&c->arena, m->v, m->n++, sizeof(*m->v));
		m->v[i].key = arena_strdup(&c->arena, name);
		codec_init_record(&network_type_interface_config, &c->arena, &m->v[i].value);
	}
	return &m->v[i].value;
}

struct network_bridge_config *config_add_bridge(struct config *c, const char *name)
{
	struct network_bridge_config_map *m = &c->kept.bridges;
	size_t i = PLACE_OF(m, key, name);

	if (i == m->n) {
		m->v = grown(&c->arena, m->v, m->n++, sizeof(*m->v));
		m->v[i].key = arena_strdup(&c->arena, name);
		codec_init_record(&network_type_bridge_config, &c->arena, &m->v[i].value);
	}
	return &m->v[i].value;
}

#define REMOVE_NAMED(list, member, name) \
	({ \
		size_t found_ = PLACE_OF(list, member, name); \
		bool is_there_ = found_ < (list)->n; \
		if (is_there_) \
			REMOVE_AT(list, found_); \
		is_there_; \
	})

bool config_remove_interface(struct config *c, const char *name)
{
	return REMOVE_NAMED(&c->kept.interfaces, key, name);
}

bool config_remove_bridge(struct config *c, const char *name)
{
	return REMOVE_NAMED(&c->kept.bridges, key, name);
}

/* ---- files ---- */

/* Both files of configurations hold one object: {"version": 1, "config": {…}}. */
static void encode_config(const struct network_config *config, struct sbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_write_object(&w);
	json_member_int(&w, "version", FORM);
	json_write_name(&w, "config");
	codec_write(&network_type_config, config, 0, &w);
	json_write_object_end(&w);
	sbuf_addc(out, '\n');
}

static struct err *read_config(struct json_reader *r, struct config *c)
{
	struct network_config from;

	TRY(codec_read(&network_type_config, "config", r, &from));
	for (size_t i = 0; i < from.interfaces.n; i++)
		*config_add_interface(c, from.interfaces.v[i].key) = from.interfaces.v[i].value;
	for (size_t i = 0; i < from.bridges.n; i++)
		*config_add_bridge(c, from.bridges.v[i].key) = from.bridges.v[i].value;
	if (from.gateway_interface)
		c->kept.gateway_interface = from.gateway_interface;
	if (from.dns_interface)
		c->kept.dns_interface = from.dns_interface;
	return NULL;
}

static bool is_member(const char *name, size_t len, const char *wanted)
{
	return len == strlen(wanted) && !memcmp(name, wanted, len);
}

/* Adds what the file's text says to C. */
static struct err *decode(const char *text, size_t len, struct config *c)
{
	struct json_reader r;
	const char *name;
	size_t name_len;
	int64_t version = 0;

	json_reader_init(&r, text, len, &c->arena);
	if (!json_enter_object(&r))
		return err(INVALID_VALUE, "", r.problem ? r.problem : "not an object");
	for (bool first = true; json_next_member(&r, &first, &name, &name_len);) {
		if (is_member(name, name_len, "version")) {
			if (!json_read_int(&r, &version) || version != FORM)
				return err(INVALID_VALUE, "version", "not one that is known");
		} else if (is_member(name, name_len, "config")) {
			TRY(read_config(&r, c));
		} else if (!json_skip(&r, NULL)) {
			break;
		}
	}
	if (r.problem || !json_at_end(&r))
		return err(INVALID_VALUE, "", r.problem ? r.problem : "text behind its end");
	if (!version)
		return err(INVALID_VALUE, "version", "missing");
	return NULL;
}

static MAY_WAIT struct err *load_file(const char *path, struct config *c)
{
	auto_str text = NULL;
	size_t len;

	if (access(path, F_OK) && errno == ENOENT)
		return NULL;
	TRY(file_load(path, MAX_BYTES, &text, &len));
	auto_err e = decode(text, len, c);
	return e ? err(STORE_UNUSABLE, path, err_text(e)) : NULL;
}

MAY_WAIT struct err *config_load(void)
{
	networkd.config = xnew(struct config);
	TRY(load_file(networkd.state_path, networkd.config));
	return load_file(networkd.run_path, networkd.config);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	arena_fini(&c->arena);
	free(c);
}

/* Those of C that are persistent, or those that are not. Borrows from C, and from A. */
static struct network_config part_of(const struct config *c, bool persistent, struct arena *a)
{
	const struct network_config *all = &c->kept;
	struct network_config out = {0};

	out.interfaces.v = arena_calloc(a, all->interfaces.n, sizeof(*out.interfaces.v));
	for (size_t i = 0; i < all->interfaces.n; i++)
		if (all->interfaces.v[i].value.persistent == persistent)
			out.interfaces.v[out.interfaces.n++] = all->interfaces.v[i];
	out.bridges.v = arena_calloc(a, all->bridges.n, sizeof(*out.bridges.v));
	for (size_t i = 0; i < all->bridges.n; i++)
		if (all->bridges.v[i].value.persistent == persistent)
			out.bridges.v[out.bridges.n++] = all->bridges.v[i];
	if (persistent) {
		out.gateway_interface = all->gateway_interface;
		out.dns_interface = all->dns_interface;
	}
	return out;
}

static void part_text(const struct config *c, bool persistent, struct sbuf *out)
{
	auto_arena a = {0};
	struct network_config part = part_of(c, persistent, &a);

	encode_config(&part, out);
}

/* Only a file whose content changes is written. */
static MAY_WAIT struct err *store_file(
	const char *path, struct sbuf *before, struct sbuf *after, unsigned flags)
{
	if (!strcmp(sbuf_str(before), sbuf_str(after)))
		return NULL;
	return file_store(path, sbuf_data(after), sbuf_len(after), 0640, flags);
}

static MAY_WAIT struct err *config_store(const struct config *before, const struct config *after)
{
	struct sbuf kept[2] = {{0}}, run[2] = {{0}};
	const struct config *const both[] = {before, after};

	for (size_t i = 0; i < 2; i++) {
		part_text(both[i], true, &kept[i]);
		part_text(both[i], false, &run[i]);
	}
	struct err *e = store_file(networkd.state_path, &kept[0], &kept[1], FILE_DURABLE);
	if (!e)
		e = store_file(networkd.run_path, &run[0], &run[1], 0);
	for (size_t i = 0; i < 2; i++) {
		sbuf_fini(&kept[i]);
		sbuf_fini(&run[i]);
	}
	return e;
}

/* ---- changes ---- */

static struct config *config_copy(const struct config *c)
{
	struct config *out = xnew(struct config);

	codec_copy(&network_type_config, &c->kept, &out->arena, &out->kept);
	return out;
}

MAY_WAIT struct err *change_hold(struct change *change)
{
	TRY(mutex_lock(&networkd.changing, "another change of the network", NEVER));
	fiber_cancel_mask();
	change->is_locked = true;
	return NULL;
}

MAY_WAIT struct err *change_begin(struct change *change)
{
	TRY(change_hold(change));
	change->next = config_copy(networkd.config);
	return NULL;
}

MAY_WAIT struct err *change_commit(struct change *change)
{
	TRY(config_store(networkd.config, change->next));
	config_free(networkd.config);
	networkd.config = take(change->next);
	return NULL;
}

void change_end(struct change *change)
{
	config_free(change->next);
	if (!change->is_locked)
		return;
	fiber_cancel_unmask();
	mutex_unlock(&networkd.changing);
}
