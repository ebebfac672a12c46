/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages to administrators (message_store.h). A file's name is a number, in the order of their
 * making, and the reference; its content is the record as JSON. What cannot be read is left where
 * it is, and logged.
 */
#define LOG_MODULE "message"

#include "xapid/api/message_store.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/daemon.h"
#include "common/file.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/sbuf.h"
#include "common/uuid.h"
#include "common/vec.h"
#include "xapid/db/db.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE    (1 << 20)
#define MAX_REMOVED 1000
#define DIGITS      20 /* of the number in a file's name */

static struct {
	char *dir; /* owned; NULL: not open */
	struct list all; /* of struct stored_message, oldest first */
	struct map by_ref;
	uint64_t newest; /* number of a file */
	uint64_t generation;
	vec_of(struct removed_message) removed;
	uint64_t removed_from; /* the count of the newest that is not remembered */
} store;

static void message_free(struct stored_message *m)
{
	free(m->ref);
	free(m->path);
	arena_fini(&m->arena);
	free(m);
}

static void show(struct stored_message *m)
{
	m->generation = ++store.generation;
	list_push_back(&store.all, &m->link);
	map_put(&store.by_ref, m->ref, m);
}

static void hide(struct stored_message *m)
{
	list_remove(&m->link);
	map_remove(&store.by_ref, m->ref);
}

/* ---- opening ---- */

struct opening {
	const char *dir;
	struct list found; /* of struct stored_message, oldest first */
	uint64_t newest;
	int r;
};

static int is_message(const struct dirent *entry)
{
	return strlen(entry->d_name) == DIGITS + 1 + UUID_TEXT_SIZE - 1 &&
		entry->d_name[DIGITS] == '-';
}

static void load(struct opening *o, const char *name)
{
	struct stored_message *m = xnew(struct stored_message);
	auto_str text = NULL;
	size_t len;

	m->ref = xasprintf("OpaqueRef:%s", name + DIGITS + 1);
	m->path = xasprintf("%s/%s", o->dir, name);
	int r = file_read(m->path, MAX_FILE, &text, &len);
	auto_err e = r < 0 ? err_errno(-r, "reading it")
			   : codec_decode(xenapi_class_message.record, "message", text, len,
				     &m->arena, &m->record);
	if (e) {
		log_err(LOG_WARN_, e, "%s is no message", m->path);
		message_free(m);
		return;
	}
	o->newest = strtoull(name, NULL, 10);
	list_push_back(&o->found, &m->link);
}

static void read_dir(void *arg)
{
	struct opening *o = arg;
	struct dirent **names;

	o->r = dir_make(o->dir, 0750);
	if (o->r < 0)
		return;
	int n = scandir(o->dir, &names, is_message, alphasort);
	o->r = n < 0 ? -errno : 0;
	for (int i = 0; i < n; i++) {
		load(o, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

struct err *message_store_open(void)
{
	struct stored_message *m;

	list_init(&store.all);
	store.dir = xasprintf("%s/xapid-messages", daemon_paths()->state);
	struct opening o = {.dir = store.dir};
	list_init(&o.found);
	TRY(offload("reading the messages", read_dir, &o));
	if (o.r < 0)
		return err_errno(-o.r, "reading %s", store.dir);
	while ((m = list_pop_front(&o.found, struct stored_message, link)))
		show(m);
	store.newest = o.newest;
	return NULL;
}

void message_store_close(void)
{
	struct stored_message *m;

	if (!store.dir)
		return;
	while ((m = list_pop_front(&store.all, struct stored_message, link)))
		message_free(m);
	map_fini(&store.by_ref);
	vec_fini(&store.removed);
	free(take(store.dir));
}

/* ---- changing ---- */

static struct stored_message *message_new(const struct xenapi_message *record)
{
	struct stored_message *m = xnew(struct stored_message);
	char uuid[UUID_TEXT_SIZE], ref[DB_REF_SIZE];
	struct xenapi_message whole = *record;

	whole.uuid = uuid_random_text(uuid);
	whole.timestamp = clock_real_ns() / NS_PER_S;
	codec_keep(xenapi_class_message.record, &whole, &m->arena, &m->record);
	m->ref = xstrdup(db_new_ref(ref));
	m->path = xasprintf("%s/%020llu-%s", store.dir, (unsigned long long)++store.newest,
		m->ref + strlen("OpaqueRef:"));
	return m;
}

static MAY_WAIT struct err *write_message(const struct stored_message *m)
{
	auto_sbuf json = {0};

	codec_encode(xenapi_class_message.record, &m->record, &json);
	return file_store(m->path, sbuf_data(&json), sbuf_len(&json), 0640, FILE_DURABLE);
}

struct err *message_store_add(
	const struct xenapi_message *record, struct arena *a, const char **ref)
{
	struct stored_message *m = message_new(record);
	struct err *e = write_message(m);

	if (e) {
		message_free(m);
		return e;
	}
	show(m);
	*ref = arena_strdup(a, m->ref);
	db_wake();
	list_for_each_safe (oldest, &store.all, struct stored_message, link) {
		if (store.by_ref.n <= MESSAGE_STORE_MAX)
			break;
		TRY(message_store_remove(oldest->ref));
	}
	return NULL;
}

static void remember(const struct stored_message *m)
{
	struct removed_message removed = {.made = m->generation, .removed = ++store.generation};

	snprintf(removed.ref, sizeof(removed.ref), "%s", m->ref);
	if (store.removed.n == MAX_REMOVED) {
		store.removed_from = store.removed.v[0].removed;
		vec_remove(&store.removed, 0);
	}
	vec_push(&store.removed, removed);
}

struct err *message_store_remove(const char *ref)
{
	struct stored_message *m = map_get(&store.by_ref, ref);

	if (!m)
		return err(HANDLE_INVALID, "message", ref);
	hide(m);
	remember(m);
	db_wake();
	struct err *e = file_drop(m->path, FILE_DURABLE);
	message_free(m);
	return e;
}

/* ---- reading ---- */

const struct stored_message *message_store_find(const char *ref)
{
	return map_get(&store.by_ref, ref);
}

size_t message_store_count(void)
{
	return store.by_ref.n;
}

const struct stored_message *message_store_next(const struct stored_message *m)
{
	const struct list *next = m ? m->link.next : store.all.next;

	return !next || next == &store.all ? NULL : list_entry(next, struct stored_message, link);
}

uint64_t message_store_generation(void)
{
	return store.generation;
}

const struct removed_message *message_store_removed(size_t *n)
{
	*n = store.removed.n;
	return store.removed.v;
}

uint64_t message_store_removed_from(void)
{
	return store.removed_from;
}
