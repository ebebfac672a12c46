/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps the notes (note.h). A note that was removed lives on in its change until the store says
 * that the removal is durable: only then nothing can bring it back.
 */
#include "tests/sample/note.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/store.h"
#include "common/updates.h"
#include "tests/sample/sample.h"

#include <string.h>

static const struct store_schema schema = {
	.version = 1,
	.tables = (const char *const[]){"note", NULL},
};

/* What the store gives back when a change is durable, or is to be undone. */
struct change {
	struct note *note;
	bool is_removal;
};

struct opening {
	const char *path;
	struct err *e;
};

static void note_free(struct note *n)
{
	arena_fini(&n->arena);
	free(n);
}

static void show(struct note *n)
{
	map_put(&sample.by_id, n->value.id, n);
	list_push_back(&sample.notes, &n->link);
}

static void hide(struct note *n)
{
	map_remove(&sample.by_id, n->value.id);
	list_remove(&n->link);
}

static void change_undo(void *what, uint64_t generation, void *owner)
{
	struct change *change = what;

	if (change->is_removal) {
		show(change->note);
	} else {
		hide(change->note);
		note_free(change->note);
	}
	free(change);
}

static void change_done(void *what, uint64_t generation, void *owner)
{
	struct change *change = what;

	if (change->is_removal) {
		updates_remove("note", change->note->value.id);
		note_free(change->note);
	} else {
		updates_add("note", change->note->value.id);
	}
	free(change);
}

static struct change *change_new(struct note *n, bool is_removal)
{
	struct change *change = xnew(struct change);

	*change = (struct change){n, is_removal};
	return change;
}

static struct err *read_row(const struct store_row *row, void *arg)
{
	struct note *n = xnew(struct note);
	struct err *e = codec_decode(
		&sample_type_note, row->key, row->value, row->size, &n->arena, &n->value);

	if (e) {
		note_free(n);
		return e;
	}
	show(n);
	updates_add("note", n->value.id);
	return NULL;
}

/* Opening checks the whole file: that is for the pool. */
static void open_store(void *arg)
{
	static const struct store_options options = {
		.schema = &schema, .undo = change_undo, .done = change_done};
	struct opening *o = arg;

	o->e = store_open(&sample.store, o->path, &options);
}

MAY_WAIT struct err *notes_open(const char *path)
{
	struct opening o = {.path = path};

	list_init(&sample.notes);
	TRY(offload("opening the store", open_store, &o));
	TRY(o.e);
	return store_load(sample.store, "note", read_row, NULL);
}

void notes_close(void)
{
	store_close(take(sample.store));
	for (struct note *n; (n = list_pop_front(&sample.notes, struct note, link));)
		note_free(n);
	map_fini(&sample.by_id);
}

struct err *note_add(const struct sample_note *value)
{
	auto_sbuf json = {0};
	uint64_t generation;
	struct note *n = xnew(struct note);

	codec_copy(&sample_type_note, value, &n->arena, &n->value);
	codec_encode(&sample_type_note, &n->value, &json);
	struct change *change = change_new(n, false);
	struct err *e = store_put(sample.store, "note", n->value.id, sbuf_data(&json),
		sbuf_len(&json), change, &generation);
	if (e) {
		free(change);
		note_free(n);
		return e;
	}
	show(n);
	return NULL;
}

struct err *note_remove(const char *id)
{
	struct note *n;
	uint64_t generation;

	TRY(note_find(id, &n));
	struct change *change = change_new(n, true);
	struct err *e = store_delete(sample.store, "note", id, change, &generation);
	if (e) {
		free(change);
		return e;
	}
	hide(n);
	return NULL;
}

struct err *note_find(const char *id, struct note **out)
{
	struct note *n = map_get(&sample.by_id, id);

	if (!n)
		return err(NO_SUCH_NOTE, id);
	*out = n;
	return NULL;
}

struct err *notes_settle(void)
{
	return store_barrier(sample.store, store_generation(sample.store), NEVER);
}
