/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The header Range of a request: a client that wants a part of something, to go on with what it has
 * begun or to look into it.
 */
#ifndef XENITH_XAPID_DOOR_RANGE_H
#define XENITH_XAPID_DOOR_RANGE_H

#include "common/dialect.h"
#include "xapid/door/http.h"

enum range {
	RANGE_ALL, /* none is asked for, or in a form that is not served: everything goes out */
	RANGE_PART, /* 206 */
	RANGE_BEYOND, /* 416: there is nothing there */
};

/* What the request R wants of SIZE bytes: from *FIRST on, *N of them. */
enum range range_wanted(const struct http_request *r, uint64_t size, uint64_t *first, uint64_t *n);

#endif
