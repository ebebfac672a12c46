/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What op.h promises. All sets and maps of operations have one layout, whatever their class: they
 * are looked at through struct op_list and struct op_map here. Waiting for others is op_queue.c's.
 */
#define LOG_MODULE "rules"
#include "xapid/rules/op.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "xapid/db/db.h"
#include "xapid/rules/op_queue.h"

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

static op_elsewhere_fn elsewhere; /* of a member */
static bool is_listing; /* nobody reads why something may not be done; nothing waits meanwhile */

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

		if (!(set & OP_BIT(other->value)))
			continue;
		if (is_listing)
			return err_new(NULL, 0, ERR_OTHER_OPERATION_IN_PROGRESS.code, 0, NULL);
		return err(OTHER_OPERATION_IN_PROGRESS, rules->class->name, ref,
			op_name(rules, other->value), other->key);
	}
	return NULL;
}

bool op_is_in_the_way(const struct err *e)
{
	return err_is(e, &ERR_OTHER_OPERATION_IN_PROGRESS);
}

void op_list_one(const struct op_rules *rules, const char *ref)
{
	int found[OP_MAX];
	size_t n = 0;
	uint64_t candidates;

	if (!db_find_record(rules->class, ref))
		return;
	candidates = rules->candidates(ref);
	is_listing = true;
	for (int what = 0; what < (int)rules->operations->n; what++) {
		if (!(candidates & OP_BIT(what)))
			continue;
		auto_err e = rules->check(ref, what, false);
		if (!e)
			found[n++] = what;
	}
	is_listing = false;
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

MAY_WAIT struct err *op_wait(const struct op_rules *rules, const char *ref)
{
	return db_find_record(rules->class, ref) ? op_queue_watch(ref) : NULL;
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
	auto_err e = op_begin_now(op, rules, ref, what, task);
	if (!op_is_in_the_way(e))
		return take(e);
	auto_str own_ref = xstrdup(ref);
	auto_str own_task = xstrdup(task);
	const struct op_wish wish = {rules, own_ref, own_task, what};
	return op_queue_wait(op, &wish, e->params[1]);
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
	op_queue_serve(op->ref);
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
	op_queue_serve(ref);
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
