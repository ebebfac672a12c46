/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What op.h promises. All sets and maps of operations have one layout, whatever their class: they
 * are looked at through struct op_list and struct op_map here. Who waits for an object's operations
 * waits on a condition of that object, in order of arrival.
 */
#define LOG_MODULE "rules"
#include "xapid/rules/op.h"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "xapid/db/db.h"

#define OP_WAIT_NS (INT64_C(7200) * NS_PER_S) /* as long as the original waits */

/* The layout of every set and map of operations. */
struct op_list {
	const int *v;
	size_t n;
} __attribute__((__may_alias__));

struct op_map_entry {
	const char *key;
	int value;
} __attribute__((__may_alias__));

struct op_map {
	const struct op_map_entry *v;
	size_t n;
} __attribute__((__may_alias__));

/* Fibers that wait for an object's operations. */
struct waiting {
	struct cond changed;
	size_t n;
};

static struct map waiting; /* by reference */
static op_elsewhere_fn elsewhere; /* of a member */

static const struct op_map *current_of(const struct op_rules *rules, const char *ref)
{
	const char *record = db_find_record(rules->class, ref);

	return record ? (const struct op_map *)(record + rules->current) : NULL;
}

const char *op_name(const struct op_rules *rules, int what)
{
	const char *name = type_case_name(rules->operations, what);

	return name ? name : "unknown";
}

bool op_is_under_way(const struct op_rules *rules, const char *ref, uint64_t set)
{
	const struct op_map *current = current_of(rules, ref);

	for (size_t i = 0; current && i < current->n; i++) {
		if (set & OP_BIT(current->v[i].value))
			return true;
	}
	return false;
}

struct err *op_check_others(const struct op_rules *rules, const char *ref, uint64_t set)
{
	const struct op_map *current = current_of(rules, ref);

	for (size_t i = 0; current && i < current->n; i++) {
		const struct op_map_entry *other = &current->v[i];

		if (set & OP_BIT(other->value))
			return err(OTHER_OPERATION_IN_PROGRESS, rules->class->name, ref,
				op_name(rules, other->value), other->key);
	}
	return NULL;
}

void op_list_one(const struct op_rules *rules, const char *ref)
{
	int found[OP_MAX];
	size_t n = 0;
	uint64_t candidates;

	if (!db_find_record(rules->class, ref))
		return;
	candidates = rules->candidates(ref);
	for (int what = 0; what < (int)rules->operations->n; what++) {
		if (!(candidates & OP_BIT(what)))
			continue;
		auto_err e = rules->check(ref, what, false);
		if (!e)
			found[n++] = what;
	}
	const struct op_list list = {found, n};
	auto_err e = db_write_at(rules->class, ref, rules->allowed, &list);
	if (e)
		log_err(LOG_WARN_, e, "listing what may be done with %s", ref);
}

void op_list(const struct op_rules *rules, const char *ref)
{
	op_list_one(rules, ref);
	if (rules->others && db_find_record(rules->class, ref))
		rules->others(ref);
}

size_t op_waiters(const char *ref)
{
	const struct waiting *w = map_get(&waiting, ref);

	return w ? w->n : 0;
}

/* The waiters look again. */
static void wake(const char *ref)
{
	struct waiting *w = map_get(&waiting, ref);

	if (w)
		cond_broadcast(&w->changed);
}

MAY_WAIT struct err *op_wait(const struct op_rules *rules, const char *ref)
{
	struct waiting *w = map_get(&waiting, ref);

	if (!db_find_record(rules->class, ref))
		return NULL;
	if (!w) {
		w = xnew(struct waiting);
		cond_init(&w->changed);
		map_put(&waiting, ref, w);
	}
	auto_str key = xstrdup(ref);
	w->n++;
	struct err *e = cond_wait(&w->changed, "another operation", deadline_in(OP_WAIT_NS));
	if (--w->n == 0) {
		map_remove(&waiting, key);
		cond_fini(&w->changed);
		free(w);
	}
	return e;
}

/* What stands for the operation in current_operations. */
static char *key_of(const struct op_rules *rules, int what, const char *task)
{
	char made[UUID_TEXT_SIZE];

	return ref_is_null(task)
		? xasprintf("DummyRef:|%s|%s", uuid_random_text(made), op_name(rules, what))
		: xstrdup(task);
}

struct err *op_begin_now(
	struct op *op, const struct op_rules *rules, const char *ref, int what, const char *task)
{
	const void *record;

	TRY(db_get_record(rules->class, ref, &record));
	TRY(rules->check(ref, what, true));
	auto_str key = key_of(rules, what, task);
	TRY(db_map_put_at(rules->class, ref, rules->current, key, &what));
	*op = (struct op){.rules = rules, .ref = xstrdup(ref), .task = take(key)};
	op_list(rules, ref);
	return NULL;
}

/* Where the master decides. Did the wait for him end otherwise, it may have begun. */
static MAY_WAIT struct err *begin_elsewhere(
	struct op *op, const struct op_rules *rules, const char *ref, int what, const char *task)
{
	auto_str key = key_of(rules, what, task);
	auto_str own_ref = xstrdup(ref);
	struct err *e = elsewhere(rules, own_ref, what, key);

	if (e) {
		db_note_end(own_ref, key);
		return e;
	}
	*op = (struct op){.rules = rules, .ref = take(own_ref), .task = take(key)};
	return NULL;
}

MAY_WAIT struct err *op_begin(
	struct op *op, const struct op_rules *rules, const char *ref, int what, const char *task)
{
	if (elsewhere)
		return begin_elsewhere(op, rules, ref, what, task);
	for (;;) {
		struct err *e = op_begin_now(op, rules, ref, what, task);

		if (!err_is(e, &ERR_OTHER_OPERATION_IN_PROGRESS))
			return e;
		err_free(e);
		TRY(op_wait(rules, ref));
	}
}

void op_end(struct op *op)
{
	if (!op->rules)
		return;
	if (db_find_record(op->rules->class, op->ref)) {
		auto_err e =
			db_map_remove_at(op->rules->class, op->ref, op->rules->current, op->task);
		if (e)
			log_err(LOG_WARN_, e, "ending an operation on %s", op->ref);
		op_list(op->rules, op->ref);
	}
	if (elsewhere)
		db_note_end(op->ref, op->task);
	wake(op->ref);
	free(op->ref);
	free(op->task);
	*op = (struct op){0};
}

/* ---- of members ---- */

void op_set_elsewhere(op_elsewhere_fn fn)
{
	elsewhere = fn;
}

MAY_WAIT struct err *op_begin_for(
	const struct op_rules *rules, const char *ref, int what, const char *task)
{
	struct op op = {0};

	TRY(op_begin(&op, rules, ref, what, task));
	free(op.ref);
	free(op.task);
	return NULL;
}

void op_ended(const struct op_rules *rules, const char *ref, const char *task)
{
	struct op op = {.rules = rules, .ref = xstrdup(ref), .task = xstrdup(task)};

	op_end(&op);
}

void op_look(const char *ref)
{
	if (waiting.n)
		wake(ref);
}

void op_clear(const struct op_rules *rules)
{
	const struct op_map none = {0};

	db_for_each_of (rules->class, row) {
		auto_err e = db_write_at(rules->class, db_ref(row), rules->current, &none);
		if (e)
			log_err(LOG_WARN_, e, "clearing the operations on %s", db_ref(row));
	}
}
