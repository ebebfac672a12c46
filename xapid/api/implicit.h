/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of implicit_serve (gate/call.h), for xapid/api/implicit*.c: records as the bytes that
 * the database has at hand, and the expressions that choose among them.
 */
#ifndef XENITH_XAPID_API_IMPLICIT_H
#define XENITH_XAPID_API_IMPLICIT_H

#include "xapid/db/db.h"
#include "xapid/gate/call.h"

/* ---- implicit_records.c: the result is c->wire ---- */

must_check struct err *implicit_get_record(struct xapi_call *c, const char *ref);
/* EXPR: those that it chooses; NULL: all. */
MAY_WAIT must_check struct err *implicit_get_all_records(struct xapi_call *c, const char *expr);

/* ---- implicit_where.c ---- */

/*
 * An expression of get_all_where and get_all_records_where:
 *
 *	expr  = "true" | "false" | value "=" value | "not" expr | "(" expr ")"
 *	      | expr "and" expr | expr "or" expr
 *	value = "field" string | string
 *
 * A string is in double or single quotes, a backslash takes what follows it literally. A field's
 * name has "__" or "_" between its words. Values compare as texts: a set is ('a' 'b'), a map is
 * (('key' 'value')).
 */
struct where;

/* INVALID_VALUE[expr, why]. */
must_check struct err *where_parse(
	const struct class *class, const char *expr, struct arena *a, const struct where **out);
/* NULL chooses everything. */
bool where_matches(const struct where *w, const struct db_row *row);

/* OUT is a struct string_list. */
must_check struct err *implicit_get_all_where(struct xapi_call *c, const char *expr, void *out);

#endif
