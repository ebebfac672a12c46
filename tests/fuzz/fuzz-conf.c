/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: the reader of configuration files. What it takes must print to a file that reads
 * back to the same values.
 */
#include "common/conf.h"
#include "common/mem.h"
#include "common/sbuf.h"

#include <assert.h>
#include <string.h>

struct values {
	bool on;
	int64_t number, size, wait;
	char *text, *path;
	int word;
};

static const char *const words[] = {"one", "two", "three", NULL};

#define KEY(key, of_kind, member, default_, ...) \
	{ \
		.name = key, .kind = of_kind, .offset = offsetof(struct values, member), \
		.standard = default_, .doc = "A key. " key, __VA_ARGS__ \
	}

static const struct conf_key keys[] = {
	KEY("on", CONF_BOOL, on, "no", ),
	KEY("number", CONF_INT, number, "1", .min = -5, .max = INT64_MAX),
	KEY("size", CONF_SIZE, size, "1MiB", ),
	KEY("wait", CONF_DURATION, wait, "1s", .max = INT64_MAX - 1),
	KEY("text", CONF_STRING, text, "", ),
	KEY("path", CONF_PATH, path, "/", ),
	KEY("word", CONF_ENUM, word, "two", .names = words),
	{0},
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct values values = {0}, again = {0};
	struct conf_table t = {.keys = keys, .values = &values, .size = sizeof(values)};
	struct conf_table u = {.keys = keys, .values = &again, .size = sizeof(again)};
	auto_sbuf first = {0}, second = {0};

	conf_set_defaults(&t, 1);
	conf_set_defaults(&u, 1);
	auto_err e = conf_read(&t, 1, (const char *)bytes, size, "input");
	if (!e) {
		conf_print(&t, 1, "Printed.", &first);
		auto_err f = conf_read(&u, 1, sbuf_str(&first), sbuf_len(&first), "printed");
		assert(!f);
		conf_print(&u, 1, "Printed.", &second);
		assert(!strcmp(sbuf_str(&first), sbuf_str(&second)));
	} else {
		assert(e->n_params == 2);
	}
	conf_clear(&t, 1);
	conf_clear(&u, 1);
	return 0;
}
