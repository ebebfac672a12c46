/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What debug.diagnostics and debug.version tell: the runtime's inside is there of itself; each
 * module of a daemon adds a section of its own. Loop thread only.
 */
#ifndef XENITH_COMMON_DIAGNOSTICS_H
#define XENITH_COMMON_DIAGNOSTICS_H

#include "common/dialect.h"
#include "common/json.h"
#include "common/list.h"

struct diagnostics_section {
	const char *name;
	void (*write)(struct json_writer *w); /* writes one value; must not wait */
	struct list link;
};

/* S belongs to the caller and stays until it is removed. */
void diagnostics_add(struct diagnostics_section *s);
void diagnostics_remove(struct diagnostics_section *s);

/* What debug.version says (borrowed for ever); else the program's own name, and "unknown". */
void diagnostics_set_version(const char *program, const char *version);

#endif
