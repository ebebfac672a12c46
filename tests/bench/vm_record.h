/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record of the size and mixture of XenAPI's VM (2.3 kB of JSON), for the benches that carry one.
 */
#ifndef XENITH_TESTS_BENCH_VM_RECORD_H
#define XENITH_TESTS_BENCH_VM_RECORD_H

#include "common/schema.h"

struct vm_record {
	const char *refs[16];
	int64_t numbers[12];
	bool truths[10];
	struct string_list vbds, vifs;
	struct string_map other_config, platform;
};

extern const struct type type_vm_record;

void vm_record_make(struct vm_record *vm);
/* Its JSON into a file, for a base. */
void vm_record_write(const char *file);

#endif
