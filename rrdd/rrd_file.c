/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The long archives by librrd (rrd_file.h), whose functions named _r may run in several threads.
 * Any thread.
 */
#include "rrdd/rrd_file.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "common/vec.h"
#include "core.gen.h"
#include "rrd.gen.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <rrd.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE  ((size_t)64 << 20)
#define NAME_SIZE 20 /* of librrd */

static const char *const archives[] = {"RRA:AVERAGE:0.5:60:168", "RRA:AVERAGE:0.5:1440:366"};

void table_fini(struct table *t)
{
	free(t->values);
	t->values = NULL;
}

static struct err *failed(const char *path)
{
	auto_str why = xasprintf("%s: %s", path, rrd_get_error());

	rrd_clear_error();
	return err(Archive_failed, why);
}

/* "vbd_xvda_-1a2b3c4d": FNV-1a of the whole name makes it one of its own. */
static void rrd_name(const char *name, char out[static NAME_SIZE])
{
	uint32_t hash = 2166136261U;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619U;
	snprintf(out, NAME_SIZE, "%.10s-%08x", name, hash);
	for (char *p = out; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *p))
			*p = '_';
}

static bool is_there(const char *path)
{
	return !access(path, F_OK);
}

struct err *rrd_file_last(const char *path, int64_t *out)
{
	*out = 0;
	if (!is_there(path))
		return NULL;
	time_t last = rrd_last_r(path);
	if (last < 0)
		return failed(path);
	*out = last;
	return NULL;
}

/* ---- feeding ---- */

typedef vec_of(char *) word_vec;

static void words_fini(word_vec *words)
{
	vec_for_each (i, words)
		free(words->v[i]);
	vec_fini(words);
}

/* The columns that the file at PATH has. */
static struct err *read_names(const char *path, word_vec *out)
{
	time_t last;
	unsigned long n;
	char **names, **values;

	if (rrd_lastupdate_r(path, &last, &n, &names, &values))
		return failed(path);
	for (unsigned long i = 0; i < n; i++) {
		vec_push(out, xstrdup(names[i]));
		rrd_freemem(names[i]);
		rrd_freemem(values[i]);
	}
	rrd_freemem(names);
	rrd_freemem(values);
	return NULL;
}

static bool has_word(const word_vec *words, const char *word)
{
	vec_for_each (i, words)
		if (!strcmp(words->v[i], word))
			return true;
	return false;
}

/* Makes PATH with the columns KNOWN and those of T that are not among them. SOURCE (or NULL) is the
 * file that it continues. */
static struct err *create(
	const char *path, const char *source, const word_vec *known, const struct table *t)
{
	AUTO(words_fini) word_vec args = {0};
	const char *sources[] = {source, NULL};
	char name[NAME_SIZE];

	vec_for_each (i, known)
		vec_push(&args, xasprintf("DS:%s:GAUGE:300:U:U", known->v[i]));
	for (size_t i = 0; i < t->n_columns; i++) {
		rrd_name(t->names[i], name);
		if (!has_word(known, name))
			vec_push(&args, xasprintf("DS:%s:GAUGE:300:U:U", name));
	}
	for (size_t i = 0; i < ARRAY_LEN(archives); i++)
		vec_push(&args, xstrdup(archives[i]));
	time_t begin = source ? rrd_last_r(source) : (time_t)(t->first_s - t->row_s);
	if (rrd_create_r2(path, MINUTE_S, begin, 0, source ? sources : NULL, NULL, (int)args.n,
		    (const char **)args.v))
		return failed(path);
	return NULL;
}

/* A file at PATH with the content of SOURCE, if that is there, and every column of T. */
static struct err *prepare(const char *path, const char *source, const struct table *t)
{
	AUTO(words_fini) word_vec known = {0};
	auto_str bytes = NULL;
	char name[NAME_SIZE];
	size_t n;

	if (!is_there(source))
		return create(path, NULL, &known, t);
	TRY(read_names(source, &known));
	for (size_t i = 0; i < t->n_columns; i++) {
		rrd_name(t->names[i], name);
		if (!has_word(&known, name))
			return create(path, source, &known, t);
	}
	int r = file_read(source, MAX_FILE, &bytes, &n);
	if (!r)
		r = file_write(path, bytes, n, 0640, 0);
	return r ? err_errno(-r, "copying %s", source) : NULL;
}

/* "d1:d2:…", and for each row "TIME:v1:v2:…", as rrd_update has it. */
static struct err *update(const char *path, const struct table *t)
{
	AUTO(words_fini) word_vec rows = {0};
	auto_sbuf template = {0};
	char name[NAME_SIZE];

	for (size_t i = 0; i < t->n_columns; i++) {
		rrd_name(t->names[i], name);
		sbuf_printf(&template, "%s%s", i ? ":" : "", name);
	}
	for (size_t row = 0; row < t->n_rows; row++) {
		auto_sbuf text = {0};

		sbuf_printf(&text, "%" PRId64, t->first_s + (int64_t)row * t->row_s);
		for (size_t i = 0; i < t->n_columns; i++) {
			double v = table_row(t, row)[i];

			if (isfinite(v))
				sbuf_printf(&text, ":%.17g", v);
			else
				sbuf_adds(&text, ":U");
		}
		vec_push(&rows, sbuf_take(&text));
	}
	if (rrd_update_r(path, sbuf_str(&template), (int)rows.n, (const char **)rows.v))
		return failed(path);
	return NULL;
}

struct err *rrd_file_feed(const char *path, const struct table *t)
{
	auto_str tmp = xasprintf("%s.new", path);

	if (!t->n_rows || !t->n_columns)
		return NULL;
	if (unlink(tmp) && errno != ENOENT)
		return err_errno(errno, "removing %s", tmp);
	TRY(prepare(tmp, path, t));
	TRY(update(tmp, t));
	if (rename(tmp, path))
		return err_errno(errno, "replacing %s", path);
	return NULL;
}

/* A file has to have a column: without its last one there is none. */
struct err *rrd_file_drop(const char *path, const char *column)
{
	AUTO(words_fini) word_vec known = {0};
	const struct table none = {0};
	auto_str tmp = xasprintf("%s.new", path);
	char name[NAME_SIZE];
	size_t at = 0;

	if (!is_there(path))
		return NULL;
	TRY(read_names(path, &known));
	rrd_name(column, name);
	while (at < known.n && strcmp(known.v[at], name) != 0)
		at++;
	if (at == known.n)
		return NULL;
	free(known.v[at]);
	known.v[at] = vec_pop(&known);
	if (!known.n)
		return unlink(path) ? err_errno(errno, "removing %s", path) : NULL;
	if (unlink(tmp) && errno != ENOENT)
		return err_errno(errno, "removing %s", tmp);
	TRY(create(tmp, path, &known, &none));
	return rename(tmp, path) ? err_errno(errno, "replacing %s", path) : NULL;
}

/* ---- fetching ---- */

struct fetched {
	time_t start, end;
	unsigned long row_s, n_columns;
	char **names;
	rrd_value_t *values;
};

static void fetched_fini(struct fetched *f)
{
	for (unsigned long i = 0; i < f->n_columns; i++)
		rrd_freemem(f->names[i]);
	rrd_freemem(f->names);
	rrd_freemem(f->values);
}

/* Row after row of F; columns by their names, rows by their times. */
static void take_over(const struct fetched *f, struct table *t)
{
	char name[NAME_SIZE];

	for (size_t i = 0; i < t->n_columns; i++) {
		unsigned long at = 0;

		rrd_name(t->names[i], name);
		while (at < f->n_columns && strcmp(f->names[at], name) != 0)
			at++;
		if (at == f->n_columns)
			continue;
		for (size_t row = 0; row < t->n_rows; row++) {
			int64_t time_s = t->first_s + (int64_t)row * t->row_s;
			int64_t of = (time_s - f->start) / (int64_t)f->row_s - 1;

			if (time_s > f->start && time_s <= f->end)
				table_row(t, row)[i] = f->values[(size_t)of * f->n_columns + at];
		}
	}
}

static void table_init(struct table *t, int64_t row_s, int64_t from_s, int64_t to_s,
	const char *const *names, size_t n_names)
{
	*t = (struct table){.row_s = row_s, .n_columns = n_names, .names = names};
	t->first_s = (from_s / row_s + 1) * row_s;
	t->n_rows = to_s < t->first_s ? 0 : (size_t)((to_s - t->first_s) / row_s) + 1;
	t->values = xcalloc(t->n_rows * n_names + 1, sizeof(*t->values));
	for (size_t i = 0; i < t->n_rows * n_names; i++)
		t->values[i] = NAN;
}

struct err *rrd_file_fetch(const char *path, int64_t row_s, int64_t from_s, int64_t to_s,
	const char *const *names, size_t n_names, struct table *out)
{
	struct table t;

	table_init(&t, row_s, from_s, to_s, names, n_names);
	if (is_there(path) && t.n_rows) {
		struct fetched f = {.start = (time_t)(t.first_s - row_s),
			.end = (time_t)(t.first_s + (int64_t)(t.n_rows - 1) * row_s),
			.row_s = (unsigned long)row_s};

		if (rrd_fetch_r(path, "AVERAGE", &f.start, &f.end, &f.row_s, &f.n_columns, &f.names,
			    &f.values)) {
			table_fini(&t);
			return failed(path);
		}
		if (f.row_s == (unsigned long)row_s)
			take_over(&f, &t);
		fetched_fini(&f);
	}
	*out = t;
	return NULL;
}
