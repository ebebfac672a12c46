/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's commands about snapshots of VMs, and about what a running guest is asked to do. A snapshot
 * is named by its uuid, as "uuid" or as "snapshot-uuid".
 */
#include "common/mem.h"
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <string.h>

/* ---- making ---- */

/* The VDIs that the snapshot is to leave out: uuids with commas between. */
static MAY_WAIT struct err *ignored_vdis(struct cli *c, json_t **out)
{
	const char *text = cli_arg(c, "ignore-vdi-uuids");
	json_t *refs = json_array();

	vec_push(&c->values, refs);
	while (text && *text) {
		size_t len = strcspn(text, ",");
		auto_str uuid = xstrndup(text, len);
		const char *ref;

		TRY(cli_by_uuid(c, "VDI", uuid, &ref));
		json_array_append_new(refs, json_string(ref));
		text += len + (text[len] == ',');
	}
	*out = refs;
	return NULL;
}

static MAY_WAIT struct err *finish(struct cli *c, const char *made)
{
	const char *text = cli_arg(c, "new-name-description");

	if (text)
		TRY(cli_call(c, "VM.set_name_description", json_pack("[s, s]", made, text), NULL));
	return cli_print_uuid(c, "VM", made);
}

static MAY_WAIT struct err *snapshot_one(struct cli *c, const char *ref, const json_t *vm)
{
	const char *made;
	json_t *ignored;

	TRY(ignored_vdis(c, &ignored));
	TRY(cli_call_long(c, "VM.snapshot",
		json_pack("[s, s, O]", ref, cli_arg(c, "new-name-label"), ignored), &made));
	return finish(c, made);
}

static MAY_WAIT struct err *vm_snapshot(struct cli *c)
{
	return cli_each(c, "vm", "VMs", "new-name-label new-name-description ignore-vdi-uuids",
		snapshot_one);
}

static MAY_WAIT struct err *checkpoint_one(struct cli *c, const char *ref, const json_t *vm)
{
	const char *made;

	TRY(cli_call_long(
		c, "VM.checkpoint", json_pack("[s, s]", ref, cli_arg(c, "new-name-label")), &made));
	return finish(c, made);
}

static MAY_WAIT struct err *vm_checkpoint(struct cli *c)
{
	return cli_each(c, "vm", "VMs", "new-name-label new-name-description", checkpoint_one);
}

/* ---- using ---- */

static MAY_WAIT struct err *find(struct cli *c, const char **ref, json_t **record)
{
	TRY(cli_arg_object(c, "VM", cli_arg(c, "uuid") ? "uuid" : "snapshot-uuid", ref));
	TRY(cli_object(c, "VM", *ref, record));
	return *record && cli_bool(*record, "is_a_snapshot") ? NULL
							     : cli_error("No snapshots matched");
}

static MAY_WAIT struct err *snapshot_revert(struct cli *c)
{
	const char *ref;
	json_t *record;

	TRY(find(c, &ref, &record));
	return cli_call_long(c, "VM.revert", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *snapshot_clone(struct cli *c)
{
	const char *ref, *made;
	json_t *record;

	TRY(find(c, &ref, &record));
	TRY(cli_call_long(
		c, "VM.clone", json_pack("[s, s]", ref, cli_arg(c, "new-name-label")), &made));
	return finish(c, made);
}

static MAY_WAIT struct err *snapshot_destroy(struct cli *c)
{
	const char *ref;
	json_t *record;

	TRY(find(c, &ref, &record));
	if (strcmp(cli_string(record, "power_state"), "Halted") != 0)
		TRY(cli_call_long(c, "VM.hard_shutdown", json_pack("[s]", ref), NULL));
	return cli_call_long(c, "VM.destroy", json_pack("[s]", ref), NULL);
}

static MAY_WAIT struct err *snapshot_uninstall(struct cli *c)
{
	const char *ref;
	json_t *record;

	TRY(find(c, &ref, &record));
	return cli_uninstall(c, ref, record);
}

/* ---- guests ---- */

static MAY_WAIT struct err *set_vcpus(struct cli *c, const char *ref, const json_t *vm)
{
	return cli_call_long(c, "VM.set_VCPUs_number_live",
		json_pack("[s, s]", ref, cli_arg(c, "new-vcpus")), NULL);
}

static MAY_WAIT struct err *vm_vcpu_hotplug(struct cli *c)
{
	return cli_each(c, "vm", "VMs", "new-vcpus", set_vcpus);
}

static MAY_WAIT struct err *vm_call_plugin(struct cli *c)
{
	const char *ref, *answer;

	TRY(cli_arg_object(c, "VM", "vm-uuid", &ref));
	TRY(cli_call_string(c, "VM.call_plugin",
		json_pack("[s, s, s, O]", ref, cli_arg(c, "plugin"), cli_arg(c, "fn"),
			cli_arg_map(c, "args")),
		&answer));
	cli_print(c, answer);
	return NULL;
}

static MAY_WAIT struct err *configure(struct cli *c, const char *message)
{
	const char *address = cli_arg(c, "address"), *gateway = cli_arg(c, "gateway"), *ref;
	const char *mode = cli_arg(c, "mode");

	if (!strcmp(mode, "static"))
		mode = "Static";
	if (!strcmp(mode, "none"))
		mode = "None";
	TRY(cli_arg_object(c, "VIF", "uuid", &ref));
	return cli_call(c, message,
		json_pack(
			"[s, s, s, s]", ref, mode, address ? address : "", gateway ? gateway : ""),
		NULL);
}

static MAY_WAIT struct err *vif_configure_ipv4(struct cli *c)
{
	return configure(c, "VIF.configure_ipv4");
}

static MAY_WAIT struct err *vif_configure_ipv6(struct cli *c)
{
	return configure(c, "VIF.configure_ipv6");
}

const struct cli_command cli_snapshot_commands[] = {
	{"vm-snapshot", "new-name-label", "new-name-description ignore-vdi-uuids <vm-selectors>",
		vm_snapshot, .doc = "Snapshot a VM and its disks."},
	{"vm-checkpoint", "new-name-label", "new-name-description <vm-selectors>", vm_checkpoint,
		.doc = "Snapshot a VM with its disks and its memory."},
	{"snapshot-revert", "", "uuid snapshot-uuid", snapshot_revert,
		.doc = "Make the VM again what it was when the snapshot was made."},
	{"snapshot-clone", "new-name-label", "uuid new-name-description", snapshot_clone,
		.doc = "Make a template of a snapshot, with disks of its own."},
	{"snapshot-destroy", "", "uuid snapshot-uuid", snapshot_destroy,
		.doc = "Destroy a snapshot; its disks stay."},
	{"snapshot-uninstall", "", "uuid snapshot-uuid force", snapshot_uninstall,
		.doc = "Destroy a snapshot and the disks that are its alone."},
	{"vm-vcpu-hotplug", "new-vcpus", "<vm-selectors>", vm_vcpu_hotplug,
		.doc = "Set how many VCPUs running VMs have."},
	{"vm-call-plugin", "vm-uuid plugin fn", "args:", vm_call_plugin,
		.doc = "Ask the agent in a guest for something."},
	{"vif-configure-ipv4", "uuid mode", "address gateway", vif_configure_ipv4,
		.doc = "Tell a guest's agent the IPv4 address of an interface; mode: static, none."},
	{"vif-configure-ipv6", "uuid mode", "address gateway", vif_configure_ipv6,
		.doc = "Tell a guest's agent the IPv6 address of an interface; mode: static, none."},
};
const size_t n_cli_snapshot_commands = ARRAY_LEN(cli_snapshot_commands);
