/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's commands about storage: SRs, VDIs, VBDs, PBDs. What is one message of one object is a row of
 * the table alone.
 */
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <string.h>

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* The host with host-uuid, or this one. */
static MAY_WAIT struct err *the_host(struct cli *c, const char **ref)
{
	return cli_arg(c, "host-uuid") ? cli_arg_object(c, "host", "host-uuid", ref)
				       : cli_this_host(c, ref);
}

/* ---- VDI ---- */

static MAY_WAIT struct err *vdi_create(struct cli *c)
{
	const char *sr, *vdi, *type = cli_arg(c, "type");
	int64_t size;

	TRY(cli_size("virtual-size", cli_arg(c, "virtual-size"), &size));
	TRY(cli_arg_object(c, "SR", "sr-uuid", &sr));
	json_t *record = json_pack("{s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:O, s:O, s:O}",
		"name_label", cli_arg(c, "name-label"), "name_description",
		or_empty(cli_arg(c, "name-description")), "SR", sr, "virtual_size",
		(json_int_t)size, "type", type ? type : "user", "sharable",
		cli_switch(c, "sharable"), "read_only", cli_switch(c, "read-only"), "other_config",
		cli_arg_map(c, "other-config"), "sm_config", cli_arg_map(c, "sm-config"),
		"xenstore_data", cli_arg_map(c, "xenstore-data"));
	TRY(cli_call_long(c, "VDI.create", json_pack("[o]", record), &vdi));
	return cli_print_uuid(c, "VDI", vdi);
}

static MAY_WAIT struct err *vdi_resize(struct cli *c)
{
	const char *vdi;
	int64_t size;

	TRY(cli_size("disk-size", cli_arg(c, "disk-size"), &size));
	TRY(cli_arg_object(c, "VDI", "uuid", &vdi));
	return cli_call_long(c, "VDI.resize", json_pack("[s, I]", vdi, (json_int_t)size), NULL);
}

static MAY_WAIT struct err *vdi_clone(struct cli *c)
{
	const char *vdi, *made, *name = cli_arg(c, "new-name-label");

	TRY(cli_arg_object(c, "VDI", "uuid", &vdi));
	TRY(cli_call_long(
		c, "VDI.clone", json_pack("[s, O]", vdi, cli_arg_map(c, "driver-params")), &made));
	if (name)
		TRY(cli_call(c, "VDI.set_name_label", json_pack("[s, s]", made, name), NULL));
	return cli_print_uuid(c, "VDI", made);
}

/* ---- VBD ---- */

static MAY_WAIT struct err *vbd_create(struct cli *c)
{
	const char *vm, *vbd, *vdi = "OpaqueRef:NULL";
	const char *mode = cli_arg(c, "mode"), *type = cli_arg(c, "type");

	TRY(cli_arg_object(c, "VM", "vm-uuid", &vm));
	if (cli_arg(c, "vdi-uuid"))
		TRY(cli_arg_object(c, "VDI", "vdi-uuid", &vdi));
	json_t *record = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:b, s:b, s:O, s:s, s:O}", "VM",
		vm, "VDI", vdi, "userdevice", cli_arg(c, "device"), "bootable",
		cli_switch(c, "bootable"), "mode",
		mode && (!strcmp(mode, "RO") || !strcmp(mode, "ro")) ? "RO" : "RW", "type",
		type && !strcmp(type, "CD")               ? "CD"
			: type && !strcmp(type, "Floppy") ? "Floppy"
							  : "Disk",
		"unpluggable", !cli_arg(c, "unpluggable") || cli_switch(c, "unpluggable"), "empty",
		!strcmp(vdi, "OpaqueRef:NULL"), "other_config", cli_arg_map(c, "other-config"),
		"qos_algorithm_type", "", "qos_algorithm_params",
		cli_arg_map(c, "qos_algorithm_params"));
	TRY(cli_call_long(c, "VBD.create", json_pack("[o]", record), &vbd));
	return cli_print_uuid(c, "VBD", vbd);
}

static MAY_WAIT struct err *vbd_unplug(struct cli *c)
{
	const char *vbd;

	TRY(cli_arg_object(c, "VBD", "uuid", &vbd));
	return cli_call_long(c, cli_switch(c, "force") ? "VBD.unplug_force" : "VBD.unplug",
		json_pack("[s]", vbd), NULL);
}

static MAY_WAIT struct err *vbd_insert(struct cli *c)
{
	const char *vbd, *vdi;

	TRY(cli_arg_object(c, "VBD", "uuid", &vbd));
	TRY(cli_arg_object(c, "VDI", "vdi-uuid", &vdi));
	return cli_call_long(c, "VBD.insert", json_pack("[s, s]", vbd, vdi), NULL);
}

/* ---- SR ---- */

static MAY_WAIT struct err *sr_create(struct cli *c)
{
	const char *host, *sr, *size_text = cli_arg(c, "physical-size");
	int64_t size = 0;

	if (size_text)
		TRY(cli_size("physical-size", size_text, &size));
	TRY(the_host(c, &host));
	TRY(cli_call_long(c, "SR.create",
		json_pack("[s, O, I, s, s, s, s, b, O]", host, cli_arg_map(c, "device-config"),
			(json_int_t)size, cli_arg(c, "name-label"),
			or_empty(cli_arg(c, "name-description")), cli_arg(c, "type"),
			or_empty(cli_arg(c, "content-type")), cli_switch(c, "shared"),
			cli_arg_map(c, "sm-config")),
		&sr));
	return cli_print_uuid(c, "SR", sr);
}

const struct cli_command cli_disk_commands[] = {
	{"vdi-create", "sr-uuid name-label virtual-size",
		"name-description type sharable read-only other-config: sm-config: xenstore-data:",
		vdi_create, .doc = "Make a disk in an SR."},
	{"vdi-resize", "uuid disk-size", "", vdi_resize, .doc = "Make a disk larger."},
	{"vdi-clone", "uuid", "new-name-label driver-params:", vdi_clone,
		.doc = "Clone a disk; the two share what they can."},
	{"vdi-copy", "uuid", "sr-uuid base-vdi-uuid into-vdi-uuid", .message = "VDI.copy",
		.args = "uuid sr-uuid base-vdi-uuid into-vdi-uuid",
		.doc = "Copy a disk whole, to an SR or into another disk."},
	{"vdi-snapshot", "uuid", "driver-params:", .message = "VDI.snapshot",
		.args = "uuid driver-params:", .doc = "Keep a disk as it is now."},
	{"vdi-introduce", "uuid sr-uuid type location",
		"name-label name-description sharable read-only managed other-config: "
		"xenstore-data: sm-config:",
		.message = "VDI.introduce",
		.args = "uuid name-label name-description sr-uuid type sharable read-only "
			"other-config: location xenstore-data: sm-config: managed=true",
		.doc = "Make a disk known that is in an SR."},
	{"vdi-destroy", "uuid", "", .message = "VDI.destroy",
		.doc = "Destroy a disk and what is on it."},
	{"vdi-forget", "uuid", "", .message = "VDI.forget", .doc = "Forget a disk; its data stay."},
	{"vbd-create", "vm-uuid device", "vdi-uuid bootable type mode unpluggable other-config:",
		vbd_create, .doc = "Give a VM a disk, or a drive without a medium."},
	{"vbd-destroy", "uuid", "", .message = "VBD.destroy",
		.doc = "Take a disk from its VM; it stays."},
	{"vbd-plug", "uuid", "", .message = "VBD.plug", .doc = "Attach a disk to its running VM."},
	{"vbd-unplug", "uuid", "force", vbd_unplug, .doc = "Detach a disk from its running VM."},
	{"vbd-insert", "uuid vdi-uuid", "", vbd_insert, .doc = "Put a medium into a drive."},
	{"vbd-eject", "uuid", "", .message = "VBD.eject", .doc = "Take the medium out of a drive."},
	{"sr-create", "name-label type",
		"name-description host-uuid device-config: shared physical-size content-type "
		"sm-config:",
		sr_create, .doc = "Make an SR, and attach it to its hosts."},
	{"sr-introduce", "name-label type uuid",
		"name-description shared content-type sm-config:", .message = "SR.introduce",
		.args = "uuid name-label name-description type content-type shared sm-config:",
		.doc = "Make an SR known that exists; pbd-create says how hosts reach it."},
	{"sr-scan", "uuid", "", .message = "SR.scan", .doc = "Look at what is in an SR."},
	{"sr-destroy", "uuid", "", .message = "SR.destroy",
		.doc = "Destroy an SR and what is in it."},
	{"sr-forget", "uuid", "", .message = "SR.forget", .doc = "Forget an SR; its data stay."},
	{"sr-update", "uuid", "", .message = "SR.update", .doc = "Look at an SR's sizes anew."},
	{"pbd-create", "host-uuid sr-uuid", "device-config:", .message = "PBD.create",
		.args = "host-uuid sr-uuid device-config:", .doc = "Say how a host reaches an SR."},
	{"pbd-plug", "uuid", "", .message = "PBD.plug", .doc = "Attach an SR to a host."},
	{"pbd-unplug", "uuid", "", .message = "PBD.unplug", .doc = "Detach an SR from a host."},
	{"pbd-destroy", "uuid", "", .message = "PBD.destroy",
		.doc = "Forget how a host reaches an SR."},
};
const size_t n_cli_disk_commands = ARRAY_LEN(cli_disk_commands);
