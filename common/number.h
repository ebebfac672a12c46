/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers as text, the same in every locale: what JSON and XML-RPC write and read. Any thread.
 */
#ifndef XENITH_COMMON_NUMBER_H
#define XENITH_COMMON_NUMBER_H

#include "common/dialect.h"

#define NUMBER_INT_SIZE    20 /* "-9223372036854775808" */
#define NUMBER_DOUBLE_SIZE 32

/* Writes V in decimal to OUT (no NUL), at most NUMBER_INT_SIZE bytes; returns how many. */
size_t number_put_int(int64_t v, char *out);
/* The same for a finite double: the shortest text that reads back as V, with a fraction or an
 * exponent ("1.0", "0.1", "1e+300"), at most NUMBER_DOUBLE_SIZE bytes. */
size_t number_put_double(double v, char *out);

/* Whether the text is a whole number in decimal, with or without a minus, that fits. */
bool number_read_int(const char *text, size_t len, int64_t *out);
/* Reads a number that is known to have the form of a JSON number, correctly rounded. False: it is
 * too large for a double. */
bool number_read_double(const char *text, size_t len, double *out);
/* A decimal number in any usual form, "nan" or "inf" too, as other programs print them; blanks
 * around it are passed over. False: it is none, or too large. */
bool number_read_loose(const char *text, double *out);

#endif
