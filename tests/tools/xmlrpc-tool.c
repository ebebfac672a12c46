/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tests/behave/test_xmlrpc.py drives, to hold the XML-RPC codec against another one:
 *	echo TYPE    a call on stdin: its first parameter, read as TYPE, comes back as the answer
 *	call NAME    JSON on stdin becomes a call of NAME with one parameter
 *	fault CODE TEXT
 *	result       an answer on stdin is printed as JSON; a fault as "CODE TEXT"
 */
#include "common/codec_xmlrpc.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SIZE = 1 << 24 };

/* TYPE "int" is i4 or i8, "int64" a string. */
static const struct type *type_named(const char *name)
{
	static const struct type *const types[] = {&type_bool, &type_int, &type_float, &type_string,
		&type_bytes, &type_datetime, &type_any, &type_void};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i]->name, name))
			return types[i];
	return strcmp(name, "int64") ? NULL : &type_int;
}

static void read_stdin(struct sbuf *in)
{
	size_t n;

	do {
		n = fread(sbuf_room(in, 65536), 1, 65536, stdin);
		sbuf_added(in, n);
	} while (n);
}

static struct err *echo(const char *name, struct arena *a, struct sbuf *in, struct sbuf *out)
{
	const unsigned flags = strcmp(name, "int64") ? 0 : CODEC_XMLRPC_INT_AS_STRING;
	const struct type *t = type_named(name);
	struct codec_xmlrpc_call call;

	TRY(codec_xmlrpc_read_call(sbuf_data(in), sbuf_len(in), MAX_SIZE, a, &call));
	if (!t || call.n != 1)
		abort();
	void *value = arena_alloc(a, t->size);
	TRY(codec_xmlrpc_read(t, "param", call.params[0], a, value));
	codec_xmlrpc_write_answer(t, value, flags, out);
	return NULL;
}

static struct err *call(const char *name, struct arena *a, struct sbuf *in, struct sbuf *out)
{
	struct json_text any;

	TRY(codec_decode(&type_any, "stdin", sbuf_data(in), sbuf_len(in), a, &any));
	codec_xmlrpc_begin_call(name, out);
	codec_xmlrpc_add_param(&type_any, &any, 0, out);
	codec_xmlrpc_end_call(out);
	return NULL;
}

static struct err *result(struct arena *a, struct sbuf *in, struct sbuf *out)
{
	struct codec_xmlrpc_answer answer;
	struct json_text any;

	TRY(codec_xmlrpc_read_answer(sbuf_data(in), sbuf_len(in), MAX_SIZE, a, &answer));
	if (!answer.value) {
		sbuf_printf(out, "%lld %s", (long long)answer.fault_code, answer.fault_text);
		return NULL;
	}
	TRY(codec_xmlrpc_read(&type_any, "answer", answer.value, a, &any));
	sbuf_add(out, any.text, any.len);
	return NULL;
}

static struct err *act(int argc, char **argv, struct arena *a, struct sbuf *out)
{
	auto_sbuf in = {0};
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "fault") && argc == 4) {
		codec_xmlrpc_write_fault(strtol(argv[2], NULL, 10), argv[3], out);
		return NULL;
	}
	read_stdin(&in);
	if (!strcmp(what, "echo") && argc == 3)
		return echo(argv[2], a, &in, out);
	if (!strcmp(what, "call") && argc == 3)
		return call(argv[2], a, &in, out);
	if (!strcmp(what, "result"))
		return result(a, &in, out);
	abort();
}

int main(int argc, char **argv)
{
	auto_arena a = {0};
	auto_sbuf out = {0};
	auto_err e = act(argc, argv, &a, &out);

	if (e) {
		fprintf(stderr, "%s\n", err_text(e));
		return 1;
	}
	fwrite(sbuf_data(&out), 1, sbuf_len(&out), stdout);
	return 0;
}
