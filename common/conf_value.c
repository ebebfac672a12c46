/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of configuration keys (conf_value.h).
 */
#include "common/conf_value.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/sbuf.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* In quotes, with every character escaped, it still fits a line: what is read can be printed. */
#define MAX_STRING_SIZE 2000

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first, for writing. */
static const struct unit size_units[] = {
	{"TiB", (int64_t)1 << 40},
	{"GiB", (int64_t)1 << 30},
	{"MiB", (int64_t)1 << 20},
	{"KiB", (int64_t)1 << 10},
	{"B", 1},
	{NULL, 0},
};
static const struct unit duration_units[] = {
	{"d", 24 * 3600 * NS_PER_S},
	{"h", 3600 * NS_PER_S},
	{"min", 60 * NS_PER_S},
	{"s", NS_PER_S},
	{"ms", NS_PER_MS},
	{"us", NS_PER_US},
	{"ns", 1},
	{NULL, 0},
};

static int64_t *as_int(const struct conf_key *k, void *values)
{
	return (int64_t *)((char *)values + k->offset);
}

static char **as_string(const struct conf_key *k, void *values)
{
	return (char **)((char *)values + k->offset);
}

/* ---- out ---- */

static char *with_unit(const struct unit *units, int64_t n)
{
	while (units[1].name && (n % units->factor || !n))
		units++;
	return xasprintf("%" PRId64 "%s", n / units->factor, units->name);
}

static char *number_text(const struct conf_key *k, int64_t n)
{
	if (!n)
		return xstrdup("0");
	if (k->kind == CONF_SIZE)
		return with_unit(size_units, n);
	if (k->kind == CONF_DURATION)
		return with_unit(duration_units, n);
	return xasprintf("%" PRId64, n);
}

/* In quotes where white space at an end or a quote at the start would be lost. */
static char *string_text(const char *s)
{
	size_t len = strlen(s);
	struct sbuf b = {0};

	if (!len || (!strchr(" \t\"", s[0]) && !strchr(" \t", s[len - 1])))
		return xstrdup(s);
	sbuf_addc(&b, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			sbuf_addc(&b, '\\');
		sbuf_addc(&b, *s);
	}
	sbuf_addc(&b, '"');
	return sbuf_take(&b);
}

char *conf_value_text(const struct conf_key *k, const void *values)
{
	void *unconst = (void *)values;

	switch (k->kind) {
	case CONF_BOOL:
		return xstrdup(
			*((const bool *)((const char *)values + k->offset)) ? "true" : "false");
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
		return number_text(k, *as_int(k, unconst));
	case CONF_STRING:
	case CONF_PATH:
		return string_text(*as_string(k, unconst));
	case CONF_ENUM:
		return xstrdup(k->names[*(const int *)((const char *)values + k->offset)]);
	}
	return NULL;
}

static char *names_list(const struct conf_key *k)
{
	struct sbuf b = {0};

	for (size_t i = 0; k->names[i]; i++)
		sbuf_printf(&b, "%s%s", !i ? "" : k->names[i + 1] ? ", " : " or ", k->names[i]);
	return sbuf_take(&b);
}

static bool is_bounded(const struct conf_key *k)
{
	return k->min || k->max;
}

static char *bounds_text(const struct conf_key *k, const char *what)
{
	if (!is_bounded(k))
		return xstrdup(what);
	auto_str min = number_text(k, k->min);
	if (k->max == INT64_MAX)
		return xasprintf("%s, at least %s", what, min);
	auto_str max = number_text(k, k->max);
	return xasprintf("%s from %s to %s", what, min, max);
}

char *conf_value_range(const struct conf_key *k)
{
	switch (k->kind) {
	case CONF_BOOL:
		return xstrdup("true or false");
	case CONF_INT:
		return bounds_text(k, "a whole number");
	case CONF_SIZE:
		return bounds_text(k, "a size such as 512, 64KiB, 16MiB, 1GiB");
	case CONF_DURATION:
		return bounds_text(k, "a duration such as 500ms, 10s, 5min, 2h, 1d");
	case CONF_STRING:
		return xstrdup("text");
	case CONF_PATH:
		return xstrdup(*k->standard ? "an absolute path" : "an absolute path, or nothing");
	case CONF_ENUM:
		return names_list(k);
	}
	return NULL;
}

/* ---- in ---- */

/* What every wrong value is told: what is there, and what would be right. */
static struct err *wrong(const struct conf_key *k, const struct conf_place *at, const char *text)
{
	auto_str range = conf_value_range(k);
	const char *hint = strchr(text, '#') ? "; a comment stands on a line of its own" : "";

	return conf_error(at, "%s = %s: must be %s%s", k->name, text, range, hint);
}

/* How much the unit at TEXT is worth; 0: there is none such. */
static int64_t unit_factor(const struct conf_key *k, const char *text, int64_t number)
{
	const struct unit *units = k->kind == CONF_SIZE ? size_units : duration_units;

	text += strspn(text, " ");
	/* Bytes need no unit, and zero is zero; nobody shall guess what "wait = 10" means. */
	if (!*text)
		return k->kind != CONF_DURATION || !number ? 1 : 0;
	for (; k->kind != CONF_INT && units->name; units++)
		if (!strcmp(units->name, text))
			return units->factor;
	return 0;
}

static struct err *number_parse(
	const struct conf_key *k, const struct conf_place *at, const char *text, int64_t *out)
{
	const char *digits = text + (*text == '-');
	char *end;

	if (*digits < '0' || *digits > '9')
		return wrong(k, at, text);
	errno = 0;
	int64_t n = strtoll(text, &end, 10);
	if (errno)
		return wrong(k, at, text);
	int64_t factor = unit_factor(k, end, n);
	if (!factor || __builtin_mul_overflow(n, factor, &n))
		return wrong(k, at, text);
	if (is_bounded(k) ? n < k->min || n > k->max : n < 0)
		return wrong(k, at, text);
	*out = n;
	return NULL;
}

static struct err *bool_parse(
	const struct conf_key *k, const struct conf_place *at, const char *text, bool *out)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!strcasecmp(words[i], text)) {
			*out = i % 2;
			return NULL;
		}
	}
	return wrong(k, at, text);
}

static struct err *enum_parse(
	const struct conf_key *k, const struct conf_place *at, const char *text, int *out)
{
	for (int i = 0; k->names[i]; i++) {
		if (!strcmp(k->names[i], text)) {
			*out = i;
			return NULL;
		}
	}
	return wrong(k, at, text);
}

static struct err *unquote(
	const struct conf_key *k, const struct conf_place *at, const char *text, char **out)
{
	auto_sbuf b = {0};

	for (text++; *text && *text != '"'; text++) {
		if (*text == '\\' && (text[1] == '"' || text[1] == '\\'))
			text++;
		sbuf_addc(&b, *text);
	}
	if (*text != '"' || text[1])
		return conf_error(at, "%s: the quotes must end where the value ends", k->name);
	*out = sbuf_take(&b);
	return NULL;
}

static struct err *string_parse(
	const struct conf_key *k, const struct conf_place *at, const char *text, char **out)
{
	auto_str s = NULL;

	if (*text == '"')
		TRY(unquote(k, at, text, &s));
	else
		s = xstrdup(text);
	assert(s);
	if (strlen(s) > MAX_STRING_SIZE)
		return conf_error(at, "%s: longer than %d bytes", k->name, MAX_STRING_SIZE);
	if (k->kind == CONF_PATH && *s != '/' && (*s || *k->standard))
		return wrong(k, at, s);
	free(*out);
	*out = take(s);
	return NULL;
}

struct err *conf_value_parse(
	const struct conf_key *k, const struct conf_place *at, const char *text, void *values)
{
	void *value = (char *)values + k->offset;

	switch (k->kind) {
	case CONF_BOOL:
		return bool_parse(k, at, text, value);
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
		return number_parse(k, at, text, value);
	case CONF_STRING:
	case CONF_PATH:
		return string_parse(k, at, text, value);
	case CONF_ENUM:
		return enum_parse(k, at, text, value);
	}
	return NULL;
}

void conf_value_clear(const struct conf_key *k, void *values)
{
	if (k->kind == CONF_STRING || k->kind == CONF_PATH) {
		free(*as_string(k, values));
		*as_string(k, values) = NULL;
	}
}
