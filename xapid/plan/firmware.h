/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest finds of its machine that its VM keeps: the strings of SMBIOS, the generation id by
 * which a guest notices that it is a copy or was taken back, the processor that it last started on.
 */
#ifndef XENITH_XAPID_PLAN_FIRMWARE_H
#define XENITH_XAPID_PLAN_FIRMWARE_H

#include "common/arena.h"
#include "common/err.h"
#include "common/schema.h"

#define GENERATION_ID_SIZE 42 /* of the text, with its NUL */

/* These, and the generic ones that are not among them. */
struct string_map firmware_strings(const struct string_map *own, struct arena *a);
/* Another generation than that of OLD; one that has none, or none yet, stays so. */
const char *firmware_next_generation(const char *old, char out[static GENERATION_ID_SIZE]);
/* Before a start: what is still open is settled for good, and the processor is noted. */
must_check struct err *firmware_settle(const char *vm, const char *host, struct arena *a);

#endif
