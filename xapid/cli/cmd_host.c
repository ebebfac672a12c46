/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's commands about hosts, their pool and its subjects, and about VMs that belong together. Most
 * of those about hosts take them chosen as by host-list: where there is one, nothing need be said.
 */
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <string.h>

static MAY_WAIT struct err *each_host(struct cli *c, const char *known, cli_each_fn fn)
{
	return cli_each(c, "host", "hosts", known, fn);
}

/* ---- whether VMs may start on it ---- */

static MAY_WAIT struct err *enable_one(struct cli *c, const char *ref, const json_t *host)
{
	return cli_call_long(c, "host.enable", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *enable(struct cli *c)
{
	return each_host(c, "", enable_one);
}

static MAY_WAIT struct err *disable_one(struct cli *c, const char *ref, const json_t *host)
{
	bool is_for_a_while = !cli_arg(c, "auto-enable") || cli_switch(c, "auto-enable");

	return cli_call_long(c, "host.disable", json_pack("[s, b]", ref, is_for_a_while), NULL);
}

static MAY_WAIT struct err *disable(struct cli *c)
{
	return each_host(c, "auto-enable", disable_one);
}

static MAY_WAIT struct err *evacuate_one(struct cli *c, const char *ref, const json_t *host)
{
	return cli_call_long(c, "host.evacuate", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *evacuate(struct cli *c)
{
	return each_host(c, "", evacuate_one);
}

/* "NO_HOSTS_AVAILABLE, …" */
static const char *joined(struct cli *c, const json_t *words)
{
	const char *text = "";

	for (size_t i = 0; i < json_array_size(words); i++)
		text = arena_printf(c->arena, "%s%s%s", text, i ? ", " : "",
			json_string_value(json_array_get(words, i)));
	return text;
}

static MAY_WAIT struct err *what_prevents_evacuation(struct cli *c)
{
	json_t *vms, *why, *record;
	const char *host, *ref;

	TRY(cli_arg_object(c, "host", "uuid", &host));
	TRY(cli_call(c, "host.get_vms_which_prevent_evacuation", json_pack("[s]", host), &vms));
	json_object_foreach(vms, ref, why)
	{
		TRY(cli_object(c, "VM", ref, &record));
		if (record)
			cli_printf(c, "%s : %s", cli_string(record, "uuid"), joined(c, why));
	}
	return NULL;
}

/* ---- what it says ---- */

static MAY_WAIT struct err *print_string(struct cli *c, const char *message, const char *ref)
{
	const char *text;

	TRY(cli_call_string(c, message, json_pack("[s]", ref), &text));
	cli_print(c, text);
	return NULL;
}

static MAY_WAIT struct err *dmesg_one(struct cli *c, const char *ref, const json_t *host)
{
	return print_string(c, "host.dmesg", ref);
}

static MAY_WAIT struct err *dmesg(struct cli *c)
{
	return each_host(c, "", dmesg_one);
}

static MAY_WAIT struct err *free_memory_one(struct cli *c, const char *ref, const json_t *host)
{
	json_t *bytes;

	TRY(cli_call(c, "host.compute_free_memory", json_pack("[s]", ref), &bytes));
	cli_printf(c, "%lld", (long long)json_integer_value(bytes));
	return NULL;
}

static MAY_WAIT struct err *free_memory(struct cli *c)
{
	return each_host(c, "", free_memory_one);
}

static MAY_WAIT struct err *send_debug_keys(struct cli *c)
{
	const char *host;

	TRY(cli_arg_object(c, "host", "host-uuid", &host));
	return cli_call_long(
		c, "host.send_debug_keys", json_pack("[s, s]", host, cli_arg(c, "keys")), NULL);
}

static MAY_WAIT struct err *set_hostname(struct cli *c)
{
	const char *host;

	TRY(cli_arg_object(c, "host", "host-uuid", &host));
	return cli_call(c, "host.set_hostname_live",
		json_pack("[s, s]", host, cli_arg(c, "host-name")), NULL);
}

static MAY_WAIT struct err *call_plugin(struct cli *c)
{
	const char *host, *said;

	TRY(cli_arg_object(c, "host", "host-uuid", &host));
	TRY(cli_call_string(c, "host.call_plugin",
		json_pack("[s, s, s, O]", host, cli_arg(c, "plugin"), cli_arg(c, "fn"),
			cli_arg_map(c, "args")),
		&said));
	cli_print(c, said);
	return NULL;
}

/* ---- what is measured ---- */

static MAY_WAIT struct err *list_sources(struct cli *c, const char *message, const char *ref)
{
	static const char *const names[] = {
		"name_label", "name_description", "enabled", "standard", "units"};
	json_t *sources;

	TRY(cli_call(c, message, json_pack("[s]", ref), &sources));
	for (size_t i = 0; i < json_array_size(sources); i++) {
		const json_t *one = json_array_get(sources, i);
		const char *values[] = {cli_string(one, "name_label"),
			cli_string(one, "name_description"),
			cli_bool(one, "enabled") ? "true" : "false",
			cli_bool(one, "standard") ? "true" : "false", cli_string(one, "units")};

		cli_print_record(c, names, values, ARRAY_LEN(values));
	}
	return NULL;
}

/* What is not known at present is no number in JSON. */
static MAY_WAIT struct err *query_source(struct cli *c, const char *message, const char *ref)
{
	json_t *value;

	TRY(cli_call(c, message, json_pack("[s, s]", ref, cli_arg(c, "data-source")), &value));
	if (json_is_number(value))
		cli_printf(c, "%f", json_number_value(value));
	else
		cli_print(c, "nan");
	return NULL;
}

static MAY_WAIT struct err *host_sources_one(struct cli *c, const char *ref, const json_t *host)
{
	return list_sources(c, "host.get_data_sources", ref);
}

static MAY_WAIT struct err *host_sources(struct cli *c)
{
	return each_host(c, "", host_sources_one);
}

static MAY_WAIT struct err *host_source_one(struct cli *c, const char *ref, const json_t *host)
{
	return query_source(c, "host.query_data_source", ref);
}

static MAY_WAIT struct err *host_source(struct cli *c)
{
	return each_host(c, "data-source", host_source_one);
}

static MAY_WAIT struct err *vm_sources_one(struct cli *c, const char *ref, const json_t *vm)
{
	return list_sources(c, "VM.get_data_sources", ref);
}

static MAY_WAIT struct err *vm_sources(struct cli *c)
{
	return cli_each(c, "vm", "VMs", "", vm_sources_one);
}

static MAY_WAIT struct err *vm_source_one(struct cli *c, const char *ref, const json_t *vm)
{
	return query_source(c, "VM.query_data_source", ref);
}

static MAY_WAIT struct err *vm_source(struct cli *c)
{
	return cli_each(c, "vm", "VMs", "data-source", vm_source_one);
}

/* ---- subjects ---- */

static MAY_WAIT struct err *subject_add(struct cli *c)
{
	const char *subject, *name = cli_arg(c, "subject-name");

	TRY(cli_call_long(c, "subject.create",
		json_pack("[{s:s, s:{s:s}}]", "subject_identifier", name, "other_config",
			"subject-name", name),
		&subject));
	return cli_print_uuid(c, "subject", subject);
}

static MAY_WAIT struct err *subject_remove(struct cli *c)
{
	const char *subject;

	TRY(cli_arg_object(c, "subject", "subject-uuid", &subject));
	return cli_call(c, "subject.destroy", json_pack("[s]", subject), NULL);
}

/* role-uuid or role-name. */
static MAY_WAIT struct err *arg_role(struct cli *c, const char **out)
{
	const char *name = cli_arg(c, "role-name");
	json_t *roles, *record;

	if (!name)
		return cli_arg_object(c, "role", "role-uuid", out);
	TRY(cli_objects(c, "role", NULL, &roles));
	json_object_foreach(cli_named(c, roles, name), *out, record)
	{
		return NULL;
	}
	return cli_error("There is no role '%s'", name);
}

static MAY_WAIT struct err *change_role(struct cli *c, const char *message)
{
	const char *subject, *role;

	TRY(cli_arg_object(c, "subject", "uuid", &subject));
	TRY(arg_role(c, &role));
	return cli_call(c, message, json_pack("[s, s]", subject, role), NULL);
}

static MAY_WAIT struct err *subject_role_add(struct cli *c)
{
	return change_role(c, "subject.add_to_roles");
}

static MAY_WAIT struct err *subject_role_remove(struct cli *c)
{
	return change_role(c, "subject.remove_from_roles");
}

/* ---- appliances ---- */

static MAY_WAIT struct err *appliance_create(struct cli *c)
{
	const char *appliance, *description = cli_arg(c, "name-description");

	TRY(cli_call_long(c, "VM_appliance.create",
		json_pack("[{s:s, s:s}]", "name_label", cli_arg(c, "name-label"),
			"name_description", description ? description : ""),
		&appliance));
	return cli_print_uuid(c, "VM_appliance", appliance);
}

static MAY_WAIT struct err *appliance_start(struct cli *c)
{
	const char *appliance;

	TRY(cli_arg_object(c, "VM_appliance", "uuid", &appliance));
	return cli_call_long(c, "VM_appliance.start",
		json_pack("[s, b]", appliance, cli_switch(c, "paused")), NULL);
}

static MAY_WAIT struct err *appliance_shutdown(struct cli *c)
{
	const char *appliance;

	TRY(cli_arg_object(c, "VM_appliance", "uuid", &appliance));
	return cli_call_long(c,
		cli_switch(c, "force") ? "VM_appliance.hard_shutdown"
				       : "VM_appliance.clean_shutdown",
		json_pack("[s]", appliance), NULL);
}

/* ---- the pool ---- */

static MAY_WAIT struct err *pool_sync_database(struct cli *c)
{
	return cli_call(c, "pool.sync_database", json_array(), NULL);
}

const struct cli_command cli_host_commands[] = {
	{"host-enable", "", "<host-selectors>", enable, .doc = "Let VMs start on a host."},
	{"host-disable", "", "auto-enable <host-selectors>", disable,
		.doc = "Let no more VMs start on a host, until it is enabled or, unless "
		       "auto-enable=false, xapid starts."},
	{"host-evacuate", "", "<host-selectors>", evacuate, .doc = "Empty a host of its VMs."},
	{"host-get-vms-which-prevent-evacuation", "uuid", "", what_prevents_evacuation,
		.doc = "List the VMs that could not leave a host, and why."},
	{"host-shutdown", "", "<host-selectors>", .message = "host.shutdown", .args = "<host>",
		.doc = "Turn a host off that was disabled."},
	{"host-reboot", "", "<host-selectors>", .message = "host.reboot", .args = "<host>",
		.doc = "Reboot a host that was disabled."},
	{"host-power-on", "", "<host-selectors>", .message = "host.power_on", .args = "<host>",
		.doc = "Turn a host on, as its power-on-mode says."},
	{"host-set-power-on-mode", "power-on-mode", "power-on-config: <host-selectors>",
		.message = "host.set_power_on_mode",
		.args = "<host> power-on-mode power-on-config:",
		.doc = "Say how a host is turned on from afar."},
	{"host-compute-memory-overhead", "", "<host-selectors>",
		.message = "host.compute_memory_overhead", .args = "<host>",
		.doc = "Print how much memory the hypervisor takes for itself."},
	{"host-management-reconfigure", "pif-uuid", "", .message = "host.management_reconfigure",
		.args = "pif-uuid", .doc = "Manage the host by another interface."},
	{"host-sync-data", "", "<host-selectors>", .message = "host.sync_data", .args = "<host>",
		.doc = "Have a member fetch what the master keeps for it."},
	{"host-data-source-record", "data-source", "<host-selectors>",
		.message = "host.record_data_source", .args = "<host> data-source",
		.doc = "Record a figure of a host."},
	{"host-data-source-forget", "data-source", "<host-selectors>",
		.message = "host.forget_data_source_archives", .args = "<host> data-source",
		.doc = "Forget what was recorded of a figure of a host."},
	{"vm-data-source-record", "data-source", "<vm-selectors>",
		.message = "VM.record_data_source", .args = "<vm> data-source",
		.doc = "Record a figure of a VM."},
	{"vm-data-source-forget", "data-source", "<vm-selectors>",
		.message = "VM.forget_data_source_archives", .args = "<vm> data-source",
		.doc = "Forget what was recorded of a figure of a VM."},
	{"host-dmesg", "", "<host-selectors>", dmesg,
		.doc = "Print what the hypervisor of a host said."},
	{"host-send-debug-keys", "host-uuid keys", "", send_debug_keys,
		.doc = "Send keys to the debug console of a host's hypervisor."},
	{"host-set-hostname-live", "host-uuid host-name", "", set_hostname,
		.doc = "Give a host another name, as its system has it."},
	{"host-compute-free-memory", "", "<host-selectors>", free_memory,
		.doc = "Print how many bytes of memory VMs could still have."},
	{"host-call-plugin", "host-uuid plugin fn", "args:", call_plugin,
		.doc = "Run a function of a plugin of a host."},
	{"host-data-source-list", "", "<host-selectors>", host_sources,
		.doc = "List what is measured of a host."},
	{"host-data-source-query", "data-source", "<host-selectors>", host_source,
		.doc = "Print the last figure of what is measured of a host."},
	{"vm-data-source-list", "", "<vm-selectors>", vm_sources,
		.doc = "List what is measured of a VM."},
	{"vm-data-source-query", "data-source", "<vm-selectors>", vm_source,
		.doc = "Print the last figure of what is measured of a VM."},
	{"pool-sync-database", "", "", pool_sync_database,
		.doc = "Have everything that was said so far on the disk."},
	{"subject-add", "subject-name", "", subject_add,
		.doc = "Make a subject of the user of this name."},
	{"subject-remove", "subject-uuid", "", subject_remove,
		.doc = "Take a subject's roles, and end its sessions."},
	{"subject-role-add", "uuid", "role-name role-uuid", subject_role_add,
		.doc = "Give a role to a subject."},
	{"subject-role-remove", "uuid", "role-name role-uuid", subject_role_remove,
		.doc = "Take a role from a subject."},
	{"appliance-create", "name-label", "name-description", appliance_create,
		.doc = "Make an appliance, which has no VMs yet."},
	{"appliance-destroy", "uuid", "", .message = "VM_appliance.destroy",
		.doc = "Destroy an appliance; its VMs stay."},
	{"appliance-start", "uuid", "paused", appliance_start,
		.doc = "Start the VMs of an appliance in their order."},
	{"appliance-shutdown", "uuid", "force", appliance_shutdown,
		.doc = "Shut the VMs of an appliance down in the opposite order."},
};
const size_t n_cli_host_commands = ARRAY_LEN(cli_host_commands);
