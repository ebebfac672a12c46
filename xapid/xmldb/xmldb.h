/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The database as XML, in the form of the original toolstack: what its xe pool-dump-database writes
 * and what it keeps as state.db. A pool comes over with it, and goes back.
 *
 *	<database>
 *	  <manifest><pair key="schema_major_vsn" value="5"/>…</manifest>
 *	  <table name="VM"><row ref="OpaqueRef:…" name__label="a%.VM" …/></table>
 *	</database>
 *
 * Sets are ('a' 'b') and maps (('key' 'value')), references are texts; fields of a name space have
 * its name and two underscores before theirs.
 *
 *	value.c   one value, as text and back
 *	write.c   rows, tables, all of a database
 *	read.c    a text, to records
 *	settle.c  what records refer to, and what must be there once
 *	file.c    records, to a file that xapid opens
 *
 * All but write.c's and file.c's know the tables of the model alone, and run on any thread.
 */
#ifndef XENITH_XAPID_XMLDB_XMLDB_H
#define XENITH_XAPID_XMLDB_XMLDB_H

#include "common/arena.h"
#include "common/err.h"
#include "common/sbuf.h"
#include "common/schema.h"
#include "common/vec.h"

/* The newest schema of the original's that we know. */
#define XMLDB_SCHEMA_MAJOR 5
#define XMLDB_SCHEMA_MINOR 909

#define XMLDB_SIZE_MAX   ((size_t)128 << 20) /* of a text that is read */
#define XMLDB_MEMORY_MAX ((size_t)512 << 20) /* of its records */

/* Whether the field stands in files: it is kept, and no set that follows from another field. */
bool xmldb_is_kept(const struct class *c, const struct field *f);
/* The field's name in the original's database. */
const char *xmldb_column(const struct class *c, const struct field *f, struct arena *a);

/* ---- values ---- */

/* Adds the text of a value. */
void xmldb_put(const struct type *t, const void *value, struct sbuf *out);
/* Adds a text as an attribute has it: blanks and what XML cannot hold are escaped. */
void xmldb_put_attr(const char *text, struct sbuf *out);
/* Reads a text as an attribute has it. */
const char *xmldb_get_attr(const char *text, struct arena *a);
/* Reads a value. NULL: all of it is in OUT. Else what was wrong with it, for a person: of a set or
 * map OUT has the rest, else it is untouched. */
const char *xmldb_get(const struct type *t, const char *text, struct arena *a, void *out);

/* ---- writing ---- */

struct xmldb_stamp {
	uint64_t created, changed; /* generations */
};
void xmldb_put_row(const struct class *c, const char *ref, const void *record,
	struct xmldb_stamp stamp, struct sbuf *out);
/* Everything that the open database keeps. In one go: it is of one moment. */
void xmldb_dump(struct sbuf *out);

/* ---- reading ---- */

struct xmldb_row {
	const struct class *class;
	const char *ref;
	size_t line;
	void *record; /* every field has a value */
};

struct xmldb {
	struct arena arena; /* of all that follows */
	int64_t schema_major, schema_minor, generation;
	vec_of(struct xmldb_row) rows; /* owned */
	vec_of(const char *) notes; /* owned: what was not taken as it stood, one line each */
	size_t n_notes; /* with those that were too many to keep */
};

void xmldb_fini(struct xmldb *db);
/* Something that somebody should know who looks after the pool. */
void xmldb_note(struct xmldb *db, const char *fmt, ...) printf_like(2, 3);

/* Reads a text. BAD_REQUEST or LIMIT_EXCEEDED, with the line: nothing of it can be used. DB is
 * empty, and has to be finished in any case. */
must_check struct err *xmldb_read(const char *text, size_t len, struct xmldb *db);
/* What the rows refer to is there, and of its class; what must be there once is; each note names
 * what was changed for it. INVALID_VALUE: it is no pool. */
must_check struct err *xmldb_settle(struct xmldb *db);

/* ---- files ---- */

/* What becomes of a text. */
struct xmldb_import {
	bool accepts_newer; /* than we know */
	const char *host; /* the uuid of this host, as far as it is known; or NULL */
};
/* Reads and settles a text. *HOST: the uuid of the row that this host is (in DB's arena): the one
 * that was asked for, else the pool's master. */
must_check struct err *xmldb_load(const char *text, size_t len, const struct xmldb_import *how,
	struct xmldb *db, const char **host);
/* The rows as the database keeps them. A database is open, if only in memory. */
struct xmldb_kept {
	const char *ref;
	const char *text;
	size_t len;
};
struct xmldb_kept *xmldb_keep(struct xmldb *db);
struct xmldb_content {
	const struct xmldb_kept *rows;
	size_t n;
	uint64_t starts; /* so many runs of the old database were there: generations go on */
};
/* Makes a file, whole and durable, that a database can be opened from. Blocks. */
must_check struct err *xmldb_make_file(const char *path, const struct xmldb_content *content);
/* The same for the database at PATH, which is open: it takes its place at the next start. */
must_check struct err *xmldb_make_restored(const char *path, const struct xmldb_content *content);
/* At the start: if there is one, it takes the place of the file at PATH, which stays beside it. */
must_check struct err *xmldb_take_restored(const char *path);

#endif
