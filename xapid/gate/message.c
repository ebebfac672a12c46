/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds what a message's name means (message.h) by the model's tables. A name that means something
 * is remembered: there are a few thousand of them, in two spellings.
 */
#include "xapid/gate/message.h"

#include "common/arena.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/vec.h"

#include "xenapi.gen.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define READ_ONLY_ROLE "read-only"

/* Lives as long as the process: classes do not change. */
static struct {
	struct map classes; /* of const struct class */
	struct map resolved; /* of struct message */
	struct arena arena;
} known;

static const struct of_class {
	enum message_kind kind;
	const char *name;
	uint32_t flags; /* that the class has */
	const struct type *arg; /* NULL: none, or the class's own record */
	const struct type *result; /* NULL: records */
	bool writes;
} of_classes[] = {
	{MESSAGE_GET_ALL, "get_all", CLASS_LISTED, NULL, &type_list_string, false},
	{MESSAGE_GET_ALL_WHERE, "get_all_where", CLASS_LISTED, &type_string, &type_list_string,
		false},
	{MESSAGE_GET_ALL_RECORDS_WHERE, "get_all_records_where", CLASS_LISTED, &type_string, NULL,
		false},
	{MESSAGE_GET_ALL_RECORDS, "get_all_records", CLASS_LISTED, NULL, NULL, false},
	{MESSAGE_CREATE, "create", CLASS_CONSTRUCTED, NULL, &type_string, true},
	{MESSAGE_DESTROY, "destroy", CLASS_CONSTRUCTED, &type_string, &type_void, true},
	{MESSAGE_GET_BY_UUID, "get_by_uuid", 0, &type_string, &type_string, false},
	{MESSAGE_GET_RECORD, "get_record", 0, &type_string, NULL, false},
	{MESSAGE_GET_BY_NAME_LABEL, "get_by_name_label", 0, &type_string, &type_list_string, false},
};

enum field_kind { ANY_FIELD, MAP_FIELD, SET_FIELD };

/* The longer prefix comes first. */
static const struct of_field {
	enum message_kind kind;
	const char *prefix;
	bool writes;
	enum field_kind field;
} of_fields[] = {
	{MESSAGE_GET, "get_", false, ANY_FIELD},
	{MESSAGE_SET, "set_", true, ANY_FIELD},
	{MESSAGE_ADD_TO, "add_to_", true, MAP_FIELD},
	{MESSAGE_REMOVE_FROM, "remove_from_", true, MAP_FIELD},
	{MESSAGE_ADD, "add_", true, SET_FIELD},
	{MESSAGE_REMOVE, "remove_", true, SET_FIELD},
};

static const struct interface *const model = &xenapi_interface;

static const struct field *field_named(const struct class *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_fields; i++)
		if (!strcmp(c->fields[i].name, name))
			return &c->fields[i];
	return NULL;
}

static bool begins_with(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/* What the message NAME does to a map whose keys have roles. Tasks are their maker's, whatever role
 * he has (api/task.c). */
static void set_map(const struct class *c, const char *name, struct message *out)
{
	if (c == &xenapi_class_task)
		return;
	for (size_t i = 0; i < ARRAY_LEN(of_fields); i++) {
		const struct of_field *row = &of_fields[i];

		if (!row->writes || !begins_with(name, row->prefix))
			continue;
		const struct field *f = field_named(c, name + strlen(row->prefix));
		if (f && f->n_map_keys) {
			out->map = f;
			out->map_change = row->kind;
			return;
		}
	}
}

/* ---- explicit messages ---- */

static void set_explicit(const struct class *c, const struct method *m, struct message *out)
{
	*out = (struct message){
		.kind = MESSAGE_EXPLICIT,
		.class = c,
		.method = m,
		.handler = (size_t)(m - model->methods),
		.result = m->out,
		.role = m->role,
		.other_role = m->other_role,
		.is_read_only = m->flags & METHOD_READ_ONLY,
		.is_async = m->flags & METHOD_ASYNC,
		.is_removed = m->flags & METHOD_REMOVED || c->flags & CLASS_REMOVED,
	};
}

static bool find_explicit(const struct class *c, const char *name, struct message *out)
{
	char full[128];
	int len = snprintf(full, sizeof(full), "%s.%s", c->name, name);

	if (len < 0 || (size_t)len >= sizeof(full))
		return false;
	const struct method *m = interface_method(model, full, (size_t)len);
	if (!m)
		return false;
	set_explicit(c, m, out);
	set_map(c, name, out);
	return true;
}

/* ---- those that follow from what the class is ---- */

static bool class_has(const struct class *c, const struct of_class *row)
{
	if (c->flags & CLASS_STATELESS || (c->flags & row->flags) != row->flags)
		return false;
	if (row->kind == MESSAGE_GET_BY_UUID)
		return field_named(c, "uuid");
	if (row->kind == MESSAGE_GET_BY_NAME_LABEL)
		return !(c->flags & CLASS_SINGLETON) && field_named(c, "name_label");
	return true;
}

/* A type made here: it has no C name, and nobody needs one. */
static struct type *new_type(enum type_kind kind, uint32_t size)
{
	struct type *t = arena_new(&known.arena, struct type);

	*t = (struct type){.kind = kind, .size = size, .unknown_case = -1};
	return t;
}

/* The fields that a client gives at the making, in the places of the whole record. */
static const struct type *constructor_of(const struct class *c)
{
	struct type *t = new_type(TYPE_RECORD, c->record->size);
	struct field *fields = arena_calloc(&known.arena, c->n_fields, sizeof(*fields));

	t->name = c->name;
	t->fields = fields;
	for (uint32_t i = 0; i < c->n_fields; i++)
		if (c->fields[i].flags & (FIELD_CREATE | FIELD_READ_WRITE))
			fields[t->n++] = c->fields[i];
	return t;
}

static void add_arg(struct message *m, const struct type *t)
{
	m->args[m->n_args++] = t;
}

static void set_of_class(const struct class *c, const struct of_class *row, struct message *out)
{
	*out = (struct message){.kind = row->kind,
		.class = c,
		.result = row->result,
		.role = c->reader ? c->reader : READ_ONLY_ROLE,
		.is_read_only = !row->writes,
		.is_async = row->writes,
		.is_removed = c->flags & CLASS_REMOVED};
	if (row->writes) {
		out->role = c->role;
		out->other_role = c->other_role;
	}
	if (row->kind == MESSAGE_CREATE)
		add_arg(out, constructor_of(c));
	else if (row->arg)
		add_arg(out, row->arg);
}

static bool find_of_class(const struct class *c, const char *name, struct message *out)
{
	for (size_t i = 0; i < ARRAY_LEN(of_classes); i++) {
		if (!strcmp(of_classes[i].name, name)) {
			if (!class_has(c, &of_classes[i]))
				return false;
			set_of_class(c, &of_classes[i], out);
			return true;
		}
	}
	return false;
}

/* ---- those that follow from a field ---- */

static bool field_has(const struct field *f, const struct of_field *row)
{
	if (f->flags & FIELD_INTERNAL || (row->writes && !(f->flags & FIELD_READ_WRITE)))
		return false;
	if (row->field == MAP_FIELD)
		return f->type->kind == TYPE_MAP;
	if (row->field == SET_FIELD)
		return f->type->kind == TYPE_LIST && f->type->is_set;
	return true;
}

static void set_of_field(const struct class *c, const struct of_field *row, const struct field *f,
	struct message *out)
{
	*out = (struct message){.kind = row->kind,
		.class = c,
		.field = f,
		.result = row->writes ? &type_void : f->type,
		.role = f->role,
		.other_role = f->other_role,
		.is_read_only = !row->writes,
		.is_removed = f->flags & FIELD_REMOVED || c->flags & CLASS_REMOVED};
	if (!row->writes) {
		out->role = f->reader ? f->reader : c->reader ? c->reader : READ_ONLY_ROLE;
		out->other_role = NULL;
	}
	add_arg(out, &type_string);
	if (row->kind == MESSAGE_SET)
		add_arg(out, f->type);
	else if (row->field == SET_FIELD)
		add_arg(out, f->type->of);
	else if (row->field == MAP_FIELD)
		add_arg(out, &type_string);
	if (row->kind == MESSAGE_ADD_TO)
		add_arg(out, f->type->of);
}

static bool find_of_field(const struct class *c, const char *name, struct message *out)
{
	if (c->flags & CLASS_STATELESS)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(of_fields); i++) {
		size_t len = strlen(of_fields[i].prefix);

		if (strncmp(name, of_fields[i].prefix, len) != 0)
			continue;
		const struct field *f = field_named(c, name + len);
		if (f && field_has(f, &of_fields[i])) {
			set_of_field(c, &of_fields[i], f, out);
			set_map(c, name, out);
			return true;
		}
	}
	return false;
}

/* ---- names ---- */

const struct class *message_class(const char *name, size_t len)
{
	for (uint32_t i = 0; i < model->n_classes; i++) {
		const char *own = model->classes[i]->name;

		if (strlen(own) == len && !strncasecmp(own, name, len))
			return model->classes[i];
	}
	return NULL;
}

static const struct class *class_exactly(const char *name, size_t len)
{
	if (!known.classes.n)
		for (uint32_t i = 0; i < model->n_classes; i++)
			map_put(&known.classes, model->classes[i]->name, (void *)model->classes[i]);
	return map_get_n(&known.classes, name, len);
}

static bool find_in_class(const struct class *c, const char *name, struct message *out)
{
	return find_explicit(c, name, out) || find_of_class(c, name, out) ||
		find_of_field(c, name, out);
}

/* Names of classes have underscores too, so each one may be the end of the class. */
static bool find_with_underscore(const char *name, struct message *out)
{
	for (const char *at = strchr(name, '_'); at; at = strchr(at + 1, '_')) {
		const struct class *c = class_exactly(name, (size_t)(at - name));

		if (c && find_in_class(c, at + 1, out))
			return true;
	}
	return false;
}

static bool find(const char *name, struct message *out)
{
	const char *dot = strchr(name, '.');

	if (!dot)
		return find_with_underscore(name, out);
	const struct class *c = class_exactly(name, (size_t)(dot - name));
	return c && find_in_class(c, dot + 1, out);
}

const struct message *message_resolve(const char *name)
{
	struct message *m = map_get(&known.resolved, name);
	struct message found;

	if (m || !find(name, &found))
		return m;
	m = arena_new(&known.arena, struct message);
	*m = found;
	map_put(&known.resolved, name, m);
	return m;
}

bool message_needs_hook(const struct message *m)
{
	if (m->kind == MESSAGE_CREATE || m->kind == MESSAGE_DESTROY)
		return m->class->flags & CLASS_EFFECT;
	return m->field && m->kind != MESSAGE_GET && m->field->flags & FIELD_EFFECT;
}

void message_forget(void)
{
	map_fini(&known.classes);
	map_fini(&known.resolved);
	arena_fini(&known.arena);
	known = (__typeof__(known)){0};
}

/* ---- all names ---- */

typedef vec_of(const char *) name_vec;

static void add_name(
	name_vec *names, struct arena *a, const char *class, const char *prefix, const char *name)
{
	vec_push(names, arena_printf(a, "%s.%s%s", class, prefix, name));
}

/* One that is explicit too is named there. */
static void add_implicit(name_vec *names, struct arena *a, const struct class *c,
	const char *prefix, const char *name)
{
	char full[128];
	int len = snprintf(full, sizeof(full), "%s.%s%s", c->name, prefix, name);

	if (!interface_method(model, full, (size_t)len))
		add_name(names, a, c->name, prefix, name);
}

static void add_class(name_vec *names, struct arena *a, const struct class *c)
{
	for (uint32_t i = 0; i < c->n_messages; i++)
		vec_push(names, c->messages[i]->name);
	for (size_t i = 0; i < ARRAY_LEN(of_classes); i++)
		if (class_has(c, &of_classes[i]))
			add_implicit(names, a, c, "", of_classes[i].name);
	if (c->flags & CLASS_STATELESS)
		return;
	for (uint32_t f = 0; f < c->n_fields; f++)
		for (size_t i = 0; i < ARRAY_LEN(of_fields); i++)
			if (field_has(&c->fields[f], &of_fields[i]))
				add_implicit(names, a, c, of_fields[i].prefix, c->fields[f].name);
}

void message_list(struct arena *a, struct string_list *out)
{
	name_vec names = {0};

	for (uint32_t i = 0; i < model->n_classes; i++)
		add_class(&names, a, model->classes[i]);
	out->n = names.n;
	out->v = arena_calloc(a, names.n, sizeof(*out->v));
	memcpy(out->v, names.v, names.n * sizeof(*out->v));
	vec_fini(&names);
}
