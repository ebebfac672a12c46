/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From paths to parsed interfaces: the one that is asked for, and those that it imports, each once.
 * An interface X is imported from X.idl beside the importing file, or one folder up (for interfaces
 * that have a folder of their own).
 */
#include "idl/idlc.h"

#include "common/sbuf.h"

#include <string.h>

static const struct source *read_file(struct idl *idl, const char *path)
{
	const struct source *s = idl->read_source(&idl->arena, path);
	struct source_list **end = &idl->sources;

	if (!s)
		return NULL;
	while (*end)
		end = &(*end)->next;
	*end = arena_new(&idl->arena, struct source_list);
	(*end)->source = s;
	return s;
}

static void interface_add(struct idl *idl, struct interface_decl *i)
{
	struct interface_decl **end = &idl->interfaces;

	while (*end)
		end = &(*end)->next;
	*end = i;
}

static struct interface_decl *interface_find(const struct idl *idl, const char *name)
{
	for (struct interface_decl *i = idl->interfaces; i; i = i->next)
		if (!strcmp(i->name, name))
			return i;
	return NULL;
}

/* PATH's folder with its '/', or "". */
static const char *folder(struct idl *idl, const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? arena_strndup(&idl->arena, path, (size_t)(slash + 1 - path)) : "";
}

/* X.idl for an interface in the same folder as FROM, in the one above, or where --import says. */
static const struct source *find_import(struct idl *idl, const struct import *import)
{
	const char *dir = folder(idl, import->at.source->path);
	const struct source *s =
		read_file(idl, arena_printf(&idl->arena, "%s%s.idl", dir, import->name));

	if (!s)
		s = read_file(idl, arena_printf(&idl->arena, "%s../%s.idl", dir, import->name));
	if (!s && idl->import_dir)
		s = read_file(
			idl, arena_printf(&idl->arena, "%s/%s.idl", idl->import_dir, import->name));
	return s;
}

static void load_imports(struct idl *idl, struct interface_decl *i);

static void load_import(struct idl *idl, struct import *import)
{
	import->interface = interface_find(idl, import->name);
	if (import->interface)
		return;
	const struct source *s = find_import(idl, import);
	if (!s) {
		error_at(idl, import->at, "there is no %s.idl beside this file or one folder up",
			import->name);
		return;
	}
	struct interface_decl *loaded = NULL;
	parse_source(idl, s, &loaded);
	if (!loaded)
		return;
	if (strcmp(loaded->name, import->name) != 0) {
		error_at(idl, loaded->at, "%s.idl holds another interface, '%s'", import->name,
			loaded->name);
		return;
	}
	interface_add(idl, loaded);
	import->interface = loaded;
	load_imports(idl, loaded);
}

static void load_imports(struct idl *idl, struct interface_decl *i)
{
	for (struct import *import = i->imports; import; import = import->next)
		load_import(idl, import);
}

struct interface_decl *idl_load(struct idl *idl, const char *const *paths, size_t n)
{
	struct interface_decl *i = NULL;

	for (size_t k = 0; k < n; k++) {
		const struct source *s = read_file(idl, paths[k]);

		if (!s) {
			sbuf_printf(idl->messages, "idlc: %s cannot be read: %m\n", paths[k]);
			idl->n_errors++;
			return NULL;
		}
		parse_source(idl, s, &i);
	}
	if (i) {
		interface_add(idl, i);
		load_imports(idl, i);
	}
	return i;
}

void idl_fini(struct idl *idl)
{
	for (struct interface_decl *i = idl->interfaces; i; i = i->next) {
		map_fini(&i->types);
		map_fini(&i->errors);
		map_fini(&i->calls);
		map_fini(&i->classes);
	}
	arena_fini(&idl->arena);
}
