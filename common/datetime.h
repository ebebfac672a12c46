/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Points in time as text: ISO 8601 in UTC, years 0 to 9999. Any thread, any locale, any time zone.
 */
#ifndef XENITH_COMMON_DATETIME_H
#define XENITH_COMMON_DATETIME_H

#include "common/dialect.h"

#define DATETIME_MIN  INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define DATETIME_MAX  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DATETIME_SIZE 21

/* SECONDS since 1970 as "2026-11-21T09:12:58Z"; what lies outside of the range is moved to its
 * border. Returns OUT. */
char *datetime_put(int64_t seconds, char out[DATETIME_SIZE]);
/* The same as "20261121T09:12:58Z": the form of XML-RPC. */
char *datetime_put_basic(int64_t seconds, char out[DATETIME_SIZE]);
/* Reads either form, also with a fraction (dropped) and an offset ("+01:00", "Z"; none: UTC). */
bool datetime_read(const char *text, size_t len, int64_t *out);

#endif
