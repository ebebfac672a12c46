/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages that follow from fields, but do more for one class: VBD.create looks for a free place,
 * say. Each is a row of the table in hooks.c and a function in its class's own file.
 */
#ifndef XENITH_XAPID_API_HOOKS_H
#define XENITH_XAPID_API_HOOKS_H

#include "xapid/gate/call.h"

/*
 * As implicit_serve: ARGS has a pointer to each argument (of CREATE one, to the class's record;
 * else self first, a pointer to a const char *), OUT points to the result.
 */
typedef MAY_WAIT struct err *(*hook_fn)(struct xapi_call *c, const void *const *args, void *out);

struct hook {
	const struct class *class;
	enum message_kind kind;
	const char *field; /* NULL: of CREATE and the like */
	hook_fn fn;
};

/* NULL: the message has none. */
const struct hook *hook_find(const struct message *m);

#endif
