/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A database that is a copy of another host's: what is written here is done at once, and noted, so
 * that it can be done there; what comes from there is put over it. An object that was written here
 * is left alone until there comes a state of it that has this write in it.
 */
#include "common/codec.h"
#include "common/fiber.h"
#include "common/mem.h"
#include "xapid/db/db_priv.h"

#include "core.gen.h"

#define LOG_MODULE "db"
#include "common/log.h"

#include <string.h>

/* What one turn did; OPS is what others see of it. */
struct batch {
	struct list link; /* copy.batches, oldest first */
	struct db_ops ops;
	uint64_t since; /* the generation before it */
};

static struct {
	void (*on_ops)(void); /* NULL: this is no copy */
	bool is_applying; /* what comes from the original */
	struct batch *turn; /* or NULL */
	struct list batches;
	uint64_t n_batches, included;
	struct cond seen; /* more of them are included, or refused */
	bool is_given_up; /* nobody is to wait for them any more */
	struct map pending; /* reference -> how many batches that are not included change it */
} copy;

/* ---- what is written here ---- */

static void pending_add(const char *ref, long n)
{
	long before = (long)map_get(&copy.pending, ref);

	if (before + n)
		map_put(&copy.pending, ref, (void *)(before + n));
	else
		map_remove(&copy.pending, ref);
}

static struct db_op *note(const struct db_row *row, enum db_op_kind kind)
{
	if (!copy.on_ops || copy.is_applying || db.is_undoing || db.is_following)
		return NULL;
	if (!copy.turn) {
		copy.turn = xnew(struct batch);
		copy.turn->since = row->generation - 1;
	}
	vec_push(&copy.turn->ops.v,
		(struct db_op){
			.kind = kind, .class = row->class->class, .ref = xstrdup(row->name->text)});
	pending_add(row->name->text, 1);
	db_turn();
	return &copy.turn->ops.v.v[copy.turn->ops.v.n - 1];
}

static char *text_of(const struct type *t, const void *value)
{
	auto_sbuf b = {0};

	codec_encode(t, value, &b);
	return xstrdup(sbuf_str(&b));
}

void db_copy_note_create(const struct db_row *row)
{
	struct db_op *op = note(row, DB_OP_CREATE);
	auto_sbuf b = {0};

	if (!op)
		return;
	db_row_encode(row, true, &b);
	op->value = xstrdup(sbuf_str(&b));
}

void db_copy_note_delete(const struct db_row *row)
{
	note(row, DB_OP_DELETE);
}

void db_copy_note_write(struct db_row *row, const struct db_field *f, const struct db_part *part)
{
	const struct type *t = f->field->type;
	struct db_op *op = note(row, part ? part->kind : DB_OP_WRITE);

	if (!op)
		return;
	op->field = f->field;
	op->key = part && part->key ? xstrdup(part->key) : NULL;
	if (!part)
		op->value = text_of(t, db_place(row, f));
	else if (part->value)
		op->value = text_of(t->of, part->value);
}

void db_note_end(const char *ref, const char *task)
{
	const struct db_row *row = db_row(NULL, ref);
	struct db_op *op = row ? note(row, DB_OP_END) : NULL;

	if (op)
		op->key = xstrdup(task);
}

/* ---- on its way to the original ---- */

void db_copy_flush(void)
{
	struct batch *b = take(copy.turn);

	if (!b)
		return;
	b->ops.number = ++copy.n_batches;
	list_push_back(&copy.batches, &b->link);
	copy.on_ops();
}

const struct db_ops *db_ops_after(uint64_t number)
{
	list_for_each (b, &copy.batches, struct batch, link)
		if (b->ops.number > number)
			return &b->ops;
	return NULL;
}

static void batch_free(struct batch *b)
{
	vec_for_each (i, &b->ops.v) {
		struct db_op *op = &b->ops.v.v[i];

		pending_add(op->ref, -1);
		free(op->ref);
		free(op->key);
		free(op->value);
	}
	vec_fini(&b->ops.v);
	list_remove(&b->link);
	free(b);
}

void db_ops_included(uint64_t number)
{
	struct batch *b;

	while ((b = list_first(&copy.batches, struct batch, link)) && b->ops.number <= number)
		batch_free(b);
	if (number > copy.included)
		copy.included = number;
	cond_broadcast(&copy.seen);
}

void db_ops_refused(uint64_t number)
{
	list_for_each_safe (b, &copy.batches, struct batch, link) {
		if (b->ops.number != number)
			continue;
		db.undone[db.n_undone++ % ARRAY_LEN(db.undone)] =
			(struct db_undone){b->since, db.generation};
		batch_free(b);
	}
	cond_broadcast(&copy.seen);
}

/* Whether one that was made until NUMBER is neither included nor refused. */
static bool is_under_way(uint64_t number)
{
	struct batch *b = list_first(&copy.batches, struct batch, link);

	return b && b->ops.number <= number;
}

MAY_WAIT struct err *db_copy_barrier(int64_t deadline)
{
	uint64_t number = copy.n_batches;

	if (!copy.on_ops)
		return NULL;
	while (is_under_way(number)) {
		if (copy.is_given_up)
			return err(SHUTTING_DOWN);
		TRY(cond_wait(&copy.seen, "the master to have what was written", deadline));
	}
	return NULL;
}

void db_copy_give_up(void)
{
	if (!copy.on_ops)
		return;
	copy.is_given_up = true;
	cond_broadcast(&copy.seen);
}

/* ---- what comes from the original ---- */

static void find_missing(const char *ref, const struct class *c, void *arg)
{
	if (!db_row(c, ref))
		*(const char **)arg = ref;
}

/* VALUE without what is not there; the copy may be behind, or ahead. */
static const void *without_missing(
	const struct field *f, const void *value, struct arena *a, char out[static DB_VALUE_SIZE])
{
	const char *missing;

	if (f->flags & FIELD_DANGLING || !db_type_holds_refs(f->type))
		return value;
	for (;;) {
		_Alignas(8) char next[DB_VALUE_SIZE];

		missing = NULL;
		db_value_each_ref(f->type, value, find_missing, &missing);
		if (!missing)
			return value;
		db_value_without(f->type, value, missing, a, next);
		memcpy(out, next, f->type->size);
		value = out;
	}
}

static struct err *write_fields(struct db_row *row, const char *record, struct arena *a)
{
	struct db_class *c = row->class;
	_Alignas(8) char place[DB_VALUE_SIZE];

	for (uint32_t i = 0; i < c->class->n_fields; i++) {
		const struct field *f = c->fields[i].field;

		if (c->fields[i].link == LINK_COMPUTED)
			continue;
		TRY(db_row_write(
			row, &c->fields[i], without_missing(f, record + f->offset, a, place)));
	}
	return NULL;
}

/* Whoever has what is to be the new object's alone is not there any more. */
static struct err *make_place(struct db_class *c, const char *record)
{
	for (uint32_t i = 0; i < c->class->n_fields; i++) {
		const struct db_field *f = &c->fields[i];
		const char *text =
			f->unique ? *(const char *const *)(record + f->field->offset) : "";
		const struct db_row *holder = *text ? map_get(f->unique, text) : NULL;

		if (holder)
			TRY(db_delete_record(c->class, holder->name->text));
	}
	return NULL;
}

/* With nothing but what is its alone: what it refers to may come later. */
static struct err *make_row(
	struct db_class *c, const char *ref, const char *record, struct arena *a)
{
	char *blank = arena_alloc(a, c->class->record->size);

	TRY(make_place(c, record));
	memcpy(blank, c->blank, c->class->record->size);
	for (uint32_t i = 0; i < c->class->n_fields; i++)
		if (c->fields[i].unique)
			memcpy(blank + c->fields[i].field->offset,
				record + c->fields[i].field->offset,
				c->fields[i].field->type->size);
	return db_create_record(c->class, ref, blank, NULL);
}

struct decoded {
	struct db_class *class; /* NULL: it is gone */
	char *record;
};

static struct err *decode_all(
	const struct db_copied *v, size_t n, struct arena *a, struct decoded *out)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].whole.text)
			TRY(db_row_decode(v[i].ref, v[i].whole.text, v[i].whole.len, a,
				&out[i].class, &out[i].record));
	return NULL;
}

static struct err *delete_gone(const struct db_copied *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct db_row *row = v[i].whole.text ? NULL : db_row(NULL, v[i].ref);

		if (row)
			TRY(db_delete_record(row->class->class, v[i].ref));
	}
	return NULL;
}

static struct err *make_rows(
	const struct db_copied *v, const struct decoded *d, size_t n, struct arena *a)
{
	for (size_t i = 0; i < n; i++)
		if (d[i].class && !db_row(NULL, v[i].ref) && !map_has(&copy.pending, v[i].ref))
			TRY(make_row(d[i].class, v[i].ref, d[i].record, a));
	return NULL;
}

static struct err *fill_rows(
	const struct db_copied *v, const struct decoded *d, size_t n, struct arena *a)
{
	for (size_t i = 0; i < n; i++) {
		struct db_row *row = d[i].class ? db_row(d[i].class->class, v[i].ref) : NULL;

		if (row && !map_has(&copy.pending, v[i].ref))
			TRY(write_fields(row, d[i].record, a));
	}
	return NULL;
}

static struct err *delete_others(const struct db_copied *v, size_t n)
{
	AUTO(map_fini) struct map told = {0};

	for (size_t i = 0; i < n; i++)
		map_put(&told, v[i].ref, (void *)&v[i]);
	for (size_t i = 0; i < db.n_classes; i++) {
		const struct class *class = db.classes[i].class;
		struct db_row *row = db_first_row(class);

		while (row) {
			const char *ref = row->name->text;
			struct db_row *next = db_next_row(row);

			if (!map_has(&told, ref) && !map_has(&copy.pending, ref))
				TRY(db_delete_record(class, ref));
			row = next;
		}
	}
	return NULL;
}

struct err *db_copy_apply(const struct db_copied *v, size_t n, bool is_full)
{
	auto_arena a = {0};
	struct decoded *d = arena_calloc(&a, n, sizeof(*d));

	copy.is_applying = true;
	struct err *e = decode_all(v, n, &a, d);
	if (!e)
		e = delete_gone(v, n);
	if (!e && is_full)
		e = delete_others(v, n);
	if (!e)
		e = make_rows(v, d, n, &a);
	if (!e)
		e = fill_rows(v, d, n, &a);
	copy.is_applying = false;
	return e;
}

/* ---- at the original: what a copy was written ---- */

static struct err *apply_create(const struct db_op *op, struct arena *a)
{
	struct db_class *c;
	char *record;

	TRY(db_row_decode(op->ref, op->value, strlen(op->value), a, &c, &record));
	if (!db_row(c->class, op->ref))
		TRY(make_row(c, op->ref, record, a));
	return write_fields(db_row(c->class, op->ref), record, a);
}

/* The value of type T, or NULL where the change has none. */
static struct err *read_value(
	const struct db_op *op, const struct type *t, struct arena *a, const void **out)
{
	*out = NULL;
	if (!op->value)
		return NULL;
	void *value = arena_alloc(a, t->size);
	*out = value;
	return codec_decode(t, op->field->name, op->value, strlen(op->value), a, value);
}

static struct err *apply_part(const struct db_op *op, struct arena *a)
{
	size_t offset = op->field->offset;
	const void *value;

	TRY(read_value(op, op->field->type->of, a, &value));
	switch (op->kind) {
	case DB_OP_PUT:
		return db_map_put_at(op->class, op->ref, offset, op->key, value);
	case DB_OP_REMOVE:
		return db_map_remove_at(op->class, op->ref, offset, op->key);
	case DB_OP_ADD:
		return db_set_add_at(op->class, op->ref, offset, value);
	case DB_OP_DROP:
		return db_set_remove_at(op->class, op->ref, offset, value);
	case DB_OP_CREATE:
	case DB_OP_DELETE:
	case DB_OP_WRITE:
	case DB_OP_END:
		break;
	}
	return NULL;
}

static struct err *apply_write(const struct db_op *op, struct arena *a)
{
	struct db_row *row = db_row(op->class, op->ref);
	_Alignas(8) char place[DB_VALUE_SIZE];
	const void *value;

	if (!row)
		return NULL;
	TRY(read_value(op, op->field->type, a, &value));
	return db_write_at(
		op->class, op->ref, op->field->offset, without_missing(op->field, value, a, place));
}

struct err *db_op_apply(const struct db_op *op)
{
	auto_arena a = {0};

	switch (op->kind) {
	case DB_OP_CREATE:
		return apply_create(op, &a);
	case DB_OP_DELETE:
		return db_row(op->class, op->ref) ? db_delete_record(op->class, op->ref) : NULL;
	case DB_OP_WRITE:
		return apply_write(op, &a);
	case DB_OP_PUT:
	case DB_OP_REMOVE:
	case DB_OP_ADD:
	case DB_OP_DROP:
		return db_row(op->class, op->ref) ? apply_part(op, &a) : NULL;
	case DB_OP_END:
		return NULL;
	}
	__builtin_unreachable();
}

void db_row_write_whole(const struct db_row *row, struct sbuf *out)
{
	db_row_encode(row, true, out);
}

/* ---- start and end ---- */

void db_copy_begin(void (*on_ops)(void))
{
	copy.on_ops = on_ops;
	list_init(&copy.batches);
	cond_init(&copy.seen);
}

bool db_is_copy(void)
{
	return copy.on_ops;
}

void db_copy_end(void)
{
	struct batch *b;

	if (!copy.on_ops)
		return;
	db_copy_flush();
	while ((b = list_first(&copy.batches, struct batch, link)))
		batch_free(b);
	map_fini(&copy.pending);
	cond_fini(&copy.seen);
	copy = (__typeof__(copy)){0};
}
