/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests' interfaces and their files (guest.h). Loop thread; files are written by the pool.
 */
#include "networkd/guest.h"

#include "common/codec.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"
#include "networkd/networkd.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 20)

const struct network_vif *guest_find(const char *interface)
{
	const struct guest *g = map_get(&networkd.guests, interface);

	return g ? &g->vif : NULL;
}

static void guest_free(struct guest *g)
{
	if (!g)
		return;
	arena_fini(&g->arena);
	free(g);
}

/* In the place of the one before. */
static void put(const struct network_vif *vif)
{
	struct guest *g = xnew(struct guest);

	codec_keep(&network_type_vif, vif, &g->arena, &g->vif);
	guest_free(map_put(&networkd.guests, g->vif.interface, g));
}

static char *path_of(const char *interface)
{
	return xasprintf("%s/%s", networkd.guests_dir, interface);
}

MAY_WAIT struct err *guest_keep(const struct network_vif *vif)
{
	auto_str path = path_of(vif->interface);
	auto_sbuf json = {0};

	codec_encode(&network_type_vif, vif, &json);
	sbuf_addc(&json, '\n');
	TRY(file_store(path, sbuf_data(&json), sbuf_len(&json), 0640, 0));
	put(vif);
	return NULL;
}

MAY_WAIT struct err *guest_forget(const char *interface)
{
	auto_str path = path_of(interface);

	TRY(file_drop(path, 0));
	guest_free(map_remove(&networkd.guests, interface));
	return NULL;
}

/* ---- at the start and at the end ---- */

static MAY_WAIT struct err *load(const char *name)
{
	auto_str path = path_of(name);
	auto_str text = NULL;
	auto_arena a = {0};
	struct network_vif vif;
	size_t len;

	TRY(file_load(path, MAX_BYTES, &text, &len));
	auto_err e = codec_decode(&network_type_vif, "", text, len, &a, &vif);
	if (!e && strcmp(vif.interface, name))
		e = err(INVALID_VALUE, "interface", "not what the file is called");
	if (e)
		return err(STORE_UNUSABLE, path, err_text(e));
	put(&vif);
	return NULL;
}

static void close_dirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

MAY_WAIT struct err *guests_load(void)
{
	int r = dir_make(networkd.guests_dir, 0750);

	if (!r)
		r = dir_remove_temporaries(networkd.guests_dir, "");
	if (r)
		return err_errno(-r, "making %s", networkd.guests_dir);
	AUTO(close_dirp) DIR *dir = opendir(networkd.guests_dir);
	if (!dir)
		return err_errno(errno, "opening %s", networkd.guests_dir);
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			TRY(load(entry->d_name));
	return NULL;
}

void guests_free(void)
{
	map_for_each (slot, &networkd.guests)
		guest_free(slot->value);
	map_fini(&networkd.guests);
}
