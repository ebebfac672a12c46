/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration files: `key = value`, one a line, '#' begins a line of comment. The keys of a
 * daemon are a table: from it come reading, checks, defaults, and the documented file that is
 * installed, so no key is without its words. Blocks (small files); loop thread.
 *
 *	xapid.conf:12: unknown key 'prot' (did you mean 'port'?)
 */
#ifndef XENITH_COMMON_CONF_H
#define XENITH_COMMON_CONF_H

#include "common/dialect.h"
#include "common/err.h"

struct sbuf;

/* How a value is written, and what it is in the struct. */
enum conf_kind {
	CONF_BOOL, /* true, false (yes, no, on, off); bool */
	CONF_INT, /* int64_t */
	CONF_SIZE, /* 64KiB, 16MiB, bytes without a unit; int64_t, bytes */
	CONF_DURATION, /* 500ms, 10s, 5min, 2h, 1d; int64_t, ns */
	CONF_STRING, /* to the end of the line; in quotes if blanks matter; char *, owned */
	CONF_PATH, /* absolute, or empty where the default is; char *, owned */
	CONF_ENUM, /* one of names; int, its index */
};

struct conf_key {
	const char *name; /* NULL ends a table */
	enum conf_kind kind;
	size_t offset; /* in the struct */
	const char *standard; /* the default, as it would stand in a file */
	const char *doc; /* for the installed file: what it does, in sentences */
	int64_t min, max; /* of INT, SIZE, DURATION; both 0: any that is not negative */
	const char *const *names; /* ENUM: NULL-terminated */
};

/*
 * A table, and the struct of SIZE bytes that its values are in. The struct holds nothing but values
 * of the keys, and is zeroed at first. Several tables may share one file.
 */
struct conf_table {
	const struct conf_key *keys;
	void *values;
	size_t size;
};

/*
 * Reads PATH, then each PATH.d/NAME.conf in order; a later value wins, what is in no file gets its
 * default. On an error (CONFIGURATION_INVALID says file and line) no value changes: this serves the
 * first load and every reload. Strings of before are freed by a reload: copy what is kept over a
 * wait. A missing PATH is an error only where MUST_EXIST.
 */
must_check struct err *conf_load(
	struct conf_table *tables, size_t n, const char *path, bool must_exist);

/* Sets every value to its default. A default that is not valid asserts. */
void conf_set_defaults(struct conf_table *tables, size_t n);
/* Reads one file's bytes over the values that are there. On an error some may have changed. */
must_check struct err *conf_read(
	struct conf_table *tables, size_t n, const char *text, size_t len, const char *name);
/* Frees the strings; the struct is zeroed. */
void conf_clear(struct conf_table *tables, size_t n);

/* The file with every key, its words and its default; a value that is not the default stands
 * without '#', so that the result can be read back. */
void conf_print(const struct conf_table *tables, size_t n, const char *head, struct sbuf *out);

#endif
