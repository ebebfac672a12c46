/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The documented configuration file, from the same table that reads it (conf.h).
 */
#include "common/conf.h"

#include "common/conf_value.h"
#include "common/mem.h"
#include "common/sbuf.h"

#include <string.h>

#define WIDTH 80

/* TEXT as comment lines, broken between words. */
static void print_comment(struct sbuf *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column && column + 1 + len > WIDTH) {
			sbuf_addc(out, '\n');
			column = 0;
		}
		sbuf_adds(out, column ? " " : "# ");
		sbuf_add(out, text, len);
		column += len + (column ? 1 : 2);
		text += len;
		text += strspn(text, " \n");
	}
	sbuf_addc(out, '\n');
}

/* DEFAULTS and VALUES are structs of the key's table. */
static void print_key(
	struct sbuf *out, const struct conf_key *k, const void *defaults, const void *values)
{
	auto_str range = conf_value_range(k);
	auto_str kind = xasprintf("Value: %s.", range);
	auto_str standard = conf_value_text(k, defaults);
	auto_str value = conf_value_text(k, values);

	sbuf_addc(out, '\n');
	print_comment(out, k->doc);
	print_comment(out, kind);
	sbuf_printf(out, "#%s = %s\n", k->name, k->standard);
	if (strcmp(value, standard))
		sbuf_printf(out, "%s = %s\n", k->name, value);
}

static void print_table(struct sbuf *out, const struct conf_table *t)
{
	struct conf_table defaults = *t;

	defaults.values = xcalloc(1, t->size);
	conf_set_defaults(&defaults, 1);
	for (const struct conf_key *k = t->keys; k->name; k++)
		print_key(out, k, defaults.values, t->values);
	conf_clear(&defaults, 1);
	free(defaults.values);
}

void conf_print(const struct conf_table *tables, size_t n, const char *head, struct sbuf *out)
{
	print_comment(out, head);
	for (size_t i = 0; i < n; i++)
		print_table(out, &tables[i]);
}
