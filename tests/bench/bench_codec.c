/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the codecs cost, on a VM record of 2.3 kB: typed values to and from JSON beside jansson,
 * which only makes a tree of the same text, and out of XML-RPC beside expat, which makes nothing.
 */
#include "common/codec.h"
#include "common/codec_xmlrpc.h"
#include "tests/bench/bench.h"
#include "tests/bench/vm_record.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCHES = 200, BATCH = 20 };

static struct vm_record vm;
static struct sbuf json, xml; /* the record as text */

static void must(struct err *e)
{
	if (!e)
		return;
	fprintf(stderr, "bench_codec: %s\n", err_text(e));
	abort();
}

static void encode(struct arena *a, struct sbuf *out)
{
	codec_encode(&type_vm_record, &vm, out);
}

static void decode(struct arena *a, struct sbuf *out)
{
	struct vm_record back;

	must(codec_decode(&type_vm_record, "vm", sbuf_data(&json), sbuf_len(&json), a, &back));
}

static void decode_and_encode(struct arena *a, struct sbuf *out)
{
	decode(a, out);
	encode(a, out);
}

/* The text is checked and passed over: what an any-typed field costs. */
static void skip(struct arena *a, struct sbuf *out)
{
	struct json_reader r;

	json_reader_init(&r, sbuf_data(&json), sbuf_len(&json), a);
	if (!json_skip(&r, NULL) || !json_at_end(&r))
		abort();
}

static void encode_xmlrpc(struct arena *a, struct sbuf *out)
{
	codec_xmlrpc_write_answer(&type_vm_record, &vm, 0, out);
}

static void decode_xmlrpc(struct arena *a, struct sbuf *out)
{
	struct codec_xmlrpc_answer answer;
	struct vm_record back;

	must(codec_xmlrpc_read_answer(sbuf_data(&xml), sbuf_len(&xml), SIZE_MAX, a, &answer));
	must(codec_xmlrpc_read(&type_vm_record, "vm", answer.value, a, &back));
}

typedef void step_fn(struct arena *a, struct sbuf *out);

struct step {
	step_fn *fn;
};

/* One round: microseconds for one record. */
static void round_of(void *arg, struct bench_figures *out)
{
	const struct step *step = arg;
	struct bench_samples samples = {0};
	auto_arena a = {0};
	auto_sbuf text = {0};

	for (int i = 0; i < BATCHES; i++) {
		int64_t start = bench_now_ns();

		for (int n = 0; n < BATCH; n++) {
			step->fn(&a, &text);
			arena_reset(&a);
			sbuf_clear(&text);
		}
		bench_samples_add(&samples, (bench_now_ns() - start) / BATCH);
	}
	bench_samples_figures(&samples, out);
	out->value = out->p50;
}

static void write_file(const char *name, const struct sbuf *b)
{
	FILE *f = fopen(name, "we");

	if (!f || fwrite(sbuf_data(b), 1, sbuf_len(b), f) != sbuf_len(b) || fclose(f))
		abort();
}

/* Two new files for the bases; their names replace the XXXXXX. */
static void make_files(char *json_file, char *xml_file)
{
	int fds[] = {mkstemp(json_file), mkstemp(xml_file)};

	vm_record_make(&vm);
	codec_encode(&type_vm_record, &vm, &json);
	codec_xmlrpc_write_answer(&type_vm_record, &vm, 0, &xml);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (fds[i] < 0)
			abort();
		close(fds[i]);
	}
	write_file(json_file, &json);
	write_file(xml_file, &xml);
}

#define ROW(row_name, work, base_command, ...) \
	{ \
		.name = row_name, .unit = "us", .fn = round_of, .arg = &(struct step){work}, \
		.by = BENCH_BY_P50, .base = base_command, .pin = BENCH_SAME, __VA_ARGS__ \
	}

int main(int argc, char **argv)
{
	char json_file[] = "/tmp/xenith-bench-json-XXXXXX";
	char xml_file[] = "/tmp/xenith-bench-xml-XXXXXX";
	char parse[64], dump[64], both[64], expat[64];

	make_files(json_file, xml_file);
	snprintf(parse, sizeof(parse), "base_codec parse %s", json_file);
	snprintf(dump, sizeof(dump), "base_codec dump %s", json_file);
	snprintf(both, sizeof(both), "base_codec both %s", json_file);
	snprintf(expat, sizeof(expat), "base_codec expat %s", xml_file);
	const struct bench_row rows[] = {
		ROW("JSON decode, jansson's parse", decode, parse, .at_most = 0.5),
		ROW("JSON encode, jansson's dump", encode, dump, .at_most = 0.5),
		ROW("JSON decode and encode, jansson's both", decode_and_encode, both,
			.at_most = 0.5, .limit = "jansson_record_us"),
		ROW("JSON skip, jansson's parse", skip, parse),
		ROW("XML-RPC decode, bare expat", decode_xmlrpc, expat),
		ROW("XML-RPC encode, bare expat", encode_xmlrpc, expat),
	};
	int code = bench_main("codec", rows, ARRAY_LEN(rows), argc, argv);

	unlink(json_file);
	unlink(xml_file);
	sbuf_fini(&json);
	sbuf_fini(&xml);
	return code;
}
