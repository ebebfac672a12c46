/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The database's inside, for xapid/db alone.
 *
 *	db_class.c      what is worked out of the IDL's tables once
 *	db_value.c      the memory of fields
 *	db_name.c       references: which row has it, which fields hold it
 *	db_row.c        the one place where rows change
 *	db_index.c      rows by the text of a field
 *	db_link.c       the other side of relations
 *	db_edit.c       keys of maps, members of sets
 *	db_feed.c       what changed, in order; what was deleted
 *	db_keep.c       to and from the file
 *	db_fsck.c       looks through a file
 *	db_form.c       wire forms
 *	db_copy.c       a copy of another host's database
 */
#ifndef XENITH_XAPID_DB_DB_PRIV_H
#define XENITH_XAPID_DB_DB_PRIV_H

#include "common/fiber.h"
#include "common/list.h"
#include "common/loop.h"
#include "common/map.h"
#include "common/sbuf.h"
#include "common/vec.h"
#include "xapid/db/db.h"

/* No field of a class is larger (asserted at the start): a pointer, a number, a list. */
#define DB_VALUE_SIZE 16

struct db_class;

/* How a field takes part in a relation. */
enum db_link {
	LINK_NONE,
	LINK_TO_SET, /* a reference; the other class has the set of those that refer to it */
	LINK_COMPUTED, /* that set: never written, never kept */
	LINK_BOTH, /* a set, mirrored by a set */
};

struct db_field {
	const struct field *field;
	enum db_link link;
	struct db_class *other; /* of a link */
	struct db_field *inverse; /* of a link */
	bool holds_refs;
	bool is_tracked; /* who is referred to knows of it by its name */
	bool is_kept; /* in the file */
	struct map *unique; /* value -> row, or NULL; owned */
	struct db_index *index; /* rows by their value, which several may have; or NULL; owned */
	size_t index_link; /* which of the links behind a row's record it uses */
};

struct db_class {
	const struct class *class;
	struct db_field *fields; /* owned; as many as the class has */
	void *blank; /* a record of defaults; owned, as what it points to (db.arena) */
	struct db_field *uuid; /* or NULL */
	size_t n_indexes;
	struct json_text *labels[2]; /* of wire forms: db_form.c; NULL: not made */
	struct list rows; /* struct db_row.of_class, oldest first */
	size_t n_rows;
	uint64_t generation; /* of the newest delta of its rows */
};

/* A place that refers to an object. */
struct db_user {
	struct db_row *row;
	struct db_field *field;
};

/* A reference. Fields hold the address of its text, and count. */
struct db_name {
	struct db_row *row; /* NULL: there is none (any more) */
	size_t n_uses;
	vec_of(struct db_user) users; /* the tracked ones of these */
	char text[];
};

struct db_row {
	struct db_class *class;
	struct db_name *name;
	uint64_t generation, created;
	struct list of_class;
	struct list changed; /* db.changed, by generation */
	struct list unkept; /* db.unkept: differs from what is in the file, or on its way there */
	struct db_forms *forms; /* or NULL */
	uint8_t forms_asked; /* for which somebody has asked: a bit for each */
	_Alignas(8) char record[]; /* behind it: db_index.c */
};

enum db_delta_kind { DELTA_CREATE, DELTA_DELETE, DELTA_WRITE };

/* A persistent change that can be taken back. */
struct db_delta {
	enum db_delta_kind kind;
	struct db_row *row; /* DELETE: owned */
	struct db_field *field; /* WRITE */
	_Alignas(8) char old[DB_VALUE_SIZE]; /* WRITE: owned */
};

/* What goes to the file as one. */
struct db_batch {
	struct list link; /* db.batches, oldest first */
	uint64_t since; /* the generation before its oldest delta */
	uint64_t stored; /* the store's number of it; 0: not handed over */
	vec_of(struct db_delta) deltas;
};

#define DB_RECENT_NAMES 64

struct db {
	bool is_open;
	struct store *store; /* or NULL */
	struct arena arena; /* for as long as it is open */
	struct db_class *classes; /* owned, in the order of the interface */
	size_t n_classes;
	struct map names; /* reference -> struct db_name */
	struct db_name *recent[DB_RECENT_NAMES]; /* found last, by what their text has */
	uint64_t generation;
	struct list changed; /* struct db_row.changed */
	struct list unkept; /* struct db_row.unkept */
	struct db_batch *batch; /* of this turn, or NULL */
	struct list batches; /* on their way */
	uint64_t kept; /* generation of the newest delta of what is kept */
	MAY_WAIT struct err *(*await_copies)(uint64_t generation, int64_t deadline); /* or NULL */
	bool is_undoing;
	bool is_following; /* the consequences of a deletion, which is noted itself */
	struct db_undone {
		uint64_t since, until; /* generations; what came in between was taken back */
	} undone[8]; /* a ring */
	unsigned n_undone;
	struct list tombstones; /* oldest first */
	size_t n_tombstones;
	uint64_t tombstones_from;
	struct cond watchers;
	struct cond woken; /* watchers that have news, and whose turn has not come yet */
	struct deferred wake; /* wakes some of them */
	uint64_t wakes;
	bool is_news;
	struct deferred turn_end;
	vec_of(void *) buried; /* freed when the turn ends */
	struct list forms; /* least recently used first */
	struct list forms_on_trial; /* asked for the first time, by who gathers */
	vec_of(struct shared *) buried_forms; /* let go when the turn ends */
	size_t forms_let_go; /* bytes, since the last time that memory was given back */
	struct timer give_back;
	struct sbuf form_scratch; /* where one is written */
	struct shared_slab *trial_slab; /* that is being filled with those on trial */
	size_t trial_bytes; /* of these, since nobody gathered */
	unsigned n_gathering; /* who gathers forms: none goes */
	struct db_counts counts;
	const char *unknown_field; /* the first one that was met; in the arena */
	size_t form_bytes; /* allowed */
};

extern struct db db;

/* ---- db_class.c ---- */
void db_classes_init(void);
void db_classes_fini(void);
struct db_class *db_class_of(const struct class *c);
struct db_field *db_field_at(struct db_class *c, size_t offset);

/* ---- db_value.c ---- */
/* A copy that a row owns: its blocks are the heap's, its references are counted names. */
void db_value_copy(const struct type *t, const void *from, void *to);
/* Gives a value back; the memory stays until the turn ends. */
void db_value_drop(const struct type *t, void *value);
bool db_type_holds_refs(const struct type *t);
/* Calls FN with the place of each reference in the value that is not null. */
void db_value_each_ref(const struct type *t, const void *value,
	void (*fn)(const char *ref, const struct class *c, void *arg), void *arg);
/* A copy without the reference, in the arena: null where it stood alone, not in the set or map. */
void db_value_without(
	const struct type *t, const void *from, const char *ref, struct arena *a, void *to);

/* ---- db_name.c ---- */
struct db_name *db_name_find(const char *ref);
/* The text that fields hold for this reference, counted. */
const char *db_name_take(const char *ref);
void db_name_drop(const char *text);
/* A name for a new row. */
struct db_name *db_name_make(const char *ref);
struct db_name *db_name_of(const char *text);

/* ---- db_row.c ---- */
/* Puts a row without links into memory; takes over the record's values. For db_keep.c. */
struct db_row *db_row_new(struct db_class *c, struct db_name *name);
void db_row_insert(struct db_row *row);
void db_row_free(struct db_row *row);
must_check struct err *db_row_write(struct db_row *row, struct db_field *f, const void *value);
/* A write that is the change of a part of the field. */
struct db_part {
	enum db_op_kind kind;
	const char *key; /* of a map */
	const void *value; /* NULL: it is taken away */
};
must_check struct err *db_row_write_part(
	struct db_row *row, struct db_field *f, const void *value, const struct db_part *part);
void db_delta_undo(struct db_delta *d);
void db_delta_done(struct db_delta *d);
static inline void *db_place(struct db_row *row, const struct db_field *f)
{
	return row->record + f->field->offset;
}

/* ---- db_index.c ---- */
/* Gives the field an index if objects are looked for by it. */
void db_index_prepare(struct db_class *c, struct db_field *f);
void db_index_fini(struct db_field *f);
/* What a row needs behind its record. */
size_t db_index_room(const struct db_class *c);
void db_index_add(struct db_row *row, struct db_field *f);
void db_index_remove(struct db_row *row, struct db_field *f);

/* ---- db_link.c ---- */
/* What the field refers to learns of it, or forgets it. */
void db_link(struct db_row *row, struct db_field *f);
void db_unlink(struct db_row *row, struct db_field *f);
/* Takes the row out of all fields that refer to it, each by a delta. */
must_check struct err *db_unlink_users(struct db_row *row);

/* ---- db_feed.c ---- */
/* The row changed: gives it the next generation. */
void db_feed_touch(struct db_row *row);
void db_feed_deleted(struct db_row *row);
/* The deletion was taken back. */
void db_feed_undeleted(const struct db_row *row);
void db_feed_fini(void);
/* Frees P when the turn ends. */
void db_bury(void *p);
/* Has db_turn_end run. */
void db_turn(void);

/* ---- db_keep.c ---- */
MAY_WAIT must_check struct err *db_keep_open(const struct db_options *options);
void db_keep_close(void);
/* Refuses when what is to change is kept and cannot be. */
must_check struct err *db_keep_check(bool is_kept);
/* Notes a delta of what is kept. */
void db_keep_add(const struct db_delta *d);
/* The row has changed as a consequence of a delta of another row. */
void db_keep_again(struct db_row *row);
/* Hands what this turn changed to the store. */
void db_keep_flush(void);

/* The row as JSON, {"VM": {…}}: what is kept of it, or all that somebody wrote. */
void db_row_encode(const struct db_row *row, bool is_whole, struct sbuf *out);
must_check struct err *db_row_decode(const char *ref, const char *text, size_t len, struct arena *a,
	struct db_class **class, char **record);

/* ---- db_copy.c: of a copy; else nothing happens ---- */
void db_copy_note_create(const struct db_row *row);
void db_copy_note_delete(const struct db_row *row);
void db_copy_note_write(struct db_row *row, const struct db_field *f, const struct db_part *part);
/* What was noted in this turn is to be handed over. */
void db_copy_flush(void);
/* Waits until the original has all of it, and it came back. */
MAY_WAIT must_check struct err *db_copy_barrier(int64_t deadline);
void db_copy_end(void);

/* ---- db_form.c ---- */
void db_form_drop(struct db_row *row);
void db_forms_init(void);
void db_forms_turn_end(void);
void db_forms_fini(void);

#endif
