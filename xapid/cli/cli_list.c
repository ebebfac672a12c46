/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every class has: CLASS-list with its filters, and CLASS-param-{list,get,set,add,remove,
 * clear}. The data model says what may be done with a field; the messages are those of the fields.
 */
#include "core.gen.h"
#include "xapid/cli/cli.h"
#include "xapid/gate/message.h"

#include <string.h>

/* Whether WORD is among the words of LIST, which have blanks between. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (list && *list) {
		size_t n = strcspn(list, " ");

		if (n == len && !strncmp(list, word, len))
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

/* ---- choosing ---- */

/* An argument that chooses: "name-label=x", "other-config:key=x", "tags:contains=x". */
struct filter {
	const struct cli_field *field;
	const char *key; /* of a map; NULL: none */
	bool is_contained; /* the set, shown, contains the value */
	const char *value;
};

static struct err *read_filter(
	struct cli *c, const struct cli_class *k, const struct cli_arg *arg, struct filter *out)
{
	const char *colon = strchr(arg->key, ':');
	const char *name =
		colon ? arena_strndup(c->arena, arg->key, (size_t)(colon - arg->key)) : arg->key;

	*out = (struct filter){.field = cli_field_named(k, name), .value = arg->value};
	if (!out->field)
		return cli_error("Unknown field '%s'", arg->key);
	if (colon && !strcmp(colon + 1, "contains"))
		out->is_contained = true;
	else if (colon)
		out->key = colon + 1;
	return NULL;
}

static bool has_item(const char *shown, const char *value)
{
	size_t len = strlen(value);

	for (const char *at = shown; *at;) {
		size_t n = strcspn(at, ";");

		if (n == len && !strncmp(at, value, len))
			return true;
		at += n;
		at += strspn(at, "; ");
	}
	return false;
}

static MAY_WAIT struct err *matches(struct cli *c, const struct cli_class *k, const char *ref,
	json_t *record, const struct filter *f, bool *out)
{
	const struct field *own = cli_own_field(k, f->field);
	const char *shown = "";

	if (f->key && own) {
		const char *value = json_string_value(
			json_object_get(json_object_get(record, own->name), f->key));

		*out = value && !strcmp(value, f->value);
		return NULL;
	}
	TRY(cli_value(c, k, ref, record, f->field, true, &shown));
	bool is_set = own && own->type->kind == TYPE_LIST;
	*out = f->is_contained || is_set ? has_item(shown, f->value) : !strcmp(shown, f->value);
	return NULL;
}

static MAY_WAIT struct err *keep_matching(struct cli *c, const struct cli_class *k,
	const struct filter *f, json_t *objects, json_t *kept)
{
	const char *ref;
	json_t *record;

	json_object_foreach(objects, ref, record)
	{
		bool is_match = false;

		TRY(matches(c, k, ref, record, f, &is_match));
		if (is_match)
			json_object_set(kept, ref, record);
	}
	return NULL;
}

/* Whether it is one of the command's own arguments: KEY, or PREFIX: of PREFIX:KEY. */
static bool is_known(struct cli *c, const char *known, const char *key)
{
	const char *colon = strchr(key, ':');

	return has_word(known, key) ||
		(colon && has_word(known, arena_strndup(c->arena, key, (size_t)(colon + 1 - key))));
}

MAY_WAIT struct err *cli_choose(
	struct cli *c, const struct cli_class *k, const char *known, json_t **out)
{
	struct filter f;
	json_t *objects;

	c->is_listing = true;
	/* what is no field is said before anything is fetched */
	vec_for_each (i, &c->args)
		if (!is_known(c, known, c->args.v[i].key))
			TRY(read_filter(c, k, &c->args.v[i], &f));
	TRY(cli_objects(c, k->class->name, k->expr, &objects));
	vec_for_each (i, &c->args) {
		if (is_known(c, known, c->args.v[i].key))
			continue;
		TRY(read_filter(c, k, &c->args.v[i], &f));
		json_t *kept = json_object();
		vec_push(&c->values, kept);
		TRY(keep_matching(c, k, &f, objects, kept));
		objects = kept;
	}
	*out = objects;
	return NULL;
}

/* ---- list ---- */

/* Whether a list with these PARAMS (or NULL) shows the field. */
static bool is_shown(const struct cli_class *k, const struct cli_field *f, const char *params)
{
	if (!params)
		return !(f->flags & CLI_HIDDEN) && (!k->columns || has_word(k->columns, f->name));
	if (!strcmp(params, "all"))
		return !(f->flags & CLI_HIDDEN);
	return has_word(params, f->name);
}

static const char *field_title(struct cli *c, const struct cli_class *k, const struct cli_field *f)
{
	char label[6];

	cli_label(k, f, label);
	return arena_printf(c->arena, "%s %s%s", f->name, label,
		f->flags & CLI_DEPRECATED ? " [DEPRECATED]" : "");
}

MAY_WAIT struct err *cli_print_object(struct cli *c, const struct cli_class *k, const char *ref,
	json_t *record, const char *params)
{
	const char **names = arena_calloc(c->arena, k->n_fields, sizeof(*names));
	const char **values = arena_calloc(c->arena, k->n_fields, sizeof(*values));
	size_t n = 0;

	for (size_t i = 0; i < k->n_fields; i++) {
		if (!is_shown(k, &k->fields[i], params))
			continue;
		names[n] = field_title(c, k, &k->fields[i]);
		TRY(cli_value(c, k, ref, record, &k->fields[i], false, &values[n]));
		n++;
	}
	cli_print_record(c, names, values, n);
	return NULL;
}

/* The first of the fields that are shown. */
static const struct cli_field *first_shown(const struct cli_class *k, const char *params)
{
	for (size_t i = 0; i < k->n_fields; i++)
		if (is_shown(k, &k->fields[i], params))
			return &k->fields[i];
	return NULL;
}

MAY_WAIT struct err *cli_print_objects_minimal(
	struct cli *c, const struct cli_class *k, json_t *objects, const char *params)
{
	const struct cli_field *f = first_shown(k, params);
	const char **values = arena_calloc(c->arena, json_object_size(objects), sizeof(*values));
	const char *ref;
	json_t *record;
	size_t n = 0;

	json_object_foreach(objects, ref, record)
	{
		if (f)
			TRY(cli_value(c, k, ref, record, f, false, &values[n++]));
	}
	cli_print_minimal(c, values, n);
	return NULL;
}

static MAY_WAIT struct err *run_list(struct cli *c, const struct cli_class *k)
{
	const char *params = cli_arg(c, "params"), *ref;
	json_t *objects, *record;

	TRY(cli_choose(c, k, "params database", &objects));
	if (params) { /* with blanks between instead of commas */
		char *copy = arena_strdup(c->arena, params);

		for (char *at = copy; *at; at++)
			if (*at == ',')
				*at = ' ';
		params = copy;
	}
	if (c->is_minimal)
		return cli_print_objects_minimal(c, k, objects, params);
	json_object_foreach(objects, ref, record)
	{
		TRY(cli_print_object(c, k, ref, record, params));
	}
	return NULL;
}

/* ---- one object ---- */

static MAY_WAIT struct err *the_object(
	struct cli *c, const struct cli_class *k, const char **ref, json_t **record)
{
	TRY(cli_arg_object(c, k->class->name, "uuid", ref));
	TRY(cli_object(c, k->class->name, *ref, record));
	return *record ? NULL : cli_error("The object has gone");
}

/* The field that param-name names. */
static struct err *the_field(struct cli *c, const struct cli_class *k, const struct cli_field **f)
{
	const char *name = cli_arg(c, "param-name");

	if (!name)
		return cli_missing("param-name");
	*f = cli_field_named(k, name);
	if (!*f)
		return err_new(__FILE__, __LINE__, "Missing parameter", 1, &name);
	return NULL;
}

static MAY_WAIT struct err *run_param_list(struct cli *c, const struct cli_class *k)
{
	const char *ref;
	json_t *record;

	TRY(the_object(c, k, &ref, &record));
	return cli_print_object(c, k, ref, record, "all");
}

static MAY_WAIT struct err *run_param_get(struct cli *c, const struct cli_class *k)
{
	const struct cli_field *f;
	const char *ref, *value, *key = cli_arg(c, "param-key");
	json_t *record;

	if (!cli_arg(c, "uuid"))
		return cli_missing("uuid");
	TRY(the_field(c, k, &f));
	TRY(the_object(c, k, &ref, &record));
	if (!key) {
		TRY(cli_value(c, k, ref, record, f, true, &value));
		cli_print(c, value);
		return NULL;
	}
	const struct field *own = cli_own_field(k, f);
	const json_t *map = own ? json_object_get(record, own->name) : NULL;
	if (!json_is_object(map))
		return cli_error("Field '%s' is not a map or set", f->name);
	value = json_string_value(json_object_get(map, key));
	if (!value)
		return cli_error("Key %s not found in map", key);
	cli_print(c, value);
	return NULL;
}

/* ---- changing ---- */

static struct err *must_be_writable(const struct cli_class *k, const struct cli_field *f)
{
	char label[6];

	cli_label(k, f, label);
	if (label[3] != 'W' || !cli_own_field(k, f))
		return cli_error("Field '%s' is read-only.", f->name);
	return NULL;
}

static MAY_WAIT struct err *send_change(struct cli *c, const struct cli_class *k, const char *verb,
	const struct field *f, json_t *params)
{
	char *name = arena_printf(c->arena, "%s.%s_%s", k->class->name, verb, f->name);

	/* a message of the class's own is about one of them: add_group to groups */
	if (!message_resolve(name))
		name[strlen(name) - 1] = '\0';
	return cli_call(c, name, params, NULL);
}

static MAY_WAIT struct err *put_key(struct cli *c, const struct cli_class *k, const char *ref,
	const struct field *f, const char *key, const char *text)
{
	json_t *value;

	if (f->type->kind != TYPE_MAP)
		return cli_error("Field '%s' is not a map", f->name);
	TRY(cli_parse(c, f->type->of, key, text, &value));
	err_free(send_change(c, k, "remove_from", f, json_pack("[s, s]", ref, key)));
	return send_change(c, k, "add_to", f, json_pack("[s, s, o]", ref, key, value));
}

static MAY_WAIT struct err *set_one(
	struct cli *c, const struct cli_class *k, const char *ref, const struct cli_arg *arg)
{
	struct filter target;
	json_t *value;

	TRY(read_filter(c, k, arg, &target));
	TRY(must_be_writable(k, target.field));
	const struct field *f = cli_own_field(k, target.field);
	if (target.key)
		return put_key(c, k, ref, f, target.key, arg->value);
	if (f->type->kind == TYPE_MAP)
		return cli_error(
			"Field '%s' is a map: name a key, %s:KEY=VALUE", arg->key, arg->key);
	TRY(cli_parse(c, f->type, arg->key, arg->value, &value));
	return send_change(c, k, "set", f, json_pack("[s, o]", ref, value));
}

static MAY_WAIT struct err *run_param_set(struct cli *c, const struct cli_class *k)
{
	const char *ref;
	struct filter f;

	TRY(cli_arg_object(c, k->class->name, "uuid", &ref));
	/* all are looked at before the first one is changed */
	vec_for_each (i, &c->args) {
		if (!strcmp(c->args.v[i].key, "uuid"))
			continue;
		TRY(read_filter(c, k, &c->args.v[i], &f));
		TRY(must_be_writable(k, f.field));
	}
	vec_for_each (i, &c->args)
		if (strcmp(c->args.v[i].key, "uuid") != 0)
			TRY(set_one(c, k, ref, &c->args.v[i]));
	return NULL;
}

static MAY_WAIT struct err *run_param_add(struct cli *c, const struct cli_class *k)
{
	const struct cli_field *named;
	const char *ref, *key = cli_arg(c, "param-key");
	json_t *value;

	TRY(cli_arg_object(c, k->class->name, "uuid", &ref));
	TRY(the_field(c, k, &named));
	const struct field *f = cli_own_field(k, named);
	bool is_list = f && f->type->kind == TYPE_LIST, is_map = f && f->type->kind == TYPE_MAP;
	if (!is_list && !is_map)
		return cli_error("Can only add to parameters of type Set or Map");
	if (is_list) {
		if (!key)
			return cli_missing("param-key");
		TRY(cli_parse(c, f->type->of, named->name, key, &value));
		return send_change(c, k, "add", f, json_pack("[s, o]", ref, value));
	}
	vec_for_each (i, &c->args)
		if (!has_word("uuid param-name param-key", c->args.v[i].key)) {
			TRY(cli_parse(
				c, f->type->of, c->args.v[i].key, c->args.v[i].value, &value));
			TRY(send_change(c, k, "add_to", f,
				json_pack("[s, s, o]", ref, c->args.v[i].key, value)));
		}
	return NULL;
}

static MAY_WAIT struct err *run_param_remove(struct cli *c, const struct cli_class *k)
{
	const struct cli_field *named;
	const char *ref, *key = cli_arg(c, "param-key");
	json_t *record, *value;

	TRY(the_object(c, k, &ref, &record));
	TRY(the_field(c, k, &named));
	if (!key)
		return cli_missing("param-key");
	const struct field *f = cli_own_field(k, named);
	if (f && f->type->kind == TYPE_MAP) {
		if (!json_object_get(json_object_get(record, f->name), key))
			return cli_error("Key %s is not in map", key);
		return send_change(c, k, "remove_from", f, json_pack("[s, s]", ref, key));
	}
	if (!f || f->type->kind != TYPE_LIST)
		return cli_error("Can only remove from parameters of type Set or Map");
	TRY(cli_parse(c, f->type->of, named->name, key, &value));
	return send_change(c, k, "remove", f, json_pack("[s, o]", ref, value));
}

static MAY_WAIT struct err *run_param_clear(struct cli *c, const struct cli_class *k)
{
	const struct cli_field *named;
	const char *ref;

	TRY(cli_arg_object(c, k->class->name, "uuid", &ref));
	TRY(the_field(c, k, &named));
	TRY(must_be_writable(k, named));
	const struct field *f = cli_own_field(k, named);
	json_t *empty = f->type->kind == TYPE_LIST ? json_array()
		: f->type->kind == TYPE_MAP
		? json_object()
		: json_string(
			  f->type->kind == TYPE_STRING && f->type->class ? "OpaqueRef:NULL" : "");
	return send_change(c, k, "set", f, json_pack("[s, o]", ref, empty));
}

/* ---- by verb ---- */

static const struct {
	const char *verb;
	MAY_WAIT struct err *(*fn)(struct cli *c, const struct cli_class *k);
} verbs[] = {
	{"list", run_list},
	{"param-list", run_param_list},
	{"param-get", run_param_get},
	{"param-set", run_param_set},
	{"param-add", run_param_add},
	{"param-remove", run_param_remove},
	{"param-clear", run_param_clear},
};

bool cli_is_generated(const char *verb)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(verbs[i].verb, verb))
			return true;
	return false;
}

MAY_WAIT struct err *cli_run_generated(struct cli *c, const struct cli_class *k, const char *verb)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(verbs[i].verb, verb))
			return verbs[i].fn(c, k);
	return cli_error("Unknown command: %s", c->command);
}
