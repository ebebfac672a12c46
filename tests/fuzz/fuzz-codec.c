/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: the codec on the type tables of every interface. The first line of the input names
 * the type, the rest is JSON. What is read is written, read again as an equal value, and survives
 * XML-RPC where XML can hold it.
 */
#include "common/codec.h"

#include "common/codec_xmlrpc.h"

#include <assert.h>
#include <string.h>

#define X(name) extern const struct interface name##_interface;
INTERFACES
#undef X

#define X(name) &name##_interface,
static const struct interface *const interfaces[] = {INTERFACES};
#undef X

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Number N of the named types and of the arguments of calls; NULL: there are fewer. */
static const struct type *type_number(size_t n, const char **interface, const char **name)
{
	for (size_t i = 0; i < ARRAY_LEN(interfaces); i++) {
		const struct interface *in = interfaces[i];

		*interface = in->name;
		if (n < in->n_types) {
			*name = in->types[n]->name;
			return in->types[n];
		}
		n -= in->n_types;
		if (n < in->n_methods) {
			*name = in->methods[n].name;
			return in->methods[n].in;
		}
		n -= in->n_methods;
	}
	return NULL;
}

/* "xenops.vbd", "xenops.VM.start"; any other text means some type, too. */
static const struct type *type_named(const char *text, size_t len)
{
	const char *interface, *name;
	const struct type *t;
	size_t n = 0, sum = 0;

	for (; (t = type_number(n, &interface, &name)); n++) {
		size_t dot = strlen(interface);

		if (len == dot + 1 + strlen(name) && !memcmp(text, interface, dot) &&
			text[dot] == '.' && !memcmp(text + dot + 1, name, len - dot - 1))
			return t;
	}
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + (unsigned char)text[i];
	return type_number(sum % n, &interface, &name);
}

/* XML has no control characters, and escapes may stand for them. */
static bool fits_xml(const char *text)
{
	return !strstr(text, "\\u") && !strstr(text, "\\b") && !strstr(text, "\\f") &&
		!strstr(text, "\xEF\xBF\xBE") && !strstr(text, "\xEF\xBF\xBF");
}

/* The XML is compared, as the JSON of an any need not come back letter by letter. */
static void check_xmlrpc(const struct type *t, const void *value, struct arena *a)
{
	auto_sbuf text = {0}, again = {0};
	struct codec_xmlrpc_answer answer;
	void *back = arena_alloc(a, t->size);

	codec_xmlrpc_write_answer(t, value, 0, &text);
	auto_err e =
		codec_xmlrpc_read_answer(sbuf_data(&text), sbuf_len(&text), SIZE_MAX, a, &answer);
	assert(!e);
	e = codec_xmlrpc_read(t, "", answer.value, a, back);
	assert(!e);
	codec_xmlrpc_write_answer(t, back, 0, &again);
	assert(!strcmp(sbuf_str(&text), sbuf_str(&again)));
}

static void check_again(const struct type *t, const void *value, struct arena *a)
{
	auto_sbuf text = {0}, again = {0};
	void *back = arena_alloc(a, t->size), *copy = arena_alloc(a, t->size);

	codec_encode(t, value, &text);
	auto_err e = codec_decode(t, "", sbuf_data(&text), sbuf_len(&text), a, back);
	assert(!e);
	assert(codec_equal(t, value, back));
	codec_copy(t, back, a, copy);
	codec_encode(t, copy, &again);
	assert(!strcmp(sbuf_str(&text), sbuf_str(&again)));
	if (fits_xml(sbuf_str(&text)))
		check_xmlrpc(t, value, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	auto_arena a = {0};
	const char *name = (const char *)bytes, *end = memchr(bytes, '\n', size);

	if (!end)
		return 0;
	const struct type *t = type_named(name, (size_t)(end - name));
	void *value = arena_alloc(&a, t->size);
	auto_err e = codec_decode(t, "v", end + 1, (size_t)(name + size - end - 1), &a, value);
	if (!e)
		check_again(t, value, &a);
	return 0;
}
