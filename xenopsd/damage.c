/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Damaged files (damage.h), found at the start and remembered for diagnostics.
 */
#define LOG_MODULE "files"
#include "xenopsd/damage.h"

#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct map found; /* what is wrong, by path; owned */

void damage_put_aside(const char *dir, const char *name, struct err *why)
{
	auto_err e = why;
	auto_str path = xasprintf("%s/%s", dir, name);
	auto_str aside = xasprintf("%s" DAMAGE_SUFFIX, path);

	log_err(LOG_ERROR_, e, "a file of a VM is damaged, and put aside as %s", aside);
	if (rename(path, aside))
		log_error("%s cannot be renamed: %m", path);
	free(map_put(&found, aside, xstrdup(err_text(e))));
}

bool damage_is_aside(const char *name)
{
	size_t len = strlen(name), suffix = strlen(DAMAGE_SUFFIX);

	return len > suffix && !strcmp(name + len - suffix, DAMAGE_SUFFIX);
}

void damage_note(const char *dir, const char *name)
{
	auto_str path = xasprintf("%s/%s", dir, name);

	if (map_has(&found, path))
		return;
	log_warn("%s: a file of a VM was damaged, and nobody has looked at it", path);
	map_put(&found, path, xstrdup("put aside at an earlier start"));
}

void damage_dump(struct json_writer *w)
{
	json_write_object(w);
	map_for_each (slot, &found)
		if (!access(slot->key, F_OK))
			json_member_string(w, slot->key, slot->value);
	json_write_object_end(w);
}

void damage_free(void)
{
	map_for_each (slot, &found)
		free(slot->value);
	map_fini(&found);
}
