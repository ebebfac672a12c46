/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of a VM that benches carry (vm_record.h), with a hand-written table.
 */
#include "tests/bench/vm_record.h"

#include "common/codec.h"

#include <stdio.h>
#include <stdlib.h>

#define REF(i) \
	{ \
		.name = "reference_" #i, .type = &type_string, \
		.offset = offsetof(struct vm_record, refs[i]) \
	}
#define NUMBER(i) \
	{ \
		.name = "memory_" #i, .type = &type_int, \
		.offset = offsetof(struct vm_record, numbers[i]) \
	}
#define TRUTH(i) \
	{ \
		.name = "is_a_" #i, .type = &type_bool, \
		.offset = offsetof(struct vm_record, truths[i]) \
	}

static const struct field vm_fields[] = {
	REF(0),
	REF(1),
	REF(2),
	REF(3),
	REF(4),
	REF(5),
	REF(6),
	REF(7),
	REF(8),
	REF(9),
	REF(10),
	REF(11),
	REF(12),
	REF(13),
	REF(14),
	REF(15),
	NUMBER(0),
	NUMBER(1),
	NUMBER(2),
	NUMBER(3),
	NUMBER(4),
	NUMBER(5),
	NUMBER(6),
	NUMBER(7),
	NUMBER(8),
	NUMBER(9),
	NUMBER(10),
	NUMBER(11),
	TRUTH(0),
	TRUTH(1),
	TRUTH(2),
	TRUTH(3),
	TRUTH(4),
	TRUTH(5),
	TRUTH(6),
	TRUTH(7),
	TRUTH(8),
	TRUTH(9),
	{.name = "VBDs", .type = &type_list_string, .offset = offsetof(struct vm_record, vbds)},
	{.name = "VIFs", .type = &type_list_string, .offset = offsetof(struct vm_record, vifs)},
	{.name = "other_config",
		.type = &type_map_string,
		.offset = offsetof(struct vm_record, other_config)},
	{.name = "platform",
		.type = &type_map_string,
		.offset = offsetof(struct vm_record, platform)},
};
const struct type type_vm_record = {.kind = TYPE_RECORD,
	.size = sizeof(struct vm_record),
	.name = "vm",
	.fields = vm_fields,
	.n = ARRAY_LEN(vm_fields),
	.unknown_case = -1};

static const char *const some_refs[] = {"OpaqueRef:9f1c7a52-0d8e-4b63-a1f2-6c3d5e7b9a10",
	"OpaqueRef:3b2a1908-f7e6-4d5c-b4a3-928170655443"};

void vm_record_make(struct vm_record *vm)
{
	static const struct string_map_entry other[] = {{"auto_poweron", "true"},
		{"base_template_name", "Debian Bookworm 12"}, {"folder", "/production/web"},
		{"install-methods", "cdrom,nfs,http,ftp"},
		{"mac_seed", "3b2a1908-f7e6-4d5c-b4a3-928170655443"}};
	static const struct string_map_entry platform[] = {{"acpi", "1"}, {"apic", "true"},
		{"device-model", "qemu-upstream-compat"}, {"hpet", "true"}, {"nx", "true"},
		{"pae", "true"}, {"timeoffset", "0"}, {"vga", "std"}, {"videoram", "8"},
		{"viridian", "false"}};

	for (size_t i = 0; i < ARRAY_LEN(vm->refs); i++)
		vm->refs[i] = some_refs[i % 2];
	for (size_t i = 0; i < ARRAY_LEN(vm->numbers); i++)
		vm->numbers[i] = (int64_t)1 << (3 * i);
	vm->vbds = (struct string_list){(const char **)some_refs, 2};
	vm->vifs = (struct string_list){(const char **)some_refs, 1};
	vm->other_config = (struct string_map){(struct string_map_entry *)other, ARRAY_LEN(other)};
	vm->platform =
		(struct string_map){(struct string_map_entry *)platform, ARRAY_LEN(platform)};
}

void vm_record_write(const char *file)
{
	auto_sbuf b = {0};
	struct vm_record vm = {0};
	FILE *f = fopen(file, "we");

	vm_record_make(&vm);
	codec_encode(&type_vm_record, &vm, &b);
	if (!f || fwrite(sbuf_data(&b), 1, sbuf_len(&b), f) != sbuf_len(&b) || fclose(f))
		abort();
}
