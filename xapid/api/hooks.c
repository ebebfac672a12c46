/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of hooks.h, class by class.
 */
#include "xapid/api/hooks.h"

#include "xenapi.gen.h"

#include <string.h>

static const struct hook hooks[] = {
	{NULL, MESSAGE_EXPLICIT, NULL, NULL},
};

const struct hook *hook_find(const struct message *m)
{
	for (const struct hook *h = hooks; h->class; h++)
		if (h->class == m->class && h->kind == m->kind &&
			(!h->field || (m->field && !strcmp(h->field, m->field->name))))
			return h;
	return NULL;
}
