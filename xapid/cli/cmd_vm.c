/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's commands about VMs. Most take any number of them, chosen as by vm-list ("vm" is a name or a
 * uuid); more than one only with --multiple.
 */
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <string.h>

static MAY_WAIT struct err *each_vm(struct cli *c, const char *known, cli_each_fn fn)
{
	return cli_each(c, "vm", "VMs", known, fn);
}

/* ---- power ---- */

static MAY_WAIT struct err *start(struct cli *c, const char *ref, const json_t *vm)
{
	const char *on = cli_arg(c, "on"), *host;
	bool is_paused = cli_switch(c, "paused"), is_forced = cli_switch(c, "force");

	if (!on)
		return cli_call_long(
			c, "VM.start", json_pack("[s, b, b]", ref, is_paused, is_forced), NULL);
	json_t *hosts, *record;
	TRY(cli_objects(c, "host", NULL, &hosts));
	json_object_foreach(cli_named(c, hosts, on), host, record)
	{
		return cli_call_long(c, "VM.start_on",
			json_pack("[s, s, b, b]", ref, host, is_paused, is_forced), NULL);
	}
	return cli_error("No matching hosts found");
}

static MAY_WAIT struct err *vm_start(struct cli *c)
{
	return each_vm(c, "on paused force", start);
}

/* The message is the hard or the clean one. */
static MAY_WAIT struct err *stop_by(
	struct cli *c, const char *ref, const char *hard, const char *clean)
{
	return cli_call_long(c, cli_switch(c, "force") ? hard : clean, json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *halt(struct cli *c, const char *ref, const json_t *vm)
{
	return stop_by(c, ref, "VM.hard_shutdown", "VM.clean_shutdown");
}

static MAY_WAIT struct err *vm_shutdown(struct cli *c)
{
	return each_vm(c, "force", halt);
}

static MAY_WAIT struct err *reboot(struct cli *c, const char *ref, const json_t *vm)
{
	return stop_by(c, ref, "VM.hard_reboot", "VM.clean_reboot");
}

static MAY_WAIT struct err *vm_reboot(struct cli *c)
{
	return each_vm(c, "force", reboot);
}

static MAY_WAIT struct err *pause_one(struct cli *c, const char *ref, const json_t *vm)
{
	return cli_call_long(c, "VM.pause", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *vm_pause(struct cli *c)
{
	return each_vm(c, "", pause_one);
}

static MAY_WAIT struct err *unpause(struct cli *c, const char *ref, const json_t *vm)
{
	return cli_call_long(c, "VM.unpause", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *vm_unpause(struct cli *c)
{
	return each_vm(c, "", unpause);
}

static MAY_WAIT struct err *suspend(struct cli *c, const char *ref, const json_t *vm)
{
	return cli_call_long(c, "VM.suspend", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *vm_suspend(struct cli *c)
{
	return each_vm(c, "", suspend);
}

static MAY_WAIT struct err *resume(struct cli *c, const char *ref, const json_t *vm)
{
	return cli_call_long(c, "VM.resume",
		json_pack("[s, b, b]", ref, cli_switch(c, "paused"), cli_switch(c, "force")), NULL);
}

static MAY_WAIT struct err *vm_resume(struct cli *c)
{
	return each_vm(c, "paused force on", resume);
}

static MAY_WAIT struct err *reset(struct cli *c, const char *ref, const json_t *vm)
{
	if (!cli_switch(c, "force"))
		return cli_error("This operation is extremely dangerous and may cause data loss. "
				 "This operation must be forced (use --force).");
	return cli_call_long(c, "VM.power_state_reset", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *vm_reset_powerstate(struct cli *c)
{
	return each_vm(c, "force", reset);
}

/* ---- making ---- */

static MAY_WAIT struct err *describe(struct cli *c, const char *ref)
{
	const char *text = cli_arg(c, "new-name-description");

	return text ? cli_call(c, "VM.set_name_description", json_pack("[s, s]", ref, text), NULL)
		    : NULL;
}

static MAY_WAIT struct err *clone_one(struct cli *c, const char *ref, const json_t *vm)
{
	const char *made;

	TRY(cli_call_long(
		c, "VM.clone", json_pack("[s, s]", ref, cli_arg(c, "new-name-label")), &made));
	TRY(describe(c, made));
	return cli_print_uuid(c, "VM", made);
}

static MAY_WAIT struct err *vm_clone(struct cli *c)
{
	return each_vm(c, "new-name-label new-name-description", clone_one);
}

static MAY_WAIT struct err *copy_one(struct cli *c, const char *ref, const json_t *vm)
{
	const char *made, *sr = "OpaqueRef:NULL";

	if (cli_arg(c, "sr-uuid"))
		TRY(cli_arg_object(c, "SR", "sr-uuid", &sr));
	TRY(cli_call_long(c, "VM.copy",
		json_pack("[s, s, s]", ref, cli_arg(c, "new-name-label"), sr), &made));
	TRY(describe(c, made));
	return cli_print_uuid(c, "VM", made);
}

static MAY_WAIT struct err *vm_copy(struct cli *c)
{
	return each_vm(c, "new-name-label new-name-description sr-uuid", copy_one);
}

/* The template that the arguments name. */
static MAY_WAIT struct err *find_template(struct cli *c, const char **ref)
{
	const char *uuid = cli_arg(c, "template-uuid"), *name = cli_arg(c, "template");
	json_t *all, *found, *record;

	if (!uuid && !name)
		name = cli_arg(c, "template-name-label");
	if (!uuid && !name)
		return cli_missing("template");
	TRY(cli_objects(c, "VM", "field \"is_a_template\" = \"true\"", &all));
	found = cli_named(c, all, uuid ? uuid : name);
	if (json_object_size(found) > 1)
		return cli_error("Multiple templates matched");
	json_object_foreach(found, *ref, record)
	{
		return NULL;
	}
	return cli_error("No templates matched");
}

/* The SR that the arguments name for the disks; NULL: that of the template. */
static MAY_WAIT struct err *find_sr(struct cli *c, const char **ref)
{
	const char *name = cli_arg(c, "sr-name-label");
	json_t *all, *found, *record;

	*ref = NULL;
	if (cli_arg(c, "sr-uuid"))
		return cli_arg_object(c, "SR", "sr-uuid", ref);
	if (!name)
		return NULL;
	TRY(cli_objects(c, "SR", NULL, &all));
	found = cli_named(c, all, name);
	if (json_object_size(found) != 1)
		return cli_error("%s SRs matched", json_object_size(found) ? "Several" : "No");
	json_object_foreach(found, *ref, record)
	{
		break;
	}
	return NULL;
}

static MAY_WAIT struct err *finish_install(struct cli *c, const char *vm)
{
	TRY(describe(c, vm));
	TRY(cli_call_long(c, "VM.provision", json_pack("[s]", vm), NULL));
	return cli_print_uuid(c, "VM", vm);
}

static MAY_WAIT struct err *vm_install(struct cli *c)
{
	const char *template = NULL, *sr, *vm;
	const char *name = cli_arg(c, "new-name-label");

	TRY(find_template(c, &template));
	TRY(find_sr(c, &sr));
	if (sr)
		TRY(cli_call_long(c, "VM.copy", json_pack("[s, s, s]", template, name, sr), &vm));
	else
		TRY(cli_call_long(c, "VM.clone", json_pack("[s, s]", template, name), &vm));
	struct err *e = finish_install(c, vm);
	if (e)
		err_free(cli_call(c, "VM.destroy", json_pack("[s]", vm), NULL));
	return e;
}

/* ---- taking away ---- */

static MAY_WAIT struct err *destroy_one(struct cli *c, const char *ref, const json_t *vm)
{
	return cli_call_long(c, "VM.destroy", json_pack("[s]", ref), NULL);
}

/* The disks that no other VM has. */
static MAY_WAIT struct err *own_disks(struct cli *c, const json_t *vm, json_t **out)
{
	json_t *refs = json_object_get(vm, "VBDs"), *disks = json_object();

	vec_push(&c->values, disks);
	for (size_t i = 0; i < json_array_size(refs); i++) {
		json_t *vbd = NULL, *vdi = NULL;

		TRY(cli_object(c, "VBD", json_string_value(json_array_get(refs, i)), &vbd));
		if (!vbd || strcmp(cli_string(vbd, "type"), "Disk") != 0)
			continue;
		TRY(cli_object(c, "VDI", cli_string(vbd, "VDI"), &vdi));
		if (vdi && json_array_size(json_object_get(vdi, "VBDs")) == 1)
			json_object_set(disks, cli_string(vbd, "VDI"), vdi);
	}
	*out = disks;
	return NULL;
}

MAY_WAIT struct err *cli_uninstall(struct cli *c, const char *ref, const json_t *vm)
{
	json_t *disks = NULL, *vdi;
	const char *vdi_ref;

	TRY(own_disks(c, vm, &disks));
	cli_print(c, "The following items are about to be destroyed");
	cli_printf(c, "VM : %s (%s)", cli_string(vm, "uuid"), cli_string(vm, "name_label"));
	json_object_foreach(disks, vdi_ref, vdi)
	{
		cli_printf(
			c, "VDI: %s (%s)", cli_string(vdi, "uuid"), cli_string(vdi, "name_label"));
	}
	TRY(cli_confirm(c));
	if (strcmp(cli_string(vm, "power_state"), "Halted") != 0)
		TRY(cli_call_long(c, "VM.hard_shutdown", json_pack("[s]", ref), NULL));
	TRY(cli_call_long(c, "VM.destroy", json_pack("[s]", ref), NULL));
	json_object_foreach(disks, vdi_ref, vdi)
	{
		TRY(cli_call_long(c, "VDI.destroy", json_pack("[s]", vdi_ref), NULL));
	}
	cli_print(c, "All objects destroyed");
	return NULL;
}

static MAY_WAIT struct err *vm_uninstall(struct cli *c)
{
	return each_vm(c, "force", cli_uninstall);
}

static MAY_WAIT struct err *template_uninstall(struct cli *c)
{
	const char *ref;
	json_t *vm = NULL;

	TRY(cli_arg_object(c, "VM", "template-uuid", &ref));
	TRY(cli_object(c, "VM", ref, &vm));
	return vm ? cli_uninstall(c, ref, vm) : cli_error("No templates matched");
}

static MAY_WAIT struct err *vm_destroy(struct cli *c)
{
	const char *ref;

	TRY(cli_arg_object(c, "VM", "uuid", &ref));
	return destroy_one(c, ref, NULL);
}

/* ---- memory and processors ---- */

static MAY_WAIT struct err *set_limits(struct cli *c, const char *ref, const json_t *vm)
{
	static const char *const keys[] = {
		"static-min", "static-max", "dynamic-min", "dynamic-max"};
	json_t *params = json_pack("[s]", ref);

	vec_push(&c->values, params);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		int64_t size;

		TRY(cli_size(keys[i], cli_arg(c, keys[i]), &size));
		json_array_append_new(params, json_integer(size));
	}
	return cli_call_long(c, "VM.set_memory_limits", json_copy(params), NULL);
}

static MAY_WAIT struct err *vm_memory_limits_set(struct cli *c)
{
	return each_vm(c, "static-min static-max dynamic-min dynamic-max", set_limits);
}

/* ---- what a VM has ---- */

static MAY_WAIT struct err *list_vifs(struct cli *c, const char *ref, const json_t *vm)
{
	const struct cli_arg of_vm = {"vm-uuid", cli_string(vm, "uuid")};

	c->args.n = 0;
	vec_push(&c->args, of_vm);
	return cli_run_generated(c, cli_class_named("vif"), "list");
}

static MAY_WAIT struct err *vm_vif_list(struct cli *c)
{
	return each_vm(c, "params", list_vifs);
}

const struct cli_command cli_vm_commands[] = {
	{"vm-start", "", "force on paused <vm-selectors>", vm_start, .doc = "Start VMs."},
	{"vm-shutdown", "", "force <vm-selectors>", vm_shutdown,
		.doc = "Shut VMs down; with --force as if the power was cut."},
	{"vm-reboot", "", "force <vm-selectors>", vm_reboot,
		.doc = "Reboot VMs; with --force without asking their guests."},
	{"vm-pause", "", "<vm-selectors>", vm_pause, .doc = "Let VMs stand still."},
	{"vm-unpause", "", "<vm-selectors>", vm_unpause, .doc = "Let paused VMs run again."},
	{"vm-suspend", "", "<vm-selectors>", vm_suspend, .doc = "Put VMs to their disks."},
	{"vm-resume", "", "force on paused <vm-selectors>", vm_resume,
		.doc = "Bring suspended VMs back."},
	{"vm-reset-powerstate", "", "force <vm-selectors>", vm_reset_powerstate,
		.doc = "Take VMs for halted whatever is true. Dangerous."},
	{"vm-clone", "new-name-label", "new-name-description <vm-selectors>", vm_clone,
		.doc = "Clone a VM; its disks share what they can with the first one's."},
	{"vm-copy", "new-name-label", "new-name-description sr-uuid <vm-selectors>", vm_copy,
		.doc = "Copy a VM and its disks whole, to an SR."},
	{"vm-install", "new-name-label",
		"template template-uuid template-name-label sr-uuid sr-name-label "
		"new-name-description",
		vm_install, .doc = "Make a VM of a template, with its disks."},
	{"vm-uninstall", "", "force <vm-selectors>", vm_uninstall,
		.doc = "Destroy VMs and the disks that are theirs alone."},
	{"template-uninstall", "template-uuid", "force", template_uninstall,
		.doc = "Destroy a template and the disks that are its alone."},
	{"vm-destroy", "uuid", "", vm_destroy, .doc = "Destroy a VM; its disks stay."},
	{"vm-memory-limits-set", "static-min static-max dynamic-min dynamic-max", "<vm-selectors>",
		vm_memory_limits_set, .doc = "Set how much memory VMs may have."},
	{"vm-memory-set", "memory", "<vm-selectors>", .message = "VM.set_memory",
		.args = "<vm> memory", .doc = "Set how much memory VMs have."},
	{"vm-memory-static-range-set", "min max", "<vm-selectors>",
		.message = "VM.set_memory_static_range", .args = "<vm> min max",
		.doc = "Set between what halted VMs' memory may be set."},
	{"vm-memory-dynamic-range-set", "min max", "<vm-selectors>",
		.message = "VM.set_memory_dynamic_range", .args = "<vm> min max",
		.doc = "Set between what VMs' memory may change while they run."},
	{"vm-memory-target-set", "target", "<vm-selectors>",
		.message = "VM.set_memory_dynamic_range", .args = "<vm> target target",
		.doc = "Set how much memory VMs are to have now."},
	{"vm-memory-target-wait", "", "<vm-selectors>", .message = "VM.wait_memory_target_live",
		.args = "<vm>", .doc = "Wait until running VMs have the memory they are to."},
	{"vm-memory-shadow-multiplier-set", "multiplier", "<vm-selectors>",
		.message = "VM.set_shadow_multiplier_live", .args = "<vm> multiplier",
		.doc = "Set how much memory running VMs have for shadows."},
	{"vm-compute-maximum-memory", "total", "approximate <vm-selectors>",
		.message = "VM.maximise_memory", .args = "<vm> total approximate",
		.doc = "Print the most memory that VMs can have of so much."},
	{"vm-compute-memory-overhead", "", "<vm-selectors>",
		.message = "VM.compute_memory_overhead", .args = "<vm>",
		.doc = "Print how much memory VMs take beside their own."},
	{"vm-copy-bios-strings", "host-uuid", "<vm-selectors>", .message = "VM.copy_bios_strings",
		.args = "<vm> host-uuid", .doc = "Give VMs the BIOS strings of a host."},
	{"vm-restart-device-models", "", "<vm-selectors>", .message = "VM.restart_device_models",
		.args = "<vm>", .doc = "Start the device models of running VMs anew."},
	{"vm-vif-list", "", "<vm-selectors>", vm_vif_list, .doc = "List the interfaces of a VM."},
};
const size_t n_cli_vm_commands = ARRAY_LEN(cli_vm_commands);
