/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors of the daemons in the words of the XenAPI: a table of what each code becomes. What no
 * client knows is an INTERNAL_ERROR that says all there is.
 */
#include "common/arena.h"
#include "common/codec.h"
#include "common/log.h"
#include "xapid/db/db.h"
#include "xapid/link/link.h"

#include <string.h>

/*
 * A code of a daemon's, and what it becomes. The parameters are given as a text of one letter each:
 * '0' to '9' is a parameter of the daemon's, 'v' the reference of the VM, 's' that of the SR whose
 * uuid is the daemon's first parameter, 'd' that of the VDI in it; 'k' the first parameter, KiB
 * made bytes, 'K' the second; '-' is empty.
 */
static const struct translation {
	const char *from, *to, *params;
} translations[] = {
	{"Bad_power_state", "VM_BAD_POWER_STATE", "v10"},
	{"Failed_to_acknowledge_shutdown_request", "VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT", "v"},
	{"Failed_to_acknowledge_suspend_request", "VM_FAILED_SUSPEND_ACKNOWLEDGMENT", "v"},
	{"Failed_to_shutdown", "VM_SHUTDOWN_TIMEOUT", "v1"},
	{"Failed_to_suspend", "VM_SUSPEND_TIMEOUT", "v1"},
	{"Device_detach_rejected", "DEVICE_DETACH_REJECTED", "012"},
	{"Device_not_connected", "DEVICE_NOT_ATTACHED", "v"},
	{"Bootloader_error", "BOOTLOADER_FAILED", "v1"},
	{"No_bootable_device", "BOOTLOADER_FAILED", "v-"},
	{"Not_enough_memory", "HOST_NOT_ENOUGH_FREE_MEMORY", "0-"},
	{"Cannot_free_this_much_memory", "HOST_NOT_ENOUGH_FREE_MEMORY", "kK"},
	{"Vms_failed_to_cooperate", "VMS_FAILED_TO_COOPERATE", ""},
	{"Failed_to_start_emulator", "FAILED_TO_START_EMULATOR", "v12"},
	{"Failed_to_run_script", "XENAPI_PLUGIN_FAILURE", "0--"},
	{"Hook_failed", "XAPI_HOOK_FAILED", "0123"},
	{"IO_error", "VDI_IO_ERROR", "-"},
	{"Image_unusable", "VDI_IO_ERROR", "0"},
	{"Failed_to_contact_remote_service", "VM_MIGRATE_FAILED", "v--0"},
	{"Stream_unusable", "VM_MIGRATE_FAILED", "v--0"},
	{"Media_present", "VBD_NOT_EMPTY", "-"},
	{"Media_not_present", "VBD_IS_EMPTY", "-"},
	{"Media_not_ejectable", "VBD_NOT_REMOVABLE_MEDIA", "-"},
	{"Unimplemented", "NOT_IMPLEMENTED", "0"},
	{"No_storage_plugin_for_sr", "SR_UNKNOWN_DRIVER", "0"},
	{"Missing_configuration_parameter", "SR_BACKEND_FAILURE_90", "-00"},
	{"Sr_not_attached", "SR_NOT_ATTACHED", "s"},
	{"Sr_unhealthy", "SR_UNHEALTHY", "s1-"},
	{"Vdi_does_not_exist", "VDI_MISSING", "sd"},
	{"Bridge_does_not_exist", "BRIDGE_NOT_AVAILABLE", "0"},
};

static const char *ref_of_vdi(const char *sr, const char *location)
{
	const struct xenapi_sr *record = db_find(sr, sr);

	for (size_t i = 0; record && i < record->VDIs.n; i++) {
		const struct xenapi_vdi *vdi = db_find(vdi, record->VDIs.v[i]);

		if (vdi && !strcmp(vdi->location, location))
			return record->VDIs.v[i];
	}
	return REF_NULL;
}

static const char *param(const struct err *e, size_t i)
{
	return i < e->n_params ? e->params[i] : "";
}

static const char *in_bytes(struct arena *a, const char *kib)
{
	return arena_printf(a, "%lld", strtoll(kib, NULL, 10) * 1024);
}

static const char *translate_param(
	const struct err *e, char letter, const char *vm, struct arena *a)
{
	const char *sr = db_find_uuid(sr, param(e, 0));

	switch (letter) {
	case 'v':
		return vm ? vm : REF_NULL;
	case 's':
		return sr ? sr : REF_NULL;
	case 'd':
		return sr ? ref_of_vdi(sr, param(e, 1)) : REF_NULL;
	case 'k':
		return in_bytes(a, param(e, 0));
	case 'K':
		return in_bytes(a, param(e, 1));
	case '-':
		return "";
	default:
		return param(e, (size_t)(letter - '0'));
	}
}

static struct err *translate(
	const struct err *e, const struct translation *t, const char *vm, struct arena *a)
{
	const char *params[8];
	size_t n = strlen(t->params);

	for (size_t i = 0; i < n; i++)
		params[i] = translate_param(e, t->params[i], vm, a);
	return err_new(e->file, e->line, t->to, n, params);
}

/* A storage driver's own code and parameters, as clients know them. */
static struct err *backend(const struct err *e, struct arena *a)
{
	const char *json = param(e, 1);
	struct string_list params = {0};
	auto_err bad = codec_decode(&type_list_string, "params", json, strlen(json), a, &params);

	if (bad)
		log_debug("the parameters of %s: %s", param(e, 0), err_text(bad));

	return err_new(e->file, e->line, param(e, 0), params.n, (const char *const *)params.v);
}

static bool is_xenapi(const char *code)
{
	for (size_t i = 0; i < xenapi_interface.n_errors; i++) {
		if (!strcmp(xenapi_interface.errors[i]->code, code))
			return true;
	}
	return false;
}

static struct err *say(struct err *e, const char *vm, struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(translations); i++) {
		if (!strcmp(translations[i].from, e->code))
			return translate(e, &translations[i], vm, a);
	}
	if (!strcmp(e->code, "Backend_error"))
		return backend(e, a);
	return err(INTERNAL_ERROR, err_text(e));
}

struct err *link_error(struct err *e, const char *vm)
{
	if (!e || err_is(e, &ERR_CANCELLED) || err_is(e, &ERR_SHUTTING_DOWN) || is_xenapi(e->code))
		return e;
	auto_arena arena = {0};
	struct err *said = say(e, vm, &arena);
	said = err_wrap(said, "%s", err_text(e));
	err_free(e);
	return said;
}
