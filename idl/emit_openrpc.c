/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The OpenRPC description of an interface: what generic JSON-RPC clients and browsers of interfaces
 * read. Types become JSON schemas; those of imported interfaces are there under INTERFACE.NAME.
 */
#include "idl/emit.h"

#include <string.h>

/* ---- JSON: a value is preceded by whatever must stand between it and the one before ---- */

/* A comma, unless this is the first in its object or array. */
static void separate(struct emitter *e)
{
	char last = sbuf_data(&e->out)[sbuf_len(&e->out) - 1];

	if (last != '{' && last != '[' && last != ':')
		sbuf_addc(&e->out, ',');
}

static void name(struct emitter *e, const char *text)
{
	separate(e);
	emit_json_string(e, text);
	sbuf_addc(&e->out, ':');
}

static void string_member(struct emitter *e, const char *member, const char *text)
{
	if (!text)
		return;
	name(e, member);
	emit_json_string(e, text);
}

/* ---- types ---- */

static void emit_schema(struct emitter *e, const struct type_use *t);

static void emit_base(struct emitter *e, enum base_kind b)
{
	static const char *const schemas[] = {
		[BASE_BOOL] = "{\"type\":\"boolean\"}",
		[BASE_INT] = "{\"type\":\"integer\"}",
		[BASE_FLOAT] = "{\"type\":\"number\"}",
		[BASE_STRING] = "{\"type\":\"string\"}",
		[BASE_SECRET] = "{\"type\":\"string\",\"format\":\"password\"}",
		[BASE_BYTES] = "{\"type\":\"string\",\"contentEncoding\":\"base64\"}",
		[BASE_DATETIME] = "{\"type\":\"string\",\"format\":\"date-time\"}",
		[BASE_ANY] = "{}",
	};

	emit(e, "%s", schemas[b]);
}

/* A type's name among the schemas. */
static const char *schema_name(struct emitter *e, const struct decl *d)
{
	if (d->owner == e->interface)
		return d->name;
	return arena_printf(&e->idl->arena, "%s.%s", d->owner->name, d->name);
}

static void emit_schema(struct emitter *e, const struct type_use *t)
{
	switch (t->form) {
	case FORM_BASE:
		emit_base(e, t->base);
		return;
	case FORM_REF:
		emit(e, "{\"type\":\"string\",\"description\":\"A reference to a %s.\"}", t->name);
		return;
	case FORM_NAMED:
		emit(e, "{\"$ref\":\"#/components/schemas/%s\"}", schema_name(e, t->decl));
		return;
	case FORM_LIST:
	case FORM_SET:
		emit(e, "{\"type\":\"array\"%s,\"items\":",
			t->form == FORM_SET ? ",\"uniqueItems\":true" : "");
		break;
	case FORM_MAP:
		emit(e, "{\"type\":\"object\",\"additionalProperties\":");
		break;
	case FORM_OPTION:
		emit(e, "{\"anyOf\":[{\"type\":\"null\"},");
		emit_schema(e, t->of);
		emit(e, "]}");
		return;
	}
	emit_schema(e, t->of);
	emit(e, "}");
}

static bool is_required(const struct member *m)
{
	return !m->value && m->type->form != FORM_OPTION;
}

/* What a field or a parameter is, without its braces. */
static void emit_member_words(struct emitter *e, const struct member *m)
{
	string_member(e, "description", m->doc);
	if (m->deprecated) {
		name(e, "deprecated");
		emit(e, "true");
	}
}

static void emit_property(struct emitter *e, const struct member *m)
{
	name(e, m->name);
	emit(e, "{\"allOf\":[");
	emit_schema(e, m->type);
	emit(e, "]");
	emit_member_words(e, m);
	if (m->value) {
		name(e, "default");
		emit(e, "%s", literal_json(e->idl, m->value));
	}
	emit(e, "}");
}

static void emit_record(struct emitter *e, const struct decl *d)
{
	emit(e, "\"type\":\"object\",\"properties\":{");
	for (const struct member *m = d->members; m; m = m->next)
		emit_property(e, m);
	emit(e, "},\"required\":[");
	for (const struct member *m = d->members; m; m = m->next) {
		if (!is_required(m))
			continue;
		separate(e);
		emit_json_string(e, m->name);
	}
	emit(e, "]");
}

static void emit_enum(struct emitter *e, const struct decl *d)
{
	emit(e, "\"type\":\"string\",\"enum\":[");
	for (const struct member *m = d->members; m; m = m->next) {
		separate(e);
		emit_json_string(e, m->name);
	}
	emit(e, "]");
}

/* A case is its name, or an object with its value under its name. */
static void emit_variant(struct emitter *e, const struct decl *d)
{
	emit(e, "\"oneOf\":[");
	for (const struct member *m = d->members; m; m = m->next) {
		separate(e);
		if (!m->type) {
			emit(e, "{\"const\":\"%s\"", m->name);
		} else {
			emit(e, "{\"type\":\"object\",\"required\":[\"%s\"],", m->name);
			emit(e, "\"properties\":{\"%s\":", m->name);
			emit_schema(e, m->type);
			emit(e, "}");
		}
		string_member(e, "description", m->doc);
		emit(e, "}");
	}
	emit(e, "]");
}

static void emit_named_schema(struct emitter *e, const struct decl *d)
{
	separate(e);
	emit(e, "\n");
	emit_json_string(e, schema_name(e, d));
	emit(e, ":{");
	switch (d->kind) {
	case DECL_ENUM:
		emit_enum(e, d);
		break;
	case DECL_RECORD:
	case DECL_CLASS:
		emit_record(e, d);
		break;
	case DECL_VARIANT:
		emit_variant(e, d);
		break;
	case DECL_ID:
	case DECL_ERROR:
	case DECL_CALL:
		emit(e, "\"type\":\"string\"");
		break;
	}
	string_member(e, "description", d->doc);
	emit(e, "}");
}

/* ---- calls ---- */

static void emit_parameter(struct emitter *e, const struct member *m)
{
	separate(e);
	emit(e, "{");
	string_member(e, "name", m->name);
	emit_member_words(e, m);
	emit(e, ",\"required\":%s,\"schema\":", is_required(m) ? "true" : "false");
	emit_schema(e, m->type);
	emit(e, "}");
}

/* A task answers with its id; the task's own result is an extension that is named so. */
static void emit_result(struct emitter *e, const struct decl *d)
{
	name(e, "result");
	emit(e, "{\"name\":\"%s\",\"schema\":", d->is_task ? "task" : "result");
	if (d->is_task)
		emit(e, "{\"type\":\"string\"}");
	else if (d->result)
		emit_schema(e, d->result);
	else
		emit(e, "{\"type\":\"null\"}");
	emit(e, "}");
	if (d->is_task && d->result) {
		name(e, "x-task-result");
		emit_schema(e, d->result);
	}
}

static void emit_errors(struct emitter *e, const struct decl *d)
{
	if (!d->errors)
		return;
	name(e, "errors");
	emit(e, "[");
	for (const struct error_use *u = d->errors; u; u = u->next) {
		separate(e);
		emit(e, "{\"code\":-32000,\"message\":\"%s\"}", u->code);
	}
	emit(e, "]");
}

static void emit_method(struct emitter *e, const struct decl *d)
{
	separate(e);
	emit(e, "\n{");
	string_member(e, "name", d->name);
	string_member(e, "description", d->doc);
	if (d->deprecated) {
		name(e, "deprecated");
		emit(e, "true");
	}
	name(e, "paramStructure");
	emit(e, "\"by-name\",\"params\":[");
	for (const struct member *m = d->members; m; m = m->next)
		emit_parameter(e, m);
	emit(e, "]");
	emit_result(e, d);
	emit_errors(e, d);
	emit(e, "}");
}

/* ---- the whole ---- */

static void emit_schemas(struct emitter *e, const struct interface_decl *i)
{
	for (const struct decl *d = i->decls; d; d = d->next)
		if (d->kind != DECL_CALL && d->kind != DECL_ERROR)
			emit_named_schema(e, d);
}

void emit_openrpc(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	emit(e, "{\"openrpc\":\"1.2.6\",\"info\":{");
	string_member(e, "title", i->name);
	string_member(e, "version", arena_printf(&e->idl->arena, "%ld", i->version));
	string_member(e, "description", i->doc);
	emit(e, "},\n\"methods\":[");
	for (size_t k = 0; k < i->n_methods; k++)
		emit_method(e, i->methods[k]);
	emit(e, "],\n\"components\":{\"schemas\":{");
	for (const struct interface_decl *k = e->idl->interfaces; k; k = k->next)
		emit_schemas(e, k);
	emit(e, "}}}\n");
}
