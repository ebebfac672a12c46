/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands that are one message: the row says which argument of the command is which parameter, and
 * the model says of what type that is, so that a uuid becomes a reference, text a number, and what
 * is not given what stands for nothing. What the message answers is printed.
 *
 * The words of cli_command.args stand for the message's parameters, in its order (for a message
 * that takes a record: for fields of it, with the names that xe has for fields):
 *
 *	uuid, sr-uuid           the argument of this name
 *	type=user               what stands for it where it is not given
 *	other-config:           a map, of all arguments other-config:KEY=VALUE
 *	<vm>, <host>, <sr>      each object that the arguments choose; it comes first
 */
#include "xapid/cli/cli.h"
#include "xapid/gate/message.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define NO_OBJECT "OpaqueRef:NULL"

/* The next word of *REST, or NULL. */
static const char *next_word(struct cli *c, const char **rest)
{
	*rest += strspn(*rest, " ");
	size_t len = strcspn(*rest, " ");
	const char *word = len ? arena_strndup(c->arena, *rest, len) : NULL;

	*rest += len;
	return word;
}

/* ---- parameters ---- */

/* What is sent for an argument that is not there. */
static MAY_WAIT struct err *nothing(struct cli *c, const struct type *t, json_t **out)
{
	const char *host = NO_OBJECT;

	switch (t->kind) {
	case TYPE_BOOL:
		*out = json_false();
		return NULL;
	case TYPE_INT:
	case TYPE_FLOAT:
		*out = json_integer(0);
		return NULL;
	case TYPE_LIST:
		*out = json_array();
		return NULL;
	case TYPE_STRING:
		if (t->class && !strcmp(t->class->name, "host"))
			TRY(cli_this_host(c, &host));
		*out = json_string(t->class ? host : "");
		return NULL;
	case TYPE_MAP:
	case TYPE_OPTION:
	case TYPE_VOID:
	case TYPE_SECRET:
	case TYPE_BYTES:
	case TYPE_DATETIME:
	case TYPE_ANY:
	case TYPE_ENUM:
	case TYPE_RECORD:
	case TYPE_VARIANT:
		break;
	}
	*out = json_string("");
	return NULL;
}

/* The parameter that WORD stands for, of type T. */
static MAY_WAIT struct err *parameter(
	struct cli *c, const char *word, const struct type *t, json_t **out)
{
	char *key = arena_strdup(c->arena, word), *usual = strchr(key, '=');
	size_t len = strlen(key);

	if (usual)
		*usual++ = '\0';
	else if (key[len - 1] == ':')
		key[len - 1] = '\0';
	if (t->kind == TYPE_MAP) {
		*out = json_incref(cli_arg_map(c, key));
		return NULL;
	}
	const char *text = cli_arg(c, key) ? cli_arg(c, key) : usual;
	if (!text)
		return nothing(c, t, out);
	if (t->kind == TYPE_BOOL && cli_arg(c, key)) {
		*out = json_boolean(cli_switch(c, key));
		return NULL;
	}
	return cli_parse(c, t, key, text, out);
}

/* The field of the record that xe calls KEY: other-config: is other_config, sr-uuid is SR. */
static const struct field *field_called(struct cli *c, const struct type *record, const char *key)
{
	size_t len = strcspn(key, ":=");

	if (len > 5 && !strncmp(key + len - 5, "-uuid", 5))
		len -= 5;
	char *name = arena_strndup(c->arena, key, len);
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	for (uint32_t i = 0; i < record->n; i++)
		if (!strcasecmp(record->fields[i].name, name))
			return &record->fields[i];
	return NULL;
}

static MAY_WAIT struct err *the_record(
	struct cli *c, const struct type *t, const char *words, json_t **out)
{
	json_t *record = json_object(), *value;

	vec_push(&c->values, record);
	for (const char *word; (word = next_word(c, &words));) {
		const struct field *f = field_called(c, t, word);

		assert(f);
		TRY(parameter(c, word, f->type, &value));
		json_object_set_new(record, f->name, value);
	}
	*out = json_incref(record);
	return NULL;
}

/* SELF comes first, if it is not NULL; *PARAMS is the command's. */
static MAY_WAIT struct err *parameters(struct cli *c, const struct message *m, const char *self,
	const char *words, json_t **params)
{
	const struct type *in = m->kind == MESSAGE_EXPLICIT ? m->method->in : NULL;
	json_t *value;

	*params = json_array();
	vec_push(&c->values, *params);
	if (m->kind == MESSAGE_CREATE) {
		TRY(the_record(c, m->args[0], words, &value));
		json_array_append_new(*params, value);
		return NULL;
	}
	if (self)
		json_array_append_new(*params, json_string(self));
	for (const char *word; (word = next_word(c, &words));) {
		const struct type *t = in ? in->fields[json_array_size(*params)].type
					  : m->args[json_array_size(*params)];

		if (!json_array_size(*params) && !(in && m->method->flags & METHOD_STATIC)) {
			TRY(cli_arg_object(c, m->class->name, word, &self));
			value = json_string(self);
		} else {
			assert(t);
			TRY(parameter(c, word, t, &value));
		}
		json_array_append_new(*params, value);
	}
	return NULL;
}

/* ---- the answer ---- */

static void print_answer(struct cli *c, const struct type *t, const json_t *answer)
{
	if (t->kind == TYPE_INT)
		cli_printf(c, "%lld", (long long)json_integer_value(answer));
	else if (t->kind == TYPE_STRING || t->kind == TYPE_ENUM)
		cli_print(c, json_string_value(answer));
	for (size_t i = 0; i < json_array_size(answer); i++)
		cli_print(c, json_string_value(json_array_get(answer, i)));
}

static MAY_WAIT struct err *send(struct cli *c, const char *self)
{
	const struct cli_command *command = cli_command_named(c->command);
	const struct message *m = message_resolve(command->message);
	const struct type *t = m->kind == MESSAGE_EXPLICIT ? m->method->out : m->result;
	const struct class *made = m->kind == MESSAGE_CREATE ? m->class : t->class;
	const char *words = command->args ? command->args : "uuid", *ref;
	json_t *params, *answer;

	if (self)
		next_word(c, &words);
	TRY(parameters(c, m, self, words, &params));
	json_incref(params);
	if (m->is_async && (made || t->kind == TYPE_VOID)) {
		TRY(cli_call_long(c, command->message, params, &ref));
		return made ? cli_print_uuid(c, made->name, ref) : NULL;
	}
	TRY(cli_call(c, command->message, params, &answer));
	if (made)
		return cli_print_uuid(c, made->name, json_string_value(answer));
	print_answer(c, t, answer);
	return NULL;
}

/* ---- whose message it is ---- */

static MAY_WAIT struct err *send_to(struct cli *c, const char *ref, const json_t *record)
{
	return send(c, ref);
}

MAY_WAIT struct err *cli_run_message(struct cli *c, const struct cli_command *command)
{
	static const struct {
		const char *word, *class, *what;
	} chosen[] = {{"<vm>", "vm", "VMs"}, {"<host>", "host", "hosts"}, {"<sr>", "sr", "SRs"}};
	const char *args = command->args ? command->args : "";

	for (size_t i = 0; i < ARRAY_LEN(chosen); i++)
		if (!strncmp(args, chosen[i].word, strlen(chosen[i].word)))
			return cli_each(c, chosen[i].class, chosen[i].what,
				arena_printf(
					c->arena, "%s %s", command->required, command->optional),
				send_to);
	return send(c, NULL);
}
