/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM and pool: secure boot of guests with UEFI firmware. Their variables belong to varstored; its
 * tools are asked (uefi_tools of xapid.conf): varstore-ls UUID prints a line for each variable,
 * "GUID NAME", and varstore-sb-state UUID setup|user sets them.
 */
#include "common/mem.h"
#include "common/proc.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/xapid.h"

#include "core.gen.h"

#include <string.h>
#include <unistd.h>

/* The keys of secure boot. */
enum { KEY_PK = 1, KEY_KEK = 2, KEY_DB = 4, KEY_DBX = 8, KEYS_ALL = 15 };

static const struct key {
	const char *name, *file;
	unsigned bit;
} keys[] = {
	{"PK", "PK.auth", KEY_PK},
	{"KEK", "KEK.auth", KEY_KEK},
	{"db", "db.auth", KEY_DB},
	{"dbx", "dbx.auth", KEY_DBX},
};

/* ---- the tools ---- */

static MAY_WAIT struct err *run_tool(
	struct arena *a, const char *tool, const char *uuid, const char *arg, const char **out)
{
	const char *path = arena_printf(a, "%s/%s", xapid_conf.uefi_tools, tool);
	const struct proc_spec spec = {
		.argv = (const char *const[]){path, uuid, arg, NULL}, .cwd = "/"};
	auto_proc_result r = {0};
	auto_err e = proc_run(&spec, &r);

	if (e)
		return err(INTERNAL_ERROR, err_text(e));
	*out = arena_strndup(a, r.out, r.out_len);
	return NULL;
}

/* The keys among the variables; *IS_NEW: there are no variables, for it has not booted yet. */
static MAY_WAIT struct err *read_keys(
	struct arena *a, const char *uuid, unsigned *found, bool *is_new)
{
	const char *text;

	TRY(run_tool(a, "varstore-ls", uuid, NULL, &text));
	char *rest = arena_strdup(a, text), *line;
	*found = 0;
	*is_new = true;
	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *name = strchr(line, ' ');

		*is_new &= !name;
		for (size_t i = 0; name && i < ARRAY_LEN(keys); i++)
			if (!strcmp(name + 1, keys[i].name))
				*found |= keys[i].bit;
	}
	return NULL;
}

/* ---- VMs ---- */

static bool is_uefi(const struct xenapi_vm *vm)
{
	const char *firmware = string_map_get(&vm->HVM_boot_params, "firmware");

	return firmware && !strcmp(firmware, "uefi");
}

MAY_WAIT struct err *xapi_vm_set_uefi_mode(
	struct call *c, const struct xenapi_vm_set_uefi_mode_in *in, const char **out)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	if (!is_uefi(vm))
		return err(INVALID_VALUE, "HVM_boot_params", "the VM's firmware is not uefi");
	return run_tool(c->arena, "varstore-sb-state", arena_strdup(c->arena, vm->uuid),
		type_case_name(&xenapi_type_vm_uefi_mode, (int)in->mode), out);
}

static enum xenapi_vm_secureboot_readiness readiness(unsigned found)
{
	if (found == KEYS_ALL)
		return XENAPI_VM_SECUREBOOT_READINESS_READY;
	if (found == (KEYS_ALL & ~KEY_DBX))
		return XENAPI_VM_SECUREBOOT_READINESS_READY_NO_DBX;
	if (!(found & KEY_PK))
		return XENAPI_VM_SECUREBOOT_READINESS_SETUP_MODE;
	return XENAPI_VM_SECUREBOOT_READINESS_CERTS_INCOMPLETE;
}

MAY_WAIT struct err *xapi_vm_get_secureboot_readiness(struct call *c,
	const struct xenapi_vm_get_secureboot_readiness_in *in,
	enum xenapi_vm_secureboot_readiness *out)
{
	const struct xenapi_vm *vm;
	unsigned found = 0;
	bool is_new = false;

	TRY(db_get(vm, in->self, &vm));
	const char *wanted = string_map_get(&vm->platform, "secureboot");
	if (!is_uefi(vm)) {
		*out = XENAPI_VM_SECUREBOOT_READINESS_NOT_SUPPORTED;
		return NULL;
	}
	if (!wanted || (strcmp(wanted, "true") != 0 && strcmp(wanted, "auto") != 0)) {
		*out = XENAPI_VM_SECUREBOOT_READINESS_DISABLED;
		return NULL;
	}
	TRY(read_keys(c->arena, arena_strdup(c->arena, vm->uuid), &found, &is_new));
	*out = is_new ? XENAPI_VM_SECUREBOOT_READINESS_FIRST_BOOT : readiness(found);
	return NULL;
}

/* ---- the pool ---- */

/* Whether its hosts have what new guests are to boot with. */
MAY_WAIT struct err *xapi_pool_get_guest_secureboot_readiness(struct call *c,
	const struct xenapi_pool_get_guest_secureboot_readiness_in *in,
	enum xenapi_pool_guest_secureboot_readiness *out)
{
	const struct xenapi_pool *pool;
	unsigned found = 0;

	TRY(db_get(pool, in->self, &pool));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		auto_str path = xasprintf("%s/%s", xapid_conf.uefi_certificates, keys[i].file);

		if (access(path, F_OK) == 0)
			found |= keys[i].bit;
	}
	if (found == KEYS_ALL)
		*out = XENAPI_POOL_GUEST_SECUREBOOT_READINESS_READY;
	else if (found == (KEYS_ALL & ~KEY_DBX))
		*out = XENAPI_POOL_GUEST_SECUREBOOT_READINESS_READY_NO_DBX;
	else
		*out = XENAPI_POOL_GUEST_SECUREBOOT_READINESS_NOT_READY;
	return NULL;
}
