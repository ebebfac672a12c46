/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a VM costs of memory (overhead.h), as Xen's own tools reckon.
 */
#include "xapid/plan/overhead.h"

#include "xapid/db/db.h"
#include "xapid/plan/metadata.h"
#include "xapid/rules/rules.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)

/* A mebibyte a processor and two pages a mebibyte of memory for page tables, the screen's memory,
 * and something for the domain itself. */
int64_t overhead_with(const struct xenapi_vm *vm, int64_t memory, int64_t vcpus)
{
	enum xenapi_domain_type type = vm_domain_type(vm);
	double multiplier = vm->HVM_shadow_multiplier > 1 ? vm->HVM_shadow_multiplier : 1;
	int64_t shadow = vcpus * MIB + memory / MIB * 8 * KIB, screen = 0;

	if (type == XENAPI_DOMAIN_TYPE_PV)
		return MIB;
	if (type == XENAPI_DOMAIN_TYPE_HVM)
		screen = metadata_number(&vm->platform, "videoram", 8) * MIB;
	return (int64_t)((double)shadow * multiplier) + screen + 2 * MIB;
}

int64_t overhead_of(const struct xenapi_vm *vm)
{
	return overhead_with(vm, vm->memory_static_max, vm->VCPUs_max);
}

struct err *overhead_note(const char *vm)
{
	const struct xenapi_vm *row;

	TRY(db_get(vm, vm, &row));
	return db_write(vm, vm, memory_overhead, overhead_of(row));
}
