/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of smd.db (record.h), on the store. Fibers.
 */
#include "smd/record.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/store.h"
#include "common/vec.h"
#include "smd/smd.h"

#include <string.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static const struct store_schema schema = {
	.version = 1,
	.tables = (const char *const[]){"host", "sr", "datapath", NULL},
};

static bool rows_are_gone; /* nothing is there to be loaded */

struct opening {
	const char *path;
	struct err *e;
};

static void open_store(void *arg)
{
	static const struct store_options options = {.schema = &schema};
	struct opening *o = arg;

	o->e = store_open(&smd.store, o->path, &options);
}

/* ---- is this the boot of the rows? ---- */

static struct err *read_boot(const struct store_row *row, void *arg)
{
	char **boot = arg;

	free(*boot);
	*boot = xstrndup(row->value, row->size);
	return NULL;
}

typedef vec_of(char *) key_vec;

static struct err *note_key(const struct store_row *row, void *arg)
{
	key_vec *keys = arg;

	vec_push(keys, xstrdup(row->key));
	return NULL;
}

static void keys_fini(key_vec *keys)
{
	vec_for_each (i, keys)
		free(keys->v[i]);
	vec_fini(keys);
}

static struct err *drop_rows(const char *table, const key_vec *keys)
{
	uint64_t generation;

	vec_for_each (i, keys)
		TRY(store_delete(smd.store, table, keys->v[i], NULL, &generation));
	return NULL;
}

static MAY_WAIT struct err *settle(uint64_t generation)
{
	return store_barrier(smd.store, generation, NEVER);
}

static MAY_WAIT struct err *forget_other_boot(void)
{
	AUTO(keys_fini) key_vec srs = {0};
	AUTO(keys_fini) key_vec datapaths = {0};
	auto_str now = NULL;
	auto_str then = NULL;
	uint64_t generation;

	TRY(file_load(BOOT_ID, 256, &now, NULL));
	TRY(store_load(smd.store, "host", read_boot, &then));
	if (then && !strcmp(now, then))
		return NULL;
	if (then)
		log_info("the host was booted again: nothing is attached");
	TRY(store_load(smd.store, "sr", note_key, &srs));
	TRY(store_load(smd.store, "datapath", note_key, &datapaths));
	TRY(drop_rows("datapath", &datapaths));
	TRY(drop_rows("sr", &srs));
	TRY(store_put(smd.store, "host", "boot", now, strlen(now), NULL, &generation));
	rows_are_gone = true;
	return settle(generation);
}

struct err *records_load(const char *table, store_row_fn fn, void *arg)
{
	return rows_are_gone ? NULL : store_load(smd.store, table, fn, arg);
}

MAY_WAIT struct err *records_open(const char *path)
{
	struct opening o = {.path = path};

	TRY(offload("opening the store", open_store, &o));
	TRY(o.e);
	return forget_other_boot();
}

void records_close(void)
{
	store_close(take(smd.store));
}

/* ---- rows ---- */

MAY_WAIT struct err *record_put(
	const char *table, const char *key, const struct type *t, const void *value)
{
	auto_sbuf json = {0};
	uint64_t generation;

	codec_encode(t, value, &json);
	TRY(store_put(smd.store, table, key, sbuf_data(&json), sbuf_len(&json), NULL, &generation));
	return settle(generation);
}

MAY_WAIT struct err *record_delete(const char *table, const char *key)
{
	uint64_t generation;

	TRY(store_delete(smd.store, table, key, NULL, &generation));
	return settle(generation);
}
