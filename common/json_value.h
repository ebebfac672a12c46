/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON as a value: the one place where jansson comes in. For what has no type in the IDL (any-typed
 * fields that somebody looks into, files); the wire never comes by here. Text is read by our own
 * reader and written by our own writer, so it is as strict as everywhere.
 */
#ifndef XENITH_COMMON_JSON_VALUE_H
#define XENITH_COMMON_JSON_VALUE_H

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"

#include <jansson.h>

/* *OUT is the caller's (json_auto_t). ROOT names the value in the error, INVALID_VALUE. */
must_check struct err *json_value_read(const char *root, struct json_text text, json_t **out);
/* NULL is written as null. */
void json_value_write(const json_t *v, struct json_writer *w);
/* The text of V, in the arena. */
struct json_text json_value_text(const json_t *v, struct arena *a);

#endif
