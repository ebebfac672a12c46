/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arguments of messages (args.h).
 */
#include "xapid/gate/args.h"

#include "common/codec.h"
#include "common/codec_xmlrpc.h"
#include "xapid/db/db.h"

#include "xenapi.gen.h"

#include <stdio.h>
#include <string.h>

/* ---- how many ---- */

static bool may_be_left_out(const struct field *f)
{
	return f->flags & FIELD_HAS_DEFAULT || f->type->kind == TYPE_OPTION;
}

struct err *args_check_count(const struct message *m, const char *name, long received)
{
	long all = m->method ? m->method->in->n : (long)m->n_args;
	long needed = all;
	char expected_text[24], received_text[24];

	while (m->method && needed > 0 && may_be_left_out(&m->method->in->fields[needed - 1]))
		needed--;
	/* Where something may be left out, what is too much is not looked at. */
	if (received == needed || (received > needed && needed < all))
		return NULL;
	snprintf(expected_text, sizeof(expected_text), "%ld", needed);
	snprintf(received_text, sizeof(received_text), "%ld", received);
	return err(MESSAGE_PARAMETER_COUNT_MISMATCH, name, expected_text, received_text);
}

/* ---- values ---- */

struct err *args_read(const struct type *t, const char *name, enum gate_form form,
	const struct gate_param *param, struct arena *a, void *out)
{
	struct json_reader r;

	if (form == GATE_XML)
		return codec_xmlrpc_read(t, name, param->xml, a, out);
	json_reader_init(&r, param->json.text, param->json.len, a);
	r.text_may_be_number = true;
	r.is_for_xml = true;
	return codec_read(t, name, &r, out);
}

struct err *args_read_explicit(
	const struct message *m, const struct args *args, struct arena *a, void **in)
{
	const struct type *t = m->method->in;
	char *record = arena_alloc(a, t->size ? t->size : 1);

	for (uint32_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		void *place = record + f->offset;

		if (i < args->n)
			TRY(args_read(f->type, f->name, args->form, &args->v[i], a, place));
		else if (f->default_json)
			TRY(codec_decode(f->type, f->name, f->default_json, strlen(f->default_json),
				a, place));
	}
	*in = record;
	return NULL;
}

/* A whole record: what the client gave, and what the class has for the rest. */
static struct err *read_new_record(const struct message *m, const struct gate_param *param,
	enum gate_form form, struct arena *a, const void **out)
{
	const struct type *t = m->args[0];
	char *given = arena_alloc(a, t->size);
	char *record = arena_alloc(a, t->size);

	TRY(args_read(t, m->class->name, form, param, a, given));
	memcpy(record, db_blank_record(m->class), t->size);
	for (uint32_t i = 0; i < t->n; i++)
		memcpy(record + t->fields[i].offset, given + t->fields[i].offset,
			t->fields[i].type->size);
	*out = record;
	return NULL;
}

const char *args_name(const struct message *m, size_t i)
{
	if (m->kind == MESSAGE_CREATE)
		return "record";
	if (i == 0 && m->kind == MESSAGE_DESTROY)
		return "self";
	if (i == 0 && m->kind == MESSAGE_GET_BY_UUID)
		return "uuid";
	if (i == 0)
		return m->field ? "self" : "label";
	if (i == 1 && (m->kind == MESSAGE_ADD_TO || m->kind == MESSAGE_REMOVE_FROM))
		return "key";
	return "value";
}

struct err *args_read_implicit(const struct message *m, const struct args *args, struct arena *a,
	const void *out[static MESSAGE_MAX_ARGS])
{
	if (m->kind == MESSAGE_CREATE)
		return read_new_record(m, &args->v[0], args->form, a, &out[0]);
	for (size_t i = 0; i < m->n_args; i++) {
		void *value = arena_alloc(a, m->args[i]->size);

		TRY(args_read(m->args[i], args_name(m, i), args->form, &args->v[i], a, value));
		out[i] = value;
	}
	return NULL;
}
