/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of the IDL as text in a line, for cli_show.c.
 */
#ifndef XENITH_COMMON_CLI_TEXT_H
#define XENITH_COMMON_CLI_TEXT_H

#include "common/arena.h"
#include "common/sbuf.h"
#include "common/schema.h"

/* What is inside of options: its type goes to *T; NULL when it is absent. */
const void *cli_peel(const struct type **t, const void *value);
/* Whether a value of the type is one word or number, perhaps absent. */
bool cli_is_scalar(const struct type *t);
/* A value in a line: "-" when it is absent or empty. NAME tells the unit ("size_bytes"). */
void cli_add_value(struct sbuf *out, const char *name, const struct type *t, const void *value);
/* Text without what a terminal would obey. Lines and tabs are kept where KEEP_LINES. */
void cli_add_text(struct sbuf *out, const char *s, bool keep_lines);
/* JSON text over several lines. */
void cli_add_json_lines(struct sbuf *out, const char *text, size_t len);
/* How many columns of a terminal the text takes, a character each. */
size_t cli_text_width(const char *s);
/* The case that a variant has, or NULL. */
const struct type_case *cli_variant_case(const struct type *t, const void *value);
/* What a value of the type looks like on the command line: "INT", "ro|rw", "KEY=VALUE,…". */
const char *cli_type_text(const struct type *t, struct arena *a);

#endif
