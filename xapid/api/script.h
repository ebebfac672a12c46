/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The administrator's programs that clients run by name: plugins and extensions of a host. What
 * they print is hostile until it is read here.
 */
#ifndef XENITH_XAPID_API_SCRIPT_H
#define XENITH_XAPID_API_SCRIPT_H

#include "common/codec.h"
#include "common/proc.h"

/* The most that a program may print. */
#define SCRIPT_MAX_OUTPUT (16 << 20)

/* The program NAME in the folder; NULL: there is none, or what a client says is no name. */
const char *script_find(const char *dir, const char *name, struct arena *a);

/* What a program answered, as JSON; or its own error, a code and parameters (ERROR.n is not 0). */
struct script_answer {
	struct json_text value;
	struct string_list error;
};

/* The error says why this is no answer. */
must_check struct err *script_read(
	const struct proc_result *r, struct arena *a, struct script_answer *out);
/* The program's own error, NULL for an answer without one. */
must_check struct err *script_error(const struct script_answer *answer);

#endif
