/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM: what its guest finds of firmware: the strings of SMBIOS, which can be chosen once, and the
 * variables of UEFI.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/firmware.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define MAX_VALUE 512

static const char *const settable[] = {"bios-vendor", "bios-version", "system-manufacturer",
	"system-product-name", "system-version", "system-serial-number", "baseboard-manufacturer",
	"baseboard-product-name", "baseboard-version", "baseboard-serial-number",
	"baseboard-asset-tag", "baseboard-location-in-chassis", "enclosure-asset-tag"};

static bool is_settable(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(settable); i++)
		if (!strcmp(settable[i], key))
			return true;
	return false;
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static struct err *check_strings(const struct string_map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const char *key = m->v[i].key, *value = m->v[i].value;

		if (!is_settable(key))
			return err(INVALID_VALUE, key, "Unknown key");
		if (strlen(value) > MAX_VALUE)
			return err(INVALID_VALUE, key, "more than 512 characters");
		if (!is_printable(value))
			return err(INVALID_VALUE, key, "characters that are not printable ASCII");
	}
	return NULL;
}

/* It has none yet. */
static struct err *check_none(const char *ref)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));
	return vm->bios_strings.n ? err(VM_BIOS_STRINGS_ALREADY_SET) : NULL;
}

MAY_WAIT struct err *xapi_vm_set_bios_strings(
	struct call *c, const struct xenapi_vm_set_bios_strings_in *in)
{
	TRY(check_none(in->self));
	TRY(check_strings(&in->value));
	return db_write(vm, in->self, bios_strings, firmware_strings(&in->value, c->arena));
}

MAY_WAIT struct err *xapi_vm_copy_bios_strings(
	struct call *c, const struct xenapi_vm_copy_bios_strings_in *in)
{
	const struct xenapi_host *host;

	TRY(check_none(in->vm));
	TRY(db_get(host, in->host, &host));
	return db_write(vm, in->vm, bios_strings, host->bios_strings);
}

/* ---- variables ---- */

static MAY_WAIT struct err *begin_nvram(
	struct op *doing, struct call *c, const char *ref, const struct xenapi_vm **vm)
{
	TRY(op_begin(doing, &vm_rules, ref, XENAPI_VM_OPERATIONS_CHANGING_NVRAM, call_task(c)));
	return db_get(vm, ref, vm);
}

MAY_WAIT struct err *xapi_vm_add_to_nvram(
	struct call *c, const struct xenapi_vm_add_to_nvram_in *in)
{
	AUTO(op_end) struct op doing = {0};
	const struct xenapi_vm *vm;

	TRY(begin_nvram(&doing, c, in->self, &vm));
	if (string_map_get(&vm->NVRAM, in->key))
		return err(MAP_DUPLICATE_KEY, "VM", "NVRAM", in->self, in->key);
	return db_map_put(vm, in->self, NVRAM, in->key, in->value);
}

MAY_WAIT struct err *xapi_vm_remove_from_nvram(
	struct call *c, const struct xenapi_vm_remove_from_nvram_in *in)
{
	AUTO(op_end) struct op doing = {0};
	const struct xenapi_vm *vm;

	TRY(begin_nvram(&doing, c, in->self, &vm));
	return db_map_remove(vm, in->self, NVRAM, in->key);
}
