/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The database: every object of the XenAPI, in memory. A row is a class, a reference, and a record
 * of the type that the IDL compiler wrote (struct xenapi_vm). Only the loop's thread is here, and
 * nothing here waits but what says so.
 *
 *	const struct xenapi_vm *vm;
 *	TRY(db_get(vm, self, &vm));                      HANDLE_INVALID["VM", self]
 *	TRY(db_write(vm, self, power_state, XENAPI_VM_POWER_STATE_HALTED));
 *
 * What is read is borrowed: it is valid until the fiber waits, also across writes (a set that one
 * walks must not be changed meanwhile, though; copy it first). What is written is copied.
 *
 * Every change is a numbered delta: a row is made, a row is taken away, a field is written. A write
 * of what is there already is none. Persistent deltas go to the file at the end of the turn, all of
 * a turn in one transaction: what a fiber changes without waiting in between is there whole after a
 * crash or not at all. Whoever tells somebody of a state waits until it is durable (db_barrier).
 * If there is no space the deltas are taken back, the barrier fails with STORE_READ_ONLY, and so
 * does every further write of what is persistent.
 *
 * Both sides of a relation (`inverse` in the IDL) are kept here: writing VBD.VM changes VM.VBDs,
 * which nobody writes. A field never refers to what is not there (unless it is marked dangling):
 * deleting a row puts OpaqueRef:NULL in its place and takes it out of sets.
 */
#ifndef XENITH_XAPID_DB_DB_H
#define XENITH_XAPID_DB_DB_H

#include "common/arena.h"
#include "common/err.h"
#include "common/schema.h"
#include "common/store.h"
#include "common/vec.h"

#include "xenapi.gen.h"

#define REF_NULL "OpaqueRef:NULL"

static inline bool ref_is_null(const char *ref)
{
	return !ref || !*ref || !__builtin_strcmp(ref, REF_NULL);
}

/* ---- opening ---- */

struct db_options {
	const char *path; /* NULL: in memory alone, for tests */
	void (*on_fatal)(const char *why, void *owner); /* of store.h; NULL: its default */
	int64_t probe_ns; /* of store.h */
	const char *vfs; /* of store.h */
	size_t form_bytes; /* for cached wire forms; 0: 64 MiB */
	int64_t backup_ns; /* from one copy of the file to the next, in PATH.backup; 0: none */
};

/* Loads what the file has (and blocks meanwhile): at start-up. Waits only where there is a path.
 * There is one database in a process. */
MAY_WAIT must_check struct err *db_open(const struct db_options *options);
/* Writes what is queued. No fiber may wait. Harmless when nothing is open. */
void db_close(void);

/* ---- its file ---- */

extern const struct store_schema db_schema;
#define DB_TABLE_OBJECT "object" /* reference -> what db_record_encode makes */
#define DB_TABLE_START  "start" /* DB_START_COUNT -> how many runs there were, in decimal */
#define DB_START_COUNT  "count"
/* A count that no run has got to yet, where the true one is lost. */
uint64_t db_starts_by_clock(void);
/* The count of a run that has got to GENERATION. */
static inline uint64_t db_start_of(uint64_t generation)
{
	return generation >> 32;
}
/* What is kept of a record, as the file has it: JSON, {"VM": {…}}. */
struct sbuf;
void db_record_encode(const struct class *c, const void *record, struct sbuf *out);
/* Looks through a file that no daemon has open, changing nothing, while another database is open,
 * if only in memory. REPORT gets a line for each finding. An error: it cannot be looked at. */
must_check struct err *db_fsck(
	const char *path, void (*report)(const char *line, void *arg), void *arg, size_t *n_rows);

/* ---- reading ---- */

struct shared;
struct db_row; /* opaque but for the functions here */

/* By the name of the class's struct: db_get(vm, ref, &vm). NULL as a reference is none. */
#define db_get(cls, ref, out) \
	({ \
		const struct xenapi_##cls **record_ = (out); \
		db_get_record(&xenapi_class_##cls, (ref), (const void **)record_); \
	})
/* NULL when there is none. */
#define db_find(cls, ref) ((const struct xenapi_##cls *)db_find_record(&xenapi_class_##cls, (ref)))
/* The reference of the object, NULL when there is none. */
#define db_find_uuid(cls, uuid) db_find_by_uuid(&xenapi_class_##cls, (uuid))
/* UUID_INVALID[class, uuid]. */
#define db_get_uuid(cls, uuid, ref) db_get_by_uuid(&xenapi_class_##cls, (uuid), (ref))
#define db_count(cls)               db_count_of(&xenapi_class_##cls)
/* The first object of the class: of a singleton the one. NULL: there is none. */
#define db_first(cls) ((const struct xenapi_##cls *)db_record(db_first_row(&xenapi_class_##cls)))
/* Its reference, or OpaqueRef:NULL. */
#define db_first_ref(cls) db_ref_or_null(db_first_row(&xenapi_class_##cls))

/*
 * Every object of a class, oldest first:
 *
 *	db_for_each (vm, row) {
 *		const struct xenapi_vm *vm = db_record(row);
 *		… db_ref(row) …
 *
 * The body may delete this row, and no other of the class.
 */
#define db_for_each(cls, row) db_for_each_of (&xenapi_class_##cls, row)
#define db_for_each_of(class, row) \
	for (struct db_row *row = db_first_row(class), *row##_next_ = db_next_row(row); row; \
		row = row##_next_, row##_next_ = db_next_row(row))

must_check struct err *db_get_record(const struct class *c, const char *ref, const void **out);
const void *db_find_record(const struct class *c, const char *ref);
const char *db_find_by_uuid(const struct class *c, const char *uuid);
must_check struct err *db_get_by_uuid(const struct class *c, const char *uuid, const char **ref);
/* The objects with this text in a field that objects are looked for by: the name_label of any
 * class, the location of a VDI. */
struct db_row *db_first_named(const struct class *c, const struct field *f, const char *text);
struct db_row *db_next_named(const struct db_row *row, const struct field *f);
size_t db_count_of(const struct class *c);
struct db_row *db_first_row(const struct class *c);
struct db_row *db_next_row(const struct db_row *row); /* NULL for NULL */
/* NULL when there is none; with C NULL, of any class. */
struct db_row *db_row(const struct class *c, const char *ref);
const void *db_record(const struct db_row *row); /* NULL for NULL */
const char *db_ref(const struct db_row *row);
const char *db_ref_or_null(const struct db_row *row);
const struct class *db_class(const struct db_row *row);
/* By its name as clients write it, in any case if IGNORE_CASE. NULL: no such class. */
const struct class *db_class_named(const char *name, bool ignore_case);
const struct field *db_field_named(const struct class *c, const char *name);
/* Where the field's value is in the row's record. */
const void *db_value(const struct db_row *row, const struct field *f);
bool db_has_key(const struct db_row *row, const struct field *map, const char *key);
/* Whether the field is the set of those that refer to the object by the other field. */
bool db_is_computed(const struct class *c, const struct field *f);

/* ---- changing ---- */

/* A record as `create` begins with it: every field has its default. By value; what it points to
 * belongs to the database. */
#define db_blank(cls) (*(const struct xenapi_##cls *)db_blank_record(&xenapi_class_##cls))

/*
 * Makes an object. RECORD is copied; a uuid that is "" is made up, a NULL or "" where a reference
 * belongs is OpaqueRef:NULL, sets that are the other side of a relation are not looked at. *REF (or
 * NULL for who does not want it) is borrowed as what is read is.
 */
#define db_create(cls, record, ref) \
	({ \
		const struct xenapi_##cls *record_ = (record); \
		db_create_record(&xenapi_class_##cls, NULL, record_, (ref)); \
	})
/* The same with a reference that is known already (a session's, one that was given out). */
#define db_create_as(cls, record, ref) \
	({ \
		const struct xenapi_##cls *record_ = (record); \
		db_create_record(&xenapi_class_##cls, (ref), record_, NULL); \
	})
/* HANDLE_INVALID when there is none. */
#define db_delete(cls, ref) db_delete_record(&xenapi_class_##cls, (ref))

/* Writes one field. */
#define db_write(cls, ref, member, ...) \
	({ \
		const __typeof__(((struct xenapi_##cls *)0)->member) value_ = __VA_ARGS__; \
		db_write_at(&xenapi_class_##cls, (ref), offsetof(struct xenapi_##cls, member), \
			&value_); \
	})
/* One key of a map (VALUE as the map has it); what was there is replaced. */
#define db_map_put(cls, ref, member, key, ...) \
	({ \
		const __typeof__(((struct xenapi_##cls *)0)->member.v->value) value_ = \
			__VA_ARGS__; \
		db_map_put_at(&xenapi_class_##cls, (ref), offsetof(struct xenapi_##cls, member), \
			(key), &value_); \
	})
/* A key that is not there is fine. */
#define db_map_remove(cls, ref, member, key) \
	db_map_remove_at(&xenapi_class_##cls, (ref), offsetof(struct xenapi_##cls, member), (key))
/* One member of a set; that it is there already, or not there, is fine. */
#define db_set_add(cls, ref, member, ...) \
	({ \
		const __typeof__(*((struct xenapi_##cls *)0)->member.v) value_ = __VA_ARGS__; \
		db_set_add_at(&xenapi_class_##cls, (ref), offsetof(struct xenapi_##cls, member), \
			&value_); \
	})
#define db_set_remove(cls, ref, member, ...) \
	({ \
		const __typeof__(*((struct xenapi_##cls *)0)->member.v) value_ = __VA_ARGS__; \
		db_set_remove_at(&xenapi_class_##cls, (ref), \
			offsetof(struct xenapi_##cls, member), &value_); \
	})

/* A new reference, of random bits: "OpaqueRef:…". Returns OUT. */
#define DB_REF_SIZE 47
char *db_new_ref(char out[static DB_REF_SIZE]);

const void *db_blank_record(const struct class *c);
must_check struct err *db_create_record(
	const struct class *c, const char *ref, const void *record, const char **out);
must_check struct err *db_delete_record(const struct class *c, const char *ref);
must_check struct err *db_write_at(
	const struct class *c, const char *ref, size_t offset, const void *value);
must_check struct err *db_map_put_at(
	const struct class *c, const char *ref, size_t offset, const char *key, const void *value);
must_check struct err *db_map_remove_at(
	const struct class *c, const char *ref, size_t offset, const char *key);
must_check struct err *db_set_add_at(
	const struct class *c, const char *ref, size_t offset, const void *value);
must_check struct err *db_set_remove_at(
	const struct class *c, const char *ref, size_t offset, const void *value);
/* Has watchers see the object as changed, though it is not. */
void db_touch(struct db_row *row);

/* ---- what changed ---- */

/* The number of the newest delta. Never smaller than one of a run before. */
uint64_t db_generation(void);
/* Of the newest delta of the class's objects; 0: none in this run. */
uint64_t db_class_generation(const struct class *c);
/* Of the row's newest delta, and of the one that made it. */
uint64_t db_row_generation(const struct db_row *row);
uint64_t db_row_created(const struct db_row *row);
/* The rows that changed since a generation, oldest change first, each once. The cost is that of
 * the changes, not of the rows. The body must not change rows. */
struct db_row *db_first_change(uint64_t since);
struct db_row *db_next_change(const struct db_row *row);
#define db_for_each_change(since, row) \
	for (struct db_row *row = db_first_change(since); row; row = db_next_change(row))

/* A row that was deleted, as long as it is remembered. */
struct db_tombstone {
	const struct class *class;
	char *ref;
	uint64_t created, deleted; /* generations */
};
/* The deleted rows since a generation, oldest first; NULL: no more of them. */
const struct db_tombstone *db_first_tombstone(uint64_t since);
const struct db_tombstone *db_next_tombstone(const struct db_tombstone *t);
/* Deletions up to this one are forgotten: who saw less may have missed some. */
uint64_t db_tombstones_from(void);

/* Waits until something is newer than SINCE. Woken once a turn. Also ends with NULL when someone
 * calls db_wake. */
MAY_WAIT must_check struct err *db_wait_change(uint64_t since, int64_t deadline);
/* Has every watcher look at what it waits for besides: its session, say. */
void db_wake(void);

/* ---- durability ---- */

/*
 * Waits until everything that has changed up to now is in the file, and in copies. SINCE is the
 * generation when the caller began to read or write what it is about to tell: STORE_READ_ONLY when
 * something newer was taken back. Returns at once when nothing is on its way.
 */
MAY_WAIT must_check struct err *db_barrier(uint64_t since, int64_t deadline);
/* In this host's file alone, for who makes copies. */
MAY_WAIT must_check struct err *db_barrier_here(uint64_t since, int64_t deadline);
/* AWAIT_COPIES is asked at the end of every barrier but that: it waits until the copies of this
 * database have what is kept, as it was at this generation. */
void db_set_await_copies(
	MAY_WAIT struct err *(*await_copies)(uint64_t generation, int64_t deadline));
/* NULL while it can be written, else why not. */
const char *db_read_only(void);

/* ---- copies ---- */

/*
 * A member's database is a copy of its master's. What is written is done at once and handed to the
 * master, a turn's changes as one; the barrier waits until they have come back from there, and are
 * durable there. What the master tells is put over the copy, but for objects of which newer changes
 * are still on their way.
 */
enum db_op_kind {
	DB_OP_CREATE,
	DB_OP_DELETE,
	DB_OP_WRITE,
	DB_OP_PUT, /* a key of a map */
	DB_OP_REMOVE,
	DB_OP_ADD, /* a member of a set */
	DB_OP_DROP,
	DB_OP_END, /* an operation has ended: for the rules, not for the database */
};

struct db_op {
	enum db_op_kind kind;
	const struct class *class;
	char *ref;
	const struct field *field; /* or NULL */
	char *key; /* or NULL; of END, the task */
	char *value; /* JSON, or NULL; of CREATE, the object whole */
};

struct db_ops {
	uint64_t number; /* 1, 2, … */
	vec_of(struct db_op) v;
};

/* After db_open: this is a copy. ON_OPS: there is something for the master. */
void db_copy_begin(void (*on_ops)(void));
/* At the daemon's end: who waits for the master to have something gets SHUTTING_DOWN, masked or
 * not, for the master may be away for ever. */
void db_copy_give_up(void);
bool db_is_copy(void);
/* The oldest that is newer; NULL: none. */
const struct db_ops *db_ops_after(uint64_t number);
/* Those up to this one are in what the master tells from now on. */
void db_ops_included(uint64_t number);
/* The master could not do it: who waits for it is told. */
void db_ops_refused(uint64_t number);
/* Notes that an operation of TASK's on the object has ended. */
void db_note_end(const char *ref, const char *task);

struct db_copied {
	const char *ref;
	struct json_text whole; /* text NULL: it is gone */
};
/* Objects as the master has them; IS_FULL: there are no others. In one go. */
must_check struct err *db_copy_apply(const struct db_copied *v, size_t n, bool is_full);

/* At the master: does what a member's op says. An object that is gone meanwhile is fine. */
must_check struct err *db_op_apply(const struct db_op *op);
/* The object for a copy, as JSON. */
void db_row_write_whole(const struct db_row *row, struct sbuf *out);

/* ---- wire forms ---- */

enum db_form { DB_FORM_JSON, DB_FORM_XML };

struct db_text {
	const char *text; /* not NUL-terminated */
	size_t len;
};
/* The row's record as clients get it: a JSON object, or the inside of an XML-RPC <value>…</value>
 * with that element. Kept from the second call on until the row changes; borrowed. */
struct db_text db_form(struct db_row *row, enum db_form form);
/*
 * The same as a member of a map from references to records, for an answer with many: in JSON with a
 * comma before it. The caller holds it. Between the two calls of who gathers them no form is
 * dropped for lack of memory, which would have to be made again.
 */
struct shared *db_form_member(struct db_row *row, enum db_form form);
void db_forms_gather(void);
void db_forms_gathered(void);
/* Any value the way the XenAPI writes it. */
void db_form_write(const struct type *t, const void *value, enum db_form form, struct sbuf *out);

/* ---- for `diagnostics` and the control interface ---- */
/* The object's fields as JSON, without secrets. */
void db_dump_fields(const struct db_row *row, struct sbuf *out);
struct db_counts {
	uint64_t rows, deltas, undone;
	uint64_t unknown_fields; /* that were left out of what was read */
	uint64_t form_bytes, form_hits, form_misses;
	struct store_counts store;
};
struct db_counts db_counts(void);

#endif
