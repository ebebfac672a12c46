/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: the whole of idlc, from bytes to every text that it writes. It either says what is
 * wrong with the input or can write all of it.
 */
#include "idl/emit.h"

#include <assert.h>
#include <string.h>

/* The only file there is, besides the input: what a fuzzed interface may import. */
static const char imported[] =
	"# Imported.\ninterface imported version 1;\n## An id.\nid thing_id;\n"
	"## A record.\nrecord thing { a int; }\n## An enum.\nenum colour { red green }\n"
	"## An error.\nerror GONE(thing thing_id);\n## A call.\ncall Thing.forget();\n";
static struct source input;

static const struct source *read_source(struct arena *a, const char *path)
{
	static const struct source other = {"imported.idl", imported, sizeof(imported) - 1};

	if (!strcmp(path, "imported.idl"))
		return &other;
	return strcmp(path, "input.idl") ? NULL : &input;
}

static void emit_everything(struct idl *idl, const struct interface_decl *i)
{
	static void (*const emitters[])(struct emitter * e) = {emit_types, emit_tables, emit_client,
		emit_service, emit_markdown, emit_openrpc, emit_ast};
	struct emitter e = {.idl = idl, .interface = i};

	for (size_t k = 0; k < ARRAY_LEN(emitters); k++) {
		emitters[k](&e);
		assert(sbuf_len(&e.out));
		assert(strlen(sbuf_str(&e.out)) == sbuf_len(&e.out));
		sbuf_fini(&e.out);
	}
	assert(strlen(fingerprint(idl, i)) == 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const paths[] = {"input.idl"};
	auto_sbuf messages = {0};
	struct idl idl = {.messages = &messages, .read_source = read_source};

	input = (struct source){"input.idl", (const char *)bytes, size};
	struct interface_decl *i = idl_load(&idl, paths, 1);
	if (i && !idl.n_errors)
		check_interface(&idl, i);
	assert(!!idl.n_errors == !!sbuf_len(&messages));
	if (!idl.n_errors)
		emit_everything(&idl, i);
	idl_fini(&idl);
	return 0;
}
