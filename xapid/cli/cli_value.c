/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values as xe shows and reads them: references as uuids, maps as "key: value; …", sets with
 * semicolons. A field's path leads over references to other objects.
 */
#include "common/number.h"
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NOT_THERE "<not in database>"

static MAY_WAIT struct err *show(
	struct cli *c, const struct type *t, const json_t *v, bool values_only, const char **out);

/* ---- words ---- */

/* A few enumerations have other words here than on the wire. */
static bool is_sentence(const char *type)
{
	return !strcmp(type, "on_normal_exit") || !strcmp(type, "on_crash_behaviour") ||
		!strcmp(type, "on_softreboot_behavior");
}

static const char *show_enum(struct cli *c, const struct type *t, const char *text)
{
	char *copy = arena_strdup(c->arena, text);

	if (!strcmp(t->name, "vm_power_state"))
		for (char *at = copy; *at; at++)
			*at = (char)tolower((unsigned char)*at);
	if (!strcmp(t->name, "host_allowed_operations") && !strncmp(copy, "vm_", 3))
		return arena_printf(c->arena, "VM.%s", copy + 3);
	if (is_sentence(t->name) && *copy) {
		*copy = (char)toupper((unsigned char)*copy);
		for (char *at = copy; *at; at++)
			if (*at == '_')
				*at = ' ';
	}
	return copy;
}

static const char *enum_word(struct cli *c, const struct type *t, const char *text)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (!strcasecmp(show_enum(c, t, t->cases[i].name), text) ||
			!strcasecmp(t->cases[i].name, text))
			return t->cases[i].name;
	return text; /* the call says what is wrong with it */
}

/* ---- showing ---- */

static MAY_WAIT struct err *show_ref(
	struct cli *c, const struct class *class, const char *ref, const char **out)
{
	json_t *record = NULL;

	*out = NOT_THERE;
	if (!strcmp(class->name, "session") || strncmp(ref, "OpaqueRef:", 10) != 0)
		return NULL;
	TRY(cli_object(c, class->name, ref, &record));
	if (record)
		*out = cli_string(record, "uuid");
	return NULL;
}

static MAY_WAIT struct err *show_list(
	struct cli *c, const struct type *t, const json_t *v, const char **out)
{
	auto_sbuf text = {0};

	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *item;

		TRY(show(c, t->of, json_array_get(v, i), false, &item));
		sbuf_printf(&text, "%s%s", i ? "; " : "", item);
	}
	*out = arena_strdup(c->arena, sbuf_str(&text));
	return NULL;
}

static MAY_WAIT struct err *show_map(
	struct cli *c, const struct type *t, json_t *v, bool values_only, const char **out)
{
	auto_sbuf text = {0};
	const char *key, *item, *separator = "";
	json_t *value;

	json_object_foreach(v, key, value)
	{
		TRY(show(c, t->of, value, false, &item));
		sbuf_adds(&text, separator);
		if (!values_only)
			sbuf_printf(&text, "%s: ", key);
		sbuf_adds(&text, item);
		separator = "; ";
	}
	*out = arena_strdup(c->arena, sbuf_str(&text));
	return NULL;
}

static MAY_WAIT struct err *show(
	struct cli *c, const struct type *t, const json_t *v, bool values_only, const char **out)
{
	const char *text = json_string_value(v);

	switch (t->kind) {
	case TYPE_BOOL:
		*out = json_is_true(v) ? "true" : "false";
		return NULL;
	case TYPE_INT:
		*out = arena_printf(c->arena, "%lld", (long long)json_integer_value(v));
		return NULL;
	case TYPE_FLOAT:
		*out = arena_printf(c->arena, "%.3f", json_number_value(v));
		return NULL;
	case TYPE_LIST:
		return show_list(c, t, v, out);
	case TYPE_MAP:
		return show_map(c, t, (json_t *)v, values_only, out);
	case TYPE_ENUM:
		*out = show_enum(c, t, text ? text : "");
		return NULL;
	case TYPE_STRING:
		if (t->class)
			return show_ref(c, t->class, text ? text : "", out);
		*out = text ? text : "";
		return NULL;
	case TYPE_OPTION:
		if (!json_is_null(v))
			return show(c, t->of, v, values_only, out);
		*out = "";
		return NULL;
	case TYPE_VOID:
	case TYPE_SECRET:
	case TYPE_BYTES:
	case TYPE_DATETIME:
	case TYPE_ANY:
	case TYPE_RECORD:
	case TYPE_VARIANT:
		break;
	}
	*out = text ? text : v ? json_value_text(v, c->arena).text : "";
	return NULL;
}

static const struct field *step_field(const struct class *class, const char *name, size_t len)
{
	for (uint32_t i = 0; i < class->n_fields; i++)
		if (strlen(class->fields[i].name) == len &&
			!strncmp(class->fields[i].name, name, len))
			return &class->fields[i];
	return NULL;
}

/* The one object that V refers to; "" where there is none, NULL where there are several. */
static const char *only_ref(const json_t *v)
{
	const char *text = json_string_value(json_is_array(v) ? json_array_get(v, 0) : v);

	return json_array_size(v) > 1 ? NULL : text ? text : "";
}

/* Follows the path over references. *F is NULL: there is no object at its end. */
static MAY_WAIT struct err *follow(struct cli *c, const struct class *class, json_t *record,
	const char *path, const struct field **f, json_t **value, const char **shared)
{
	for (;;) {
		size_t len = strcspn(path, ".");

		*f = record ? step_field(class, path, len) : NULL;
		if (!*f)
			return NULL;
		*value = json_object_get(record, (*f)->name);
		if (!path[len])
			return NULL;
		const char *ref = only_ref(*value);
		if (!ref) {
			*shared = "<shared>";
			*f = NULL;
			return NULL;
		}
		class = (*f)->type->kind == TYPE_LIST ? (*f)->type->of->class : (*f)->type->class;
		path += len + 1;
		record = NULL;
		if (!strncmp(ref, "OpaqueRef:", 10))
			TRY(cli_object(c, class->name, ref, &record));
	}
}

static MAY_WAIT struct err *call_value(struct cli *c, const struct cli_class *k, const char *ref,
	const char *path, const char **out)
{
	const char *message =
		arena_printf(c->arena, "%s.%.*s", k->class->name, (int)strcspn(path, "("), path);
	json_t *v = NULL;

	TRY(cli_call(c, message, json_pack("[s]", ref), &v));
	if (json_is_boolean(v))
		*out = json_is_true(v) ? "true" : "false";
	else if (json_is_array(v))
		return show_list(c, &type_list_string, v, out);
	else
		*out = json_is_string(v) ? json_string_value(v) : json_value_text(v, c->arena).text;
	return NULL;
}

MAY_WAIT struct err *cli_value(struct cli *c, const struct cli_class *k, const char *ref,
	json_t *record, const struct cli_field *f, bool if_expensive, const char **out)
{
	const struct field *own = cli_own_field(k, f), *last = own;
	const char *shared = NULL;
	json_t *value = NULL;

	if (f->flags & CLI_EXPENSIVE && !if_expensive) {
		*out = "<expensive field>";
		return NULL;
	}
	if (f->path && strchr(f->path, '('))
		return call_value(c, k, ref, f->path, out);
	if (own)
		value = json_object_get(record, own->name);
	else if (f->path)
		TRY(follow(c, k->class, record, f->path, &last, &value, &shared));
	if (!last || !value) {
		*out = shared ? shared : f->none ? f->none : NOT_THERE;
		return NULL;
	}
	bool values_only = f->label && *f->label == 'S';
	TRY(show(c, last->type, value, values_only, out));
	if (f->none && last->type->kind == TYPE_DATETIME && !strncmp(*out, "1970", 4))
		*out = f->none;
	return NULL;
}

/* ---- reading ---- */

struct err *cli_size(const char *key, const char *text, int64_t *out)
{
	static const struct {
		const char *unit;
		int shift;
	} units[] = {{"", 0}, {"bytes", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30},
		{"TiB", 40}};
	size_t digits = strspn(text, "0123456789");
	int64_t n;

	if (!number_read_int(text, digits, &n))
		return cli_error("%s: '%s' is no size", key, text);
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (!strcmp(text + digits, units[i].unit) && n <= INT64_MAX >> units[i].shift) {
			*out = n << units[i].shift;
			return NULL;
		}
	return cli_error("%s: '%s' is no size (bytes, KiB, MiB, GiB, TiB)", key, text);
}

static struct err *parse_bool(const char *key, const char *text, json_t **out)
{
	static const char *const yes[] = {"true", "yes", "1", "y", "t"};
	static const char *const no[] = {"false", "no", "0", "n", "f"};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (!strcasecmp(text, yes[i]) || !strcasecmp(text, no[i])) {
			*out = json_boolean(!strcasecmp(text, yes[i]));
			return NULL;
		}
	return cli_error(
		"Failed to parse parameter '%s': expecting 'true' or 'false', got '%s'", key, text);
}

static MAY_WAIT struct err *parse_ref(
	struct cli *c, const struct class *class, const char *text, json_t **out)
{
	const char *ref = "OpaqueRef:NULL";

	if (*text && strcmp(text, NOT_THERE) != 0)
		TRY(cli_by_uuid(c, class->name, text, &ref));
	*out = json_string(ref);
	return NULL;
}

static MAY_WAIT struct err *parse_list(
	struct cli *c, const struct type *t, const char *key, const char *text, json_t **out)
{
	char *rest = arena_strdup(c->arena, text);
	json_auto_t *list = json_array();

	for (char *item; *text && (item = strsep(&rest, ",;"));) {
		json_t *value;

		item += strspn(item, " ");
		TRY(cli_parse(c, t->of, key, item, &value));
		json_array_append_new(list, value);
	}
	*out = take(list);
	return NULL;
}

MAY_WAIT struct err *cli_parse(
	struct cli *c, const struct type *t, const char *key, const char *text, json_t **out)
{
	int64_t n;
	double d;

	switch (t->kind) {
	case TYPE_BOOL:
		return parse_bool(key, text, out);
	case TYPE_INT:
		TRY(cli_size(key, *text == '-' ? text + 1 : text, &n));
		*out = json_integer(*text == '-' ? -n : n);
		return NULL;
	case TYPE_FLOAT:
		if (!number_read_loose(text, &d))
			return cli_error(
				"Failed to parse parameter '%s': expecting a number, got '%s'", key,
				text);
		*out = json_real(d);
		return NULL;
	case TYPE_ENUM:
		*out = json_string(enum_word(c, t, text));
		return NULL;
	case TYPE_STRING:
		if (t->class)
			return parse_ref(c, t->class, text, out);
		break;
	case TYPE_LIST:
		return parse_list(c, t, key, text, out);
	case TYPE_MAP:
	case TYPE_OPTION:
	case TYPE_VOID:
	case TYPE_SECRET:
	case TYPE_BYTES:
	case TYPE_DATETIME:
	case TYPE_ANY:
	case TYPE_RECORD:
	case TYPE_VARIANT:
		break;
	}
	*out = json_string(text);
	return *out ? NULL : cli_error("%s: this is not UTF-8", key);
}
