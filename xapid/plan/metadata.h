/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What metadata.c (the VM) and metadata_device.c (its devices) share: values out of the maps of
 * texts that clients fill, and copies that outlive the rows.
 */
#ifndef XENITH_XAPID_PLAN_METADATA_H
#define XENITH_XAPID_PLAN_METADATA_H

#include "common/arena.h"

#include "xenops.gen.h"

/* A number out of a map of texts; FALLBACK when it is not there or is none. */
int64_t metadata_number(const struct string_map *m, const char *key, int64_t fallback);
struct string_map metadata_map(const struct string_map *m, struct arena *a);
struct string_list metadata_list(const struct string_list *l, struct arena *a);
/* Where a VDI is, as smd knows it; NULL for none. */
struct xenops_disk *metadata_disk(const char *vdi, struct arena *a);

#endif
