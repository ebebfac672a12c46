/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values out of XML-RPC, and the messages around them (codec_xmlrpc.h); writing values is
 * codec_xmlrpc_write.c. The depth that xml_parse allows bounds the recursion.
 */
#include "common/codec_xmlrpc.h"

#include "common/codec_build.h"
#include "common/number.h"
#include "core.gen.h"

#include <math.h>
#include <string.h>

/* <methodCall><params><param>, three elements a level of values, and the innermost <value><i4>. */
#define XML_DEPTH (3 + 3 * JSON_MAX_DEPTH + 2)

/* ---- values ---- */

static struct err *read_value(
	const struct type *t, const struct xml_node *value, struct arena *a, void *out);

/* The element that tells the type of a <value>; NULL: bare text. */
static const struct xml_node *content(const struct xml_node *value)
{
	return value->first;
}

static bool is_a(const struct xml_node *value, const char *type)
{
	const struct xml_node *inner = content(value);

	return inner && !strcmp(inner->name, type);
}

/* What an error says of it. */
static struct err *wrong(const struct xml_node *value, const char *expected)
{
	const struct xml_node *inner = content(value);

	if (strcmp(value->name, "value") != 0)
		return codec_bad("expected <value>, found <%.40s>", value->name);
	return codec_bad("expected %s, found %.40s", expected, inner ? inner->name : "string");
}

/* The node whose text is the string; NULL: it is no string. */
static const struct xml_node *string_node(const struct xml_node *value)
{
	if (!content(value))
		return value;
	return is_a(value, "string") ? content(value) : NULL;
}

static struct err *read_string(const struct xml_node *value, struct arena *a, const char **out)
{
	const struct xml_node *s = string_node(value);

	if (!s || s->first)
		return wrong(value, "string");
	*out = arena_strndup(a, s->text, s->text_len);
	return NULL;
}

static struct err *read_bool(const struct xml_node *value, bool *out)
{
	if (!is_a(value, "boolean"))
		return wrong(value, "boolean");
	const char *text = content(value)->text;
	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		return codec_bad("a boolean is 0 or 1");
	*out = *text == '1';
	return NULL;
}

static bool is_int(const struct xml_node *value)
{
	static const char *const names[] = {"int", "i4", "i8", "i2", "i1", "ex:i8"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (is_a(value, names[i]))
			return true;
	return false;
}

static struct err *read_int(const struct xml_node *value, int64_t *out)
{
	const struct xml_node *n = is_int(value) ? content(value) : string_node(value);

	if (!n)
		return wrong(value, "int");
	size_t before = strspn(n->text, " \t\r\n");
	size_t len = n->text_len;
	while (len > before && strchr(" \t\r\n", n->text[len - 1]))
		len--;
	/* Some writers put a plus before what is not negative. */
	if (len - before > 1 && n->text[before] == '+' && n->text[before + 1] != '-')
		before++;
	if (!number_read_int(n->text + before, len - before, out))
		return codec_bad("'%.40s' is no integer of 64 bits", n->text);
	return NULL;
}

static struct err *read_float(const struct xml_node *value, double *out)
{
	const struct xml_node *n =
		is_a(value, "double") || is_int(value) ? content(value) : string_node(value);

	if (!n)
		return wrong(value, "double");
	if (!number_read_loose(n->text, out))
		return codec_bad("'%.40s' is no number", n->text);
	return NULL;
}

static struct err *read_bytes(const struct xml_node *value, struct arena *a, struct bytes *out)
{
	if (!is_a(value, "base64"))
		return wrong(value, "base64");
	return codec_read_bytes(content(value)->text, content(value)->text_len, a, out);
}

static struct err *read_datetime(const struct xml_node *value, int64_t *out)
{
	const struct xml_node *n =
		is_a(value, "dateTime.iso8601") ? content(value) : string_node(value);

	return n ? codec_read_datetime(n->text, n->text_len, out)
		 : wrong(value, "dateTime.iso8601");
}

static struct err *read_enum(const struct type *t, const struct xml_node *value, void *out)
{
	const struct xml_node *s = string_node(value);

	return s ? codec_read_enum(t, s->text, s->text_len, out) : wrong(value, "string");
}

/* The parts of a <member>. */
static struct err *take_member(
	const struct xml_node *member, const struct xml_node **name, const struct xml_node **value)
{
	*name = xml_child(member, "name");
	*value = xml_child(member, "value");
	if (strcmp(member->name, "member") != 0 || !*name || !*value)
		return codec_bad("a member of a struct has a name and a value");
	return NULL;
}

static struct err *read_record(
	const struct type *t, const struct xml_node *value, struct arena *a, void *out)
{
	AUTO(codec_record_fini) struct codec_record rec;
	const struct xml_node *name, *inner;
	const struct field *f;

	codec_record_begin(&rec, t, a, out);
	if (!is_a(value, "struct"))
		return wrong(value, "struct");
	for (const struct xml_node *m = content(value)->first; m; m = m->next) {
		TRY(take_member(m, &name, &inner));
		TRY(codec_record_member(&rec, name->text, name->text_len, &f));
		if (f)
			TRY(codec_at_field(
				read_value(f->type, inner, a, (char *)out + f->offset), f->name));
	}
	return codec_record_end(&rec);
}

static struct err *read_variant(
	const struct type *t, const struct xml_node *value, struct arena *a, void *out)
{
	const struct xml_node *s = string_node(value), *name, *inner;
	const struct type_case *c;

	if (s)
		return codec_read_case(t, s->text, s->text_len, false, out, &c);
	if (!is_a(value, "struct"))
		return wrong(value, "string or struct");
	const struct xml_node *member = content(value)->first;
	if (!member || member->next)
		return codec_bad("expected one member, found %s", member ? "more" : "none");
	TRY(take_member(member, &name, &inner));
	TRY(codec_read_case(t, name->text, name->text_len, true, out, &c));
	return codec_at_field(
		read_value(c->type, inner, a, (char *)out + t->value_offset), c->name);
}

/* <array><data><value>…: the first value's place. */
static struct err *enter_array(const struct xml_node *value, const struct xml_node **first)
{
	if (!is_a(value, "array"))
		return wrong(value, "array");
	const struct xml_node *inner = xml_child(content(value), "data");
	if (!inner)
		return codec_bad("an array without <data>");
	*first = inner->first;
	return NULL;
}

static struct err *read_list(
	const struct type *t, const struct xml_node *value, struct arena *a, struct any_list *out)
{
	struct codec_growing g = {.arena = a, .size = t->of->size};
	const struct xml_node *v = NULL;

	TRY(enter_array(value, &v));
	for (; v; v = v->next) {
		void *element = codec_grow(&g);

		if (!element)
			return codec_bad(CODEC_TOO_LARGE);
		TRY(codec_at_index(read_value(t->of, v, a, element), g.list.n - 1));
	}
	*out = g.list;
	return NULL;
}

static struct err *read_map(
	const struct type *t, const struct xml_node *value, struct arena *a, struct any_list *out)
{
	struct codec_growing g = {.arena = a, .size = t->entry_size};
	const struct xml_node *name, *inner;

	if (!is_a(value, "struct"))
		return wrong(value, "struct");
	for (const struct xml_node *m = content(value)->first; m; m = m->next) {
		char *entry = codec_grow(&g);

		if (!entry)
			return codec_bad(CODEC_TOO_LARGE);
		TRY(take_member(m, &name, &inner));
		TRY(codec_check_key(t, name->text, name->text_len));
		const char *key = arena_strndup(a, name->text, name->text_len);
		memcpy(entry, &key, sizeof(key));
		TRY(codec_at_key(
			read_value(t->of, inner, a, entry + t->value_offset), key, name->text_len));
	}
	if (codec_keys_repeat(t, &g.list))
		return codec_bad("a member comes twice");
	*out = g.list;
	return NULL;
}

static bool is_nil(const struct xml_node *value)
{
	return is_a(value, "nil") || is_a(value, "ex:nil");
}

static struct err *read_option(
	const struct type *t, const struct xml_node *value, struct arena *a, void *out)
{
	return is_nil(value) ? NULL : read_value(t->of, value, a, codec_option_place(t, a, out));
}

/* ---- any: XML-RPC as JSON ---- */

static struct err *any_value(const struct xml_node *value, unsigned depth, struct json_writer *w);

static struct err *any_struct(const struct xml_node *value, unsigned depth, struct json_writer *w)
{
	AUTO(json_names_fini) struct json_names names = {0};
	const struct xml_node *name, *inner;

	json_write_object(w);
	for (const struct xml_node *m = content(value)->first; m; m = m->next) {
		TRY(take_member(m, &name, &inner));
		json_names_add(&names, name->text, name->text_len);
		json_write_name(w, name->text);
		TRY(any_value(inner, depth, w));
	}
	json_write_object_end(w);
	return json_names_repeat(&names, 0) ? codec_bad("a member comes twice") : NULL;
}

static struct err *any_array(const struct xml_node *value, unsigned depth, struct json_writer *w)
{
	const struct xml_node *v = NULL;

	TRY(enter_array(value, &v));
	json_write_array(w);
	for (; v; v = v->next)
		TRY(any_value(v, depth, w));
	json_write_array_end(w);
	return NULL;
}

/* What stays text: a string, or a kind that JSON has not. NULL for all else. */
static const struct xml_node *text_node(const struct xml_node *value)
{
	if (is_a(value, "dateTime.iso8601") || is_a(value, "base64"))
		return content(value);
	return string_node(value);
}

static struct err *any_scalar(const struct xml_node *value, struct json_writer *w)
{
	const struct xml_node *text = text_node(value);
	int64_t i;
	double d;
	bool b;

	if (is_int(value)) {
		TRY(read_int(value, &i));
		json_write_int(w, i);
	} else if (is_a(value, "double")) {
		TRY(read_float(value, &d));
		json_write_float(w, d);
	} else if (is_a(value, "boolean")) {
		TRY(read_bool(value, &b));
		json_write_bool(w, b);
	} else if (is_nil(value)) {
		json_write_null(w);
	} else if (text) {
		json_write_string_n(w, text->text, text->text_len);
	} else {
		return wrong(value, "a type of XML-RPC");
	}
	return NULL;
}

static struct err *any_value(const struct xml_node *value, unsigned depth, struct json_writer *w)
{
	bool is_struct = is_a(value, "struct");

	if (strcmp(value->name, "value") != 0)
		return wrong(value, "a value");
	if (!is_struct && !is_a(value, "array"))
		return any_scalar(value, w);
	if (depth == JSON_MAX_DEPTH)
		return codec_bad("nested more than %d deep", JSON_MAX_DEPTH);
	return is_struct ? any_struct(value, depth + 1, w) : any_array(value, depth + 1, w);
}

static struct err *read_any(const struct xml_node *value, struct arena *a, struct json_text *out)
{
	auto_sbuf b = {0};
	struct json_writer w;

	json_writer_init(&w, &b);
	TRY(any_value(value, 0, &w));
	size_t len = sbuf_len(&b);
	*out = (struct json_text){arena_strndup(a, sbuf_data(&b), len), len};
	return NULL;
}

/* ---- any type ---- */

/* OUT is zeroed. */
static struct err *read_value(
	const struct type *t, const struct xml_node *value, struct arena *a, void *out)
{
	if (strcmp(value->name, "value") != 0)
		return wrong(value, "a value");
	switch (t->kind) {
	case TYPE_VOID:
		return NULL;
	case TYPE_BOOL:
		return read_bool(value, out);
	case TYPE_INT:
		return read_int(value, out);
	case TYPE_FLOAT:
		return read_float(value, out);
	case TYPE_STRING:
		return read_string(value, a, out);
	case TYPE_SECRET:
		return read_string(value, a, &((struct secret *)out)->hidden);
	case TYPE_BYTES:
		return read_bytes(value, a, out);
	case TYPE_DATETIME:
		return read_datetime(value, out);
	case TYPE_ANY:
		return read_any(value, a, out);
	case TYPE_ENUM:
		return read_enum(t, value, out);
	case TYPE_RECORD:
		return read_record(t, value, a, out);
	case TYPE_VARIANT:
		return read_variant(t, value, a, out);
	case TYPE_LIST:
		return read_list(t, value, a, out);
	case TYPE_MAP:
		return read_map(t, value, a, out);
	case TYPE_OPTION:
		return read_option(t, value, a, out);
	}
	return codec_bad("of no type");
}

struct err *codec_xmlrpc_read(const struct type *t, const char *root, const struct xml_node *value,
	struct arena *a, void *out)
{
	void *built = arena_alloc(a, t->size);

	TRY(codec_at_root(read_value(t, value, a, built), root));
	if (t->size)
		memcpy(out, built, t->size);
	return NULL;
}

/* ---- messages ---- */

static struct err *parse(const char *text, size_t len, size_t max_size, struct arena *a,
	const char *name, const struct xml_node **root)
{
	const struct xml_limits limits = {.size = max_size, .depth = XML_DEPTH};

	TRY(xml_parse(text, len, &limits, a, root));
	if (strcmp((*root)->name, name) == 0)
		return NULL;
	auto_sbuf reason = {0};
	sbuf_printf(&reason, "expected <%s>, found <%.40s>", name, (*root)->name);
	return err(BAD_REQUEST, sbuf_str(&reason));
}

/* The values of <params>, which may be missing. */
static struct err *take_params(
	const struct xml_node *message, struct arena *a, const struct xml_node ***out, size_t *n)
{
	const struct xml_node *params = xml_child(message, "params");
	struct codec_growing g = {.arena = a, .size = sizeof(struct xml_node *)};

	for (const struct xml_node *p = params ? params->first : NULL; p; p = p->next) {
		const struct xml_node *value = xml_child(p, "value");
		const struct xml_node **slot =
			value && !strcmp(p->name, "param") ? codec_grow(&g) : NULL;

		if (!slot)
			return err(BAD_REQUEST, "a parameter is <param> with a <value>");
		*slot = value;
	}
	*out = g.list.v;
	*n = g.list.n;
	return NULL;
}

struct err *codec_xmlrpc_read_call(const char *text, size_t len, size_t max_size, struct arena *a,
	struct codec_xmlrpc_call *out)
{
	const struct xml_node *root;
	struct codec_xmlrpc_call c;

	TRY(parse(text, len, max_size, a, "methodCall", &root));
	const struct xml_node *name = xml_child(root, "methodName");
	if (!name || name->first || !name->text_len)
		return err(BAD_REQUEST, "a call without a method's name");
	c.method = name->text;
	TRY(take_params(root, a, &c.params, &c.n));
	*out = c;
	return NULL;
}

/* A fault's value is a struct of two members. */
struct fault {
	int64_t code;
	const char *text;
};

static const struct field fault_fields[] = {
	{.name = "faultCode", .type = &type_int, .offset = offsetof(struct fault, code)},
	{.name = "faultString", .type = &type_string, .offset = offsetof(struct fault, text)}};
static const struct type fault_type = {.kind = TYPE_RECORD,
	.size = sizeof(struct fault),
	.name = "fault",
	.fields = fault_fields,
	.n = ARRAY_LEN(fault_fields)};

static struct err *take_fault(
	const struct xml_node *fault, struct arena *a, struct codec_xmlrpc_answer *out)
{
	const struct xml_node *value = xml_child(fault, "value");
	struct fault f;

	if (!value)
		return err(BAD_REQUEST, "a fault without a value");
	TRY(codec_xmlrpc_read(&fault_type, "fault", value, a, &f));
	*out = (struct codec_xmlrpc_answer){.fault_code = f.code, .fault_text = f.text};
	return NULL;
}

struct err *codec_xmlrpc_read_answer(const char *text, size_t len, size_t max_size, struct arena *a,
	struct codec_xmlrpc_answer *out)
{
	const struct xml_node *root, **params;
	size_t n;

	TRY(parse(text, len, max_size, a, "methodResponse", &root));
	const struct xml_node *fault = xml_child(root, "fault");
	if (fault)
		return take_fault(fault, a, out);
	TRY(take_params(root, a, &params, &n));
	if (n != 1)
		return err(BAD_REQUEST, "an answer has one parameter or a fault");
	*out = (struct codec_xmlrpc_answer){.value = params[0]};
	return NULL;
}

void codec_xmlrpc_write_fault(int64_t code, const char *text, struct sbuf *out)
{
	const struct fault f = {code, text};

	sbuf_adds(out, "<?xml version=\"1.0\"?><methodResponse><fault>");
	codec_xmlrpc_write(&fault_type, &f, 0, out);
	sbuf_adds(out, "</fault></methodResponse>");
}
