/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest finds of its machine (firmware.h).
 */
#include "xapid/plan/firmware.h"

#include "common/uuid.h"
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NO_GENERATION_YET "0:0"

/* What a guest finds where nobody says otherwise. */
static const struct string_map_entry generic[] = {{"bios-vendor", "Xen"}, {"bios-version", ""},
	{"system-manufacturer", "Xen"}, {"system-product-name", "HVM domU"}, {"system-version", ""},
	{"system-serial-number", ""}, {"oem-1", "Xen"}, {"hp-rombios", ""}};

struct string_map firmware_strings(const struct string_map *own, struct arena *a)
{
	struct string_map all = {arena_calloc(a, own->n + ARRAY_LEN(generic), sizeof(*all.v)), 0};

	for (size_t i = 0; i < own->n; i++)
		all.v[all.n++] = own->v[i];
	for (size_t i = 0; i < ARRAY_LEN(generic); i++)
		if (!string_map_get(own, generic[i].key))
			all.v[all.n++] = generic[i];
	return all;
}

static const char *new_generation(char out[static GENERATION_ID_SIZE])
{
	uint64_t halves[2];

	random_bytes(halves, sizeof(halves));
	/* As signed numbers they are not negative, which is how the original writes them. */
	snprintf(out, GENERATION_ID_SIZE, "%" PRIu64 ":%" PRIu64, halves[0] >> 1, halves[1] >> 1);
	return out;
}

const char *firmware_next_generation(const char *old, char out[static GENERATION_ID_SIZE])
{
	bool has_one = *old && strcmp(old, NO_GENERATION_YET) != 0;

	return has_one ? new_generation(out) : old;
}

static struct err *note_processor(const char *vm, const char *host, bool is_hvm)
{
	const struct xenapi_host *on = db_find(host, host);
	const struct string_map *info = on ? &on->cpu_info : &(const struct string_map){0};
	const char *vendor = string_map_get(info, "vendor");
	const char *features = string_map_get(info, is_hvm ? "features_hvm" : "features_pv");
	struct string_map_entry v[] = {
		{"vendor", vendor ? vendor : ""}, {"features", features ? features : ""}};
	const struct string_map flags = {v, ARRAY_LEN(v)};

	return db_write(vm, vm, last_boot_CPU_flags, flags);
}

struct err *firmware_settle(const char *vm, const char *host, struct arena *a)
{
	static const struct string_map none;
	const struct xenapi_vm *row = db_find(vm, vm);
	bool is_hvm = vm_domain_type(row) == XENAPI_DOMAIN_TYPE_HVM;
	char generation[GENERATION_ID_SIZE];

	if (is_hvm && !row->bios_strings.n)
		TRY(db_write(vm, vm, bios_strings, firmware_strings(&none, a)));
	if (is_hvm && !strcmp(row->generation_id, NO_GENERATION_YET))
		TRY(db_write(vm, vm, generation_id, new_generation(generation)));
	return note_processor(vm, host, is_hvm);
}
