/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arguments of a message: how many there may be, and their values, out of either wire form. Numbers
 * may come as text. What was left out at the end gets its default.
 */
#ifndef XENITH_XAPID_GATE_ARGS_H
#define XENITH_XAPID_GATE_ARGS_H

#include "xapid/gate/gate.h"
#include "xapid/gate/message.h"

/* What came, behind the session. */
struct args {
	enum gate_form form;
	const struct gate_param *v;
	size_t n;
};

/* MESSAGE_PARAMETER_COUNT_MISMATCH. RECEIVED is negative where not even the session came. */
must_check struct err *args_check_count(const struct message *m, const char *name, long received);

/* One value of type T; NAME is its name in errors. OUT has t->size bytes. */
must_check struct err *args_read(const struct type *t, const char *name, enum gate_form form,
	const struct gate_param *param, struct arena *a, void *out);

/* What the positional argument I of an implicit message is called. */
const char *args_name(const struct message *m, size_t i);
/* Of an explicit message: its record of parameters. */
must_check struct err *args_read_explicit(
	const struct message *m, const struct args *args, struct arena *a, void **in);
/* Of another: a pointer to each value. */
must_check struct err *args_read_implicit(const struct message *m, const struct args *args,
	struct arena *a, const void *out[static MESSAGE_MAX_ARGS]);

#endif
