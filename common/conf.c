/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration files (conf.h): loading, and the reader of one file's bytes. Values by kind are in
 * conf_value.c.
 */
#include "common/conf.h"

#include "common/conf_value.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "common/utf8.h"
#include "common/vec.h"
#include "core.gen.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE_SIZE ((size_t)1 << 20)
#define MAX_LINE_SIZE 4096
#define MAX_FILES     256

struct err *conf_error(const struct conf_place *at, const char *fmt, ...)
{
	va_list ap;

	auto_str place = xasprintf("%s:%d", at->file, at->line);
	va_start(ap, fmt);
	auto_str reason = xvasprintf(fmt, ap);
	va_end(ap);
	return err(CONFIGURATION_INVALID, place, reason);
}

/* ---- keys ---- */

/* How many single changes make A into B; the usual table, a row at a time. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);

	if (n >= ARRAY_LEN(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (a[i] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

/* The key that was probably meant, or NULL. */
static const char *key_like(const struct conf_table *tables, size_t n, const char *name)
{
	size_t best_distance = strlen(name) / 3 + 1;
	const char *best = NULL;

	for (size_t i = 0; i < n; i++) {
		for (const struct conf_key *k = tables[i].keys; k->name; k++) {
			size_t distance = edit_distance(name, k->name);

			if (distance <= best_distance && (!best || distance < best_distance)) {
				best = k->name;
				best_distance = distance;
			}
		}
	}
	return best;
}

static struct err *unknown_key(
	const struct conf_table *tables, size_t n, const struct conf_place *at, const char *name)
{
	const char *like = key_like(tables, n, name);

	if (like)
		return conf_error(at, "unknown key '%s' (did you mean '%s'?)", name, like);
	return conf_error(at, "unknown key '%s'", name);
}

/* ---- one file's bytes ---- */

/* A file that is being read. */
struct reader {
	struct conf_table *tables;
	size_t n;
	struct conf_place at;
	vec_of(const struct conf_key *) seen; /* keys so far */
	vec_of(int) seen_lines; /* and where each was */
};

static struct err *line_check_text(const struct reader *r, const char *line, size_t len)
{
	uint32_t c;

	if (len > MAX_LINE_SIZE)
		return conf_error(&r->at, "the line is longer than %d bytes", MAX_LINE_SIZE);
	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_decode(line + i, len - i, &c);
		if (!n)
			return conf_error(
				&r->at, "byte 0x%02x is not UTF-8 text", (unsigned char)line[i]);
		if (!utf8_is_plain(c) && c != '\t')
			return conf_error(
				&r->at, "the character U+%04X may not stand in a file", c);
	}
	return NULL;
}

static char *trim(char *s)
{
	s += strspn(s, " \t");
	size_t len = strlen(s);
	while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	s[len] = '\0';
	return s;
}

static struct err *check_first_time(struct reader *r, const struct conf_key *k)
{
	vec_for_each (i, &r->seen)
		if (r->seen.v[i] == k)
			return conf_error(&r->at, "'%s' is set twice, first in line %d", k->name,
				r->seen_lines.v[i]);
	vec_push(&r->seen, k);
	vec_push(&r->seen_lines, r->at.line);
	return NULL;
}

static struct err *key_set(struct reader *r, const char *name, const char *text)
{
	for (size_t i = 0; i < r->n; i++) {
		for (const struct conf_key *k = r->tables[i].keys; k->name; k++) {
			if (strcmp(k->name, name))
				continue;
			TRY(check_first_time(r, k));
			return conf_value_parse(k, &r->at, text, r->tables[i].values);
		}
	}
	return unknown_key(r->tables, r->n, &r->at, name);
}

static struct err *line_read(struct reader *r, const char *bytes, size_t len)
{
	if (len && bytes[len - 1] == '\r')
		len--;
	TRY(line_check_text(r, bytes, len));
	auto_str copy = xstrndup(bytes, len);
	char *line = trim(copy);
	if (!*line || *line == '#')
		return NULL;
	char *equals = strchr(line, '=');
	if (!equals)
		return conf_error(&r->at, "'%s' is not of the form 'key = value'", line);
	*equals = '\0';
	char *name = trim(line);
	if (!*name)
		return conf_error(&r->at, "there is no key before '='");
	return key_set(r, name, trim(equals + 1));
}

static struct err *lines_read(struct reader *r, const char *text, size_t len)
{
	while (len) {
		const char *newline = memchr(text, '\n', len);
		size_t n = newline ? (size_t)(newline - text) : len;

		r->at.line++;
		TRY(line_read(r, text, n));
		n += newline != NULL;
		text += n;
		len -= n;
	}
	return NULL;
}

struct err *conf_read(
	struct conf_table *tables, size_t n, const char *text, size_t len, const char *name)
{
	struct reader r = {.tables = tables, .n = n, .at = {.file = name}};

	if (len > MAX_FILE_SIZE)
		return conf_error(&r.at, "the file is larger than %zu bytes", MAX_FILE_SIZE);
	struct err *e = lines_read(&r, text, len);
	vec_fini(&r.seen);
	vec_fini(&r.seen_lines);
	return e;
}

/* ---- all values ---- */

void conf_set_defaults(struct conf_table *tables, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (const struct conf_key *k = tables[i].keys; k->name; k++) {
			struct conf_place at = {.file = k->name};
			auto_err e = conf_value_parse(k, &at, k->standard, tables[i].values);

			assert(!e);
		}
	}
}

void conf_clear(struct conf_table *tables, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (const struct conf_key *k = tables[i].keys; k->name; k++)
			conf_value_clear(k, tables[i].values);
		memset(tables[i].values, 0, tables[i].size);
	}
}

/* ---- files ---- */

static struct err *file_add(struct conf_table *tables, size_t n, const char *path, bool must_exist)
{
	auto_str text = NULL;
	size_t len;

	int r = file_read(path, MAX_FILE_SIZE, &text, &len);
	if (r == -ENOENT && !must_exist)
		return NULL;
	if (r)
		return err_errno(-r, "reading %s", path);
	return conf_read(tables, n, text, len, path);
}

static int is_conf_name(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && !strcmp(entry->d_name + len - 5, ".conf");
}

/* By bytes: alphasort would follow the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static struct err *dir_add(struct conf_table *tables, size_t n, const char *dir)
{
	struct dirent **entries;
	struct err *e = NULL;

	int n_entries = scandir(dir, &entries, is_conf_name, compare_names);
	if (n_entries < 0)
		return errno == ENOENT ? NULL : err_errno(errno, "reading %s", dir);
	if (n_entries > MAX_FILES)
		e = err(LIMIT_EXCEEDED, "configuration files in a directory", "256");
	for (int i = 0; i < n_entries; i++) {
		auto_str path = xasprintf("%s/%s", dir, entries[i]->d_name);

		if (!e)
			e = file_add(tables, n, path, false);
		free(entries[i]);
	}
	free(entries);
	return e;
}

static struct err *all_add(struct conf_table *tables, size_t n, const char *path, bool must_exist)
{
	auto_str dir = xasprintf("%s.d", path);

	TRY(file_add(tables, n, path, must_exist));
	return dir_add(tables, n, dir);
}

struct err *conf_load(struct conf_table *tables, size_t n, const char *path, bool must_exist)
{
	struct conf_table fresh[8];

	assert(n <= ARRAY_LEN(fresh));
	for (size_t i = 0; i < n; i++) {
		fresh[i] = tables[i];
		fresh[i].values = xcalloc(1, tables[i].size);
	}
	conf_set_defaults(fresh, n);
	struct err *e = all_add(fresh, n, path, must_exist);
	/* On success the new values change places with those of before; then what is in `fresh`
	 * goes. */
	for (size_t i = 0; !e && i < n; i++) {
		void *before = xmalloc(tables[i].size);

		memcpy(before, tables[i].values, tables[i].size);
		memcpy(tables[i].values, fresh[i].values, tables[i].size);
		free(fresh[i].values);
		fresh[i].values = before;
	}
	conf_clear(fresh, n);
	for (size_t i = 0; i < n; i++)
		free(fresh[i].values);
	return e;
}
