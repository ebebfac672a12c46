/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a person types for a value of the IDL, as JSON: scalars as they are, the rest as JSON text
 * or in a short form: "key=value,key=value" for a record or a map, "a,b" or a repeated option for
 * a list, "case" or "case=value" for a variant. "@FILE" is the content of a file. Whether names
 * and ranges are right is left to the codec, which reads the result.
 */
#include "common/cli_parts.h"

#include "common/cli_text.h"
#include "common/file.h"

#include "core.gen.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

enum { FILE_MAX_BYTES = 64 << 20 };

struct reading {
	struct arena *arena;
	struct json_writer *w;
	bool is_in_map; /* of secrets: which of its values are, only the other end knows */
};

static struct err *value_write(
	struct reading *rd, const struct type *t, const char *name, const char *text);

struct err *cli_usage(const char *what, const char *reason)
{
	return err(INVALID_VALUE, what, reason);
}

static struct err *read_file(struct reading *rd, const char *name, const char *path, char **out)
{
	auto_str bytes = NULL;
	size_t len;
	int r = file_read(path, FILE_MAX_BYTES, &bytes, &len);

	if (r < 0)
		return cli_usage(
			name, arena_printf(rd->arena, "%s: %s", path, strerrordesc_np(-r)));
	*out = arena_strndup(rd->arena, bytes, len);
	return NULL;
}

/* The content of "@FILE", else the text itself ("@@" begins a text with "@"). */
static struct err *text_or_file(
	struct reading *rd, const char *name, const char *text, const char **out)
{
	char *content;

	if (text[0] != '@' || text[1] == '@') {
		*out = text[0] == '@' ? text + 1 : text;
		return NULL;
	}
	TRY(read_file(rd, name, text + 1, &content));
	*out = content;
	return NULL;
}

static void cut_newline(char *s)
{
	size_t n = strlen(s);

	while (n && (s[n - 1] == '\n' || s[n - 1] == '\r'))
		s[--n] = '\0';
}

/* A line from the terminal that is not shown, or from a pipe. */
static struct err *prompt(struct reading *rd, const char *name, char **out)
{
	struct termios was, quiet;
	bool is_terminal = tcgetattr(STDIN_FILENO, &was) == 0;
	char line[4096];

	if (is_terminal) {
		fprintf(stderr, "%s: ", name);
		quiet = was;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	bool was_read = fgets(line, sizeof(line), stdin);
	if (is_terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
		fputc('\n', stderr);
	}
	if (!was_read)
		return cli_usage(name, "nothing was given on standard input");
	cut_newline(line);
	*out = arena_strdup(rd->arena, line);
	explicit_bzero(line, sizeof(line));
	return NULL;
}

/* Not from the command line itself, which every process of the machine can read. */
static struct err *secret_write(struct reading *rd, const char *name, const char *text)
{
	char *secret;

	if (!strcmp(text, "-")) {
		TRY(prompt(rd, name, &secret));
	} else if (text[0] == '@') {
		TRY(read_file(rd, name, text + 1, &secret));
		cut_newline(secret);
	} else if (rd->is_in_map) {
		json_write_string(rd->w, text);
		return NULL;
	} else {
		return cli_usage(name, "is a secret: give @FILE, or - to be asked for it");
	}
	json_write_string(rd->w, secret);
	return NULL;
}

static struct err *bool_write(struct reading *rd, const char *name, const char *text)
{
	bool is_true = !strcmp(text, "true") || !strcmp(text, "yes") || !strcmp(text, "on");
	bool is_false = !strcmp(text, "false") || !strcmp(text, "no") || !strcmp(text, "off");

	if (!is_true && !is_false)
		return cli_usage(name, "is true or false");
	json_write_bool(rd->w, is_true);
	return NULL;
}

/* How many times the number a suffix means; 0: it is none. */
static int64_t suffix_factor(const char *suffix)
{
	static const struct {
		const char *name;
		int shift;
	} suffixes[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (!strcasecmp(suffix, suffixes[i].name))
			return INT64_C(1) << suffixes[i].shift;
	return 0;
}

static struct err *int_write(struct reading *rd, const char *name, const char *text)
{
	char *end;
	int64_t value;

	errno = 0;
	long long v = strtoll(text, &end, 10);
	int64_t factor = suffix_factor(end);
	if (end == text || isspace((unsigned char)text[0]) || !factor)
		return cli_usage(name, "is a whole number, perhaps with KiB, MiB, GiB or TiB");
	if (errno == ERANGE || __builtin_mul_overflow((int64_t)v, factor, &value))
		return cli_usage(name, "is too large");
	json_write_int(rd->w, value);
	return NULL;
}

static struct err *float_write(struct reading *rd, const char *name, const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || v - v != 0)
		return cli_usage(name, "is a number");
	json_write_float(rd->w, v);
	return NULL;
}

static const char *skip_space(const char *s)
{
	return s + strspn(s, " \t\r\n");
}

/* TEXT is JSON: checked, and taken over. */
static struct err *raw_json_write(struct reading *rd, const char *name, const char *text)
{
	struct json_reader r;
	struct json_text found;

	json_reader_init(&r, text, strlen(text), rd->arena);
	if (!json_skip(&r, &found) || !json_at_end(&r))
		return cli_usage(name,
			arena_printf(rd->arena, "is no JSON: %s",
				r.problem ? r.problem : "more follows"));
	found = json_compact(found, rd->arena); /* one message is one line */
	json_write_raw(rd->w, found.text, found.len);
	return NULL;
}

/* Cuts the next part off *TEXT: up to a comma outside of brackets and quotes. */
static char *next_part(struct reading *rd, const char **text)
{
	const char *start = *text, *p = start;
	bool is_quoted = false;
	int depth = 0;

	for (; *p && (is_quoted || depth > 0 || *p != ','); p++) {
		if (*p == '\\' && p[1] && is_quoted)
			p++;
		else if (*p == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (*p == '[' || *p == '{'))
			depth++;
		else if (!is_quoted && (*p == ']' || *p == '}'))
			depth--;
	}
	*text = *p ? p + 1 : p;
	return arena_strndup(rd->arena, start, (size_t)(p - start));
}

static const struct field *find_field(const struct type *record, const char *name)
{
	for (uint32_t i = 0; i < record->n; i++)
		if (!strcmp(record->fields[i].name, name))
			return &record->fields[i];
	return NULL;
}

/* "key=value,flag,key=value" */
static struct err *record_write(
	struct reading *rd, const struct type *t, const char *name, const char *text)
{
	json_write_object(rd->w);
	while (*text) {
		char *key = next_part(rd, &text);
		char *value = strchr(key, '=');

		if (value)
			*value++ = '\0';
		const struct field *f = find_field(t, key);
		const char *path = arena_printf(rd->arena, "%s.%s", name, key);
		if (!f)
			return cli_usage(path, "is not known");
		if (!value && f->type->kind != TYPE_BOOL)
			return cli_usage(path, "needs a value: key=value");
		json_write_name(rd->w, f->name);
		TRY(value_write(rd, f->type, path, value ? value : "true"));
	}
	json_write_object_end(rd->w);
	return NULL;
}

static struct err *map_write(
	struct reading *rd, const struct type *t, const char *name, const char *text)
{
	rd->is_in_map = true;
	json_write_object(rd->w);
	while (*text) {
		char *key = next_part(rd, &text);
		char *value = strchr(key, '=');

		if (!value)
			return cli_usage(name, "is written key=value,key=value");
		*value++ = '\0';
		json_write_name(rd->w, key);
		TRY(value_write(rd, t->of, arena_printf(rd->arena, "%s.%s", name, key), value));
	}
	json_write_object_end(rd->w);
	rd->is_in_map = false;
	return NULL;
}

/* "case" or "case=value" */
static struct err *variant_write(
	struct reading *rd, const struct type *t, const char *name, const char *text)
{
	size_t len = strcspn(text, "=");

	for (uint32_t i = 0; i < t->n; i++) {
		const struct type_case *c = &t->cases[i];

		if (strlen(c->name) != len || memcmp(c->name, text, len) != 0)
			continue;
		if (!c->type != !text[len])
			return cli_usage(arena_printf(rd->arena, "%s.%s", name, c->name),
				c->type ? "needs a value: case=value" : "takes no value");
		if (!c->type) {
			json_write_string(rd->w, c->name);
			return NULL;
		}
		json_write_object(rd->w);
		json_write_name(rd->w, c->name);
		TRY(value_write(rd, c->type, arena_printf(rd->arena, "%s.%s", name, c->name),
			text + len + 1));
		json_write_object_end(rd->w);
		return NULL;
	}
	return cli_usage(
		name, arena_printf(rd->arena, "is one of %s", cli_type_text(t, rd->arena)));
}

/* Whether one element can hold commas of its own: then an option is one element. */
static bool is_compound(const struct type *t)
{
	while (t->kind == TYPE_OPTION)
		t = t->of;
	return t->kind == TYPE_RECORD || t->kind == TYPE_MAP || t->kind == TYPE_LIST ||
		t->kind == TYPE_VARIANT || t->kind == TYPE_ANY;
}

static struct err *list_write(struct reading *rd, const struct type *t, const char *name,
	const char *const *texts, size_t n)
{
	json_write_array(rd->w);
	for (size_t i = 0; i < n; i++) {
		const char *rest = texts[i];

		if (is_compound(t->of))
			TRY(value_write(rd, t->of, name, rest));
		else
			while (*rest)
				TRY(value_write(rd, t->of, name, next_part(rd, &rest)));
	}
	json_write_array_end(rd->w);
	return NULL;
}

static struct err *compound_write(struct reading *rd, const struct type *t, const char *name,
	const char *const *texts, size_t n)
{
	const char *text;

	TRY(text_or_file(rd, name, texts[0], &text));
	char first = *skip_space(text);
	if (n == 1 && (first == '{' || (first == '[' && t->kind == TYPE_LIST)))
		return raw_json_write(rd, name, text);
	if (t->kind == TYPE_LIST)
		return list_write(rd, t, name, texts, n);
	if (n > 1) {
		auto_sbuf joined = {0};

		for (size_t i = 0; i < n; i++)
			sbuf_printf(&joined, "%s%s", i ? "," : "", texts[i]);
		text = arena_strdup(rd->arena, sbuf_str(&joined));
	}
	return t->kind == TYPE_MAP ? map_write(rd, t, name, text) : record_write(rd, t, name, text);
}

static struct err *value_write(
	struct reading *rd, const struct type *t, const char *name, const char *text)
{
	switch (t->kind) {
	case TYPE_VOID:
		return cli_usage(name, "takes no value");
	case TYPE_BOOL:
		return bool_write(rd, name, text);
	case TYPE_INT:
		return int_write(rd, name, text);
	case TYPE_FLOAT:
		return float_write(rd, name, text);
	case TYPE_SECRET:
		return secret_write(rd, name, text);
	case TYPE_ENUM:
	case TYPE_DATETIME:
		json_write_string(rd->w, text);
		return NULL;
	case TYPE_STRING:
	case TYPE_BYTES:
		TRY(text_or_file(rd, name, text, &text));
		json_write_string(rd->w, text);
		return NULL;
	case TYPE_ANY:
		TRY(text_or_file(rd, name, text, &text));
		return raw_json_write(rd, name, text);
	case TYPE_VARIANT:
		TRY(text_or_file(rd, name, text, &text));
		if (*skip_space(text) == '{' || *skip_space(text) == '"')
			return raw_json_write(rd, name, text);
		return variant_write(rd, t, name, text);
	case TYPE_RECORD:
	case TYPE_LIST:
	case TYPE_MAP:
		return compound_write(rd, t, name, &text, 1);
	case TYPE_OPTION:
		return value_write(rd, t->of, name, text);
	}
	return cli_usage(name, "is of no known kind");
}

struct err *cli_value_write(const struct type *t, const char *name, const char *const *texts,
	size_t n, struct arena *a, struct json_writer *w)
{
	struct reading rd = {.arena = a, .w = w};

	while (t->kind == TYPE_OPTION)
		t = t->of;
	if (t->kind == TYPE_RECORD || t->kind == TYPE_LIST || t->kind == TYPE_MAP)
		return compound_write(&rd, t, name, texts, n);
	if (n > 1)
		return cli_usage(name, "is given twice");
	return value_write(&rd, t, name, texts[0]);
}
