/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of configuration keys: from text and back, by kind. For conf.c and conf_print.c alone.
 */
#ifndef XENITH_COMMON_CONF_VALUE_H
#define XENITH_COMMON_CONF_VALUE_H

#include "common/conf.h"

/* The line that is being read. */
struct conf_place {
	const char *file;
	int line; /* from 1 */
};

/* CONFIGURATION_INVALID at this place. */
must_check struct err *conf_error(const struct conf_place *at, const char *fmt, ...)
	printf_like(2, 3) __attribute__((__returns_nonnull__));

/* Sets K's value in the struct VALUES; the error says what would be right. */
must_check struct err *conf_value_parse(
	const struct conf_key *k, const struct conf_place *at, const char *text, void *values);
/* Frees what K's value owns. */
void conf_value_clear(const struct conf_key *k, void *values);
/* The value as it would stand in a file, for the caller to free. */
char *conf_value_text(const struct conf_key *k, const void *values);
/* What may stand there, for a person: "a duration from 1s to 1h". For the caller to free. */
char *conf_value_range(const struct conf_key *k);

#endif
