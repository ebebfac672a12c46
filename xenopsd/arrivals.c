/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tokens of migrations (arrivals.h): of VMs that are here in their own files, of those that have
 * gone as empty files of a folder.
 */
#include "xenopsd/arrivals.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "core.gen.h"
#include "xenopsd/files.h"
#include "xenopsd/vm.h"
#include "xenopsd/xenopsd.h"

#include <errno.h>
#include <string.h>

struct err *arrivals_check_token(const char *token)
{
	struct uuid uuid;

	if (uuid_from_text(&uuid, token))
		return err(Stream_unusable, "the token is none");
	return NULL;
}

static char *path_of(const char *token)
{
	return xasprintf("%s/arrived/%s", xenopsd.dir, token);
}

struct err *arrivals_memory(struct arena *a, const char **out)
{
	auto_str path = xasprintf("%s/memory", xenopsd.dir);
	auto_str text = NULL;
	char name[UUID_TEXT_SIZE];
	int r = file_read(path, sizeof(name), &text, NULL);

	if (r == -ENOENT) {
		text = xstrdup(uuid_random_text(name));
		r = file_write(path, text, strlen(text), 0600, 0);
	}
	if (r)
		return err_errno(-r, "the memory of migrations, %s", path);
	*out = arena_strdup(a, text);
	return NULL;
}

struct err *arrivals_keep(const struct vm *vm)
{
	if (!vm->came_by)
		return NULL;
	auto_str dir = path_of("");
	auto_str path = path_of(vm->came_by);
	int r = dir_make(dir, 0700);
	if (!r)
		r = file_write(path, "", 0, 0600, 0);
	return r ? err_errno(-r, "noting an arrival, %s", path) : NULL;
}

static struct vm *find_vm(const char *token)
{
	map_for_each (slot, &vms) {
		struct vm *vm = slot->value;

		if (vm->came_by && !strcmp(vm->came_by, token))
			return vm;
	}
	return NULL;
}

struct err *arrivals_find(const char *token, struct arena *a, bool *has_arrived, const char **vm_id)
{
	const struct vm *vm = find_vm(token);
	auto_str path = path_of(token);

	*vm_id = vm ? arena_strdup(a, vm->id) : "";
	*has_arrived = vm || !access(path, F_OK);
	if (!*has_arrived && errno != ENOENT)
		return err_errno(errno, "looking for an arrival, %s", path);
	return NULL;
}

struct err *arrivals_forget(const char *token)
{
	struct vm *vm = find_vm(token);
	auto_str path = path_of(token);
	int r = file_remove(path, 0);

	if (r)
		return err_errno(-r, "forgetting an arrival, %s", path);
	if (!vm)
		return NULL;
	free(take(vm->came_by));
	return files_put_state(vm);
}
