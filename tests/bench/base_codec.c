/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of bench_codec: what the libraries themselves take for one text. No code of the project.
 *
 *	base_codec parse FILE    jansson makes values of the JSON in FILE
 *	base_codec dump FILE     jansson makes text of them
 *	base_codec both FILE
 *	base_codec expat FILE    expat goes over the XML in FILE, which nobody looks at
 */
#include <expat.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCHES = 200, BATCH = 20 };

static char text[65536];
static size_t text_len;
static json_t *parsed;

static void must(int is_well)
{
	if (!is_well)
		abort();
}

static void parse(void)
{
	json_t *v = json_loadb(text, text_len, JSON_REJECT_DUPLICATES, NULL);

	must(v != NULL);
	json_decref(v);
}

static void dump(void)
{
	static char out[65536];

	must(json_dumpb(parsed, out, sizeof(out), JSON_COMPACT) > 0);
}

static void both(void)
{
	parse();
	dump();
}

static XML_Parser parser;
static size_t seen;

static void on_start(void *arg, const char *name, const char **attrs)
{
	seen++;
}

static void on_end(void *arg, const char *name)
{
	seen++;
}

static void on_text(void *arg, const char *s, int len)
{
	seen += (size_t)len;
}

static void expat(void)
{
	must(XML_ParserReset(parser, NULL));
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	must(XML_Parse(parser, text, (int)text_len, 1) == XML_STATUS_OK);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void measure(void (*fn)(void))
{
	double us[BATCHES];

	for (int i = 0; i < BATCHES; i++) {
		double start = now_us();

		for (int n = 0; n < BATCH; n++)
			fn();
		us[i] = (now_us() - start) / BATCH;
	}
	qsort(us, BATCHES, sizeof(us[0]), by_size);
	printf("%g %g %g\n", us[BATCHES / 2], us[BATCHES / 2], us[BATCHES * 99 / 100]);
}

int main(int argc, char **argv)
{
	must(argc == 3);
	FILE *f = fopen(argv[2], "rbe");
	must(f != NULL);
	text_len = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (!strcmp(argv[1], "expat")) {
		parser = XML_ParserCreate(NULL);
		measure(expat);
		return 0;
	}
	parsed = json_loadb(text, text_len, 0, NULL);
	must(parsed != NULL);
	measure(!strcmp(argv[1], "parse") ? parse : !strcmp(argv[1], "dump") ? dump : both);
	return 0;
}
