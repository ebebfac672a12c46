/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xe's commands about the disks and drives of VMs: what they have, more and fewer of them, and
 * which CD is in.
 */
#include "core.gen.h"
#include "xapid/cli/cli.h"

#include <string.h>

#define NO_OBJECT "OpaqueRef:NULL"

static MAY_WAIT struct err *each_vm(struct cli *c, const char *known, cli_each_fn fn)
{
	return cli_each(c, "vm", "VMs", known, fn);
}

/* The VM's disks, or its drives. */
static MAY_WAIT struct err *devices(struct cli *c, const char *vm, bool is_cd, json_t **out)
{
	const char *expr = arena_printf(c->arena, "field \"VM\"=\"%s\" and field \"type\"=\"%s\"",
		vm, is_cd ? "CD" : "Disk");

	return cli_objects(c, "VBD", expr, out);
}

/* ---- lists ---- */

/* "uuid,device" with blanks, of the argument KEY; else USUAL. */
static const char *chosen_fields(struct cli *c, const char *key, const char *usual)
{
	char *names = arena_strdup(c->arena, cli_arg(c, key) ? cli_arg(c, key) : usual);

	for (char *p = names; (p = strchr(p, ','));)
		*p = ' ';
	return names;
}

/* The device number I, or its disk, below a line that says so. */
static MAY_WAIT struct err *show(struct cli *c, bool is_cd, size_t i, const struct cli_class *k,
	const char *ref, const char *fields)
{
	json_t *record;

	TRY(cli_object(c, k->class->name, ref, &record));
	if (!record)
		return NULL;
	cli_printf(c, "%s %zu %s:", is_cd ? "CD" : "Disk", i, k->class->name);
	return cli_print_object(c, k, ref, record, fields);
}

static MAY_WAIT struct err *show_all(struct cli *c, json_t *vbds, bool is_cd)
{
	const char *fields = chosen_fields(c, "vbd-params",
		is_cd ? "uuid vm-name-label userdevice empty" : "uuid vm-name-label userdevice");
	const char *of_disk =
		chosen_fields(c, "vdi-params", "uuid name-label virtual-size sr-name-label");
	const char *ref;
	json_t *vbd;
	size_t i = 0;

	json_object_foreach(vbds, ref, vbd)
	{
		TRY(show(c, is_cd, i, cli_class_named("vbd"), ref, fields));
		if (!cli_bool(vbd, "empty"))
			TRY(show(c, is_cd, i, cli_class_named("vdi"), cli_string(vbd, "VDI"),
				of_disk));
		i++;
	}
	return NULL;
}

static MAY_WAIT struct err *list(struct cli *c, const char *vm, bool is_cd)
{
	json_t *vbds, *vbd, *vdi;
	const char *ref;
	vec_of(const char *) uuids = {0};

	TRY(devices(c, vm, is_cd, &vbds));
	if (!c->is_minimal)
		return show_all(c, vbds, is_cd);
	json_object_foreach(vbds, ref, vbd)
	{
		struct err *e = cli_object(c, "VDI", cli_string(vbd, "VDI"), &vdi);
		if (e) {
			vec_fini(&uuids);
			return e;
		}
		vec_push(&uuids, cli_string(vbd, "uuid"));
		if (vdi)
			vec_push(&uuids, cli_string(vdi, "uuid"));
	}
	cli_print_minimal(c, uuids.v, uuids.n);
	vec_fini(&uuids);
	return NULL;
}

static MAY_WAIT struct err *list_disks(struct cli *c, const char *ref, const json_t *vm)
{
	return list(c, ref, false);
}

static MAY_WAIT struct err *vm_disk_list(struct cli *c)
{
	return each_vm(c, "vbd-params vdi-params", list_disks);
}

static MAY_WAIT struct err *list_cds(struct cli *c, const char *ref, const json_t *vm)
{
	return list(c, ref, true);
}

static MAY_WAIT struct err *vm_cd_list(struct cli *c)
{
	return each_vm(c, "vbd-params vdi-params", list_cds);
}

/* ---- CDs ---- */

/* All media: VDIs of SRs that hold CDs. */
static MAY_WAIT struct err *all_cds(struct cli *c, json_t **out)
{
	json_t *srs, *vdis, *vdi;
	const char *ref;

	TRY(cli_objects(c, "SR", "field \"content_type\"=\"iso\"", &srs));
	TRY(cli_objects(c, "VDI", NULL, &vdis));
	*out = json_object();
	vec_push(&c->values, *out);
	json_object_foreach(vdis, ref, vdi)
	{
		if (json_object_get(srs, cli_string(vdi, "SR")))
			json_object_set(*out, ref, vdi);
	}
	return NULL;
}

static MAY_WAIT struct err *cd_list(struct cli *c)
{
	const char *fields = chosen_fields(c, "params", "name-label uuid"), *ref;
	const struct cli_class *k = cli_class_named("vdi");
	json_t *cds, *vdi;

	TRY(all_cds(c, &cds));
	if (c->is_minimal)
		return cli_print_objects_minimal(c, k, cds, fields);
	json_object_foreach(cds, ref, vdi)
	{
		TRY(cli_print_object(c, k, ref, vdi, fields));
	}
	return NULL;
}

/* The one medium that is called as cd-name says, or has it as its uuid. */
static MAY_WAIT struct err *named_cd(struct cli *c, const char **vdi)
{
	const char *name = cli_arg(c, "cd-name");
	json_t *cds;

	TRY(all_cds(c, &cds));
	cds = cli_named(c, cds, name);
	if (!json_object_size(cds))
		return cli_error("CD %s not found!", name);
	if (json_object_size(cds) > 1)
		return cli_error("Two or more CDs are called %s; cd-name may be a uuid", name);
	*vdi = json_object_iter_key(json_object_iter(cds));
	return NULL;
}

/* The VM's one drive; INSTEAD is what to use where it has more. */
static MAY_WAIT struct err *the_drive(
	struct cli *c, const char *vm, const char *instead, const char **vbd)
{
	json_t *vbds;

	TRY(devices(c, vm, true, &vbds));
	if (!json_object_size(vbds))
		return cli_error("No CDs found");
	if (json_object_size(vbds) > 1)
		return cli_error("Two or more CDs found. Please use %s", instead);
	*vbd = json_object_iter_key(json_object_iter(vbds));
	return NULL;
}

static MAY_WAIT struct err *eject(struct cli *c, const char *ref, const json_t *vm)
{
	const char *vbd;

	TRY(the_drive(c, ref, "vbd-eject", &vbd));
	return cli_call_long(c, "VBD.eject", json_pack("[s]", vbd), NULL);
}

static MAY_WAIT struct err *vm_cd_eject(struct cli *c)
{
	return each_vm(c, "", eject);
}

static MAY_WAIT struct err *insert(struct cli *c, const char *ref, const json_t *vm)
{
	const char *vbd, *vdi;

	TRY(named_cd(c, &vdi));
	TRY(the_drive(c, ref, "vbd-insert", &vbd));
	return cli_call_long(c, "VBD.insert", json_pack("[s, s]", vbd, vdi), NULL);
}

static MAY_WAIT struct err *vm_cd_insert(struct cli *c)
{
	return each_vm(c, "cd-name", insert);
}

/* ---- more, and fewer ---- */

/* A VBD, attached at once where the VM runs. */
static MAY_WAIT struct err *add(
	struct cli *c, const char *ref, const json_t *vm, const char *vdi, bool is_cd)
{
	const char *vbd;
	json_t *record = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:b, s:b, s:{}, s:s, s:{}}",
		"VM", ref, "VDI", vdi, "userdevice", cli_arg(c, "device"), "bootable", is_cd,
		"mode", is_cd ? "RO" : "RW", "type", is_cd ? "CD" : "Disk", "unpluggable", true,
		"empty", false, "other_config", "qos_algorithm_type", "", "qos_algorithm_params");

	TRY(cli_call_long(c, "VBD.create", json_pack("[o]", record), &vbd));
	if (strcmp(cli_string(vm, "power_state"), "Running") != 0)
		return NULL;
	struct err *e = cli_call_long(c, "VBD.plug", json_pack("[s]", vbd), NULL);
	if (e)
		err_free(cli_call(c, "VBD.destroy", json_pack("[s]", vbd), NULL));
	return e;
}

static MAY_WAIT struct err *add_cd(struct cli *c, const char *ref, const json_t *vm)
{
	const char *vdi;

	TRY(named_cd(c, &vdi));
	return add(c, ref, vm, vdi, true);
}

static MAY_WAIT struct err *vm_cd_add(struct cli *c)
{
	return each_vm(c, "cd-name device", add_cd);
}

static MAY_WAIT struct err *remove_cd(struct cli *c, const char *ref, const json_t *vm)
{
	const char *name = cli_arg(c, "cd-name"), *vbd;
	json_t *vbds, *record, *vdi;

	TRY(devices(c, ref, true, &vbds));
	json_object_foreach(vbds, vbd, record)
	{
		TRY(cli_object(c, "VDI", cli_string(record, "VDI"), &vdi));
		if (vdi &&
			(!strcmp(cli_string(vdi, "name_label"), name) ||
				!strcmp(cli_string(vdi, "uuid"), name)))
			return cli_call_long(c, "VBD.destroy", json_pack("[s]", vbd), NULL);
	}
	return cli_error("CD %s not found!", name);
}

static MAY_WAIT struct err *vm_cd_remove(struct cli *c)
{
	return each_vm(c, "cd-name", remove_cd);
}

static MAY_WAIT struct err *the_sr(struct cli *c, const char **sr)
{
	json_t *pools, *pool;
	const char *unused;

	if (cli_arg(c, "sr-uuid"))
		return cli_arg_object(c, "SR", "sr-uuid", sr);
	TRY(cli_objects(c, "pool", NULL, &pools));
	*sr = NO_OBJECT;
	json_object_foreach(pools, unused, pool)
	{
		*sr = cli_string(pool, "default_SR");
	}
	return strcmp(*sr, NO_OBJECT) != 0
		? NULL
		: cli_error("No SR specified and pool default SR is not set");
}

static MAY_WAIT struct err *add_disk(struct cli *c, const char *ref, const json_t *vm)
{
	const char *sr, *vdi;
	int64_t size;

	TRY(cli_size("disk-size", cli_arg(c, "disk-size"), &size));
	TRY(the_sr(c, &sr));
	json_t *record = json_pack("{s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:{}}", "name_label",
		"Created by xe", "name_description", "", "SR", sr, "virtual_size", (json_int_t)size,
		"type", "user", "sharable", false, "read_only", false, "other_config");
	TRY(cli_call_long(c, "VDI.create", json_pack("[o]", record), &vdi));
	struct err *e = add(c, ref, vm, vdi, false);
	if (e)
		err_free(cli_call(c, "VDI.destroy", json_pack("[s]", vdi), NULL));
	return e;
}

static MAY_WAIT struct err *vm_disk_add(struct cli *c)
{
	return each_vm(c, "disk-size device sr-uuid", add_disk);
}

static MAY_WAIT struct err *remove_disk(struct cli *c, const char *ref, const json_t *vm)
{
	const char *device = cli_arg(c, "device"), *vbd;
	json_t *vbds, *record;

	TRY(devices(c, ref, false, &vbds));
	json_object_foreach(vbds, vbd, record)
	{
		if (strcmp(cli_string(record, "userdevice"), device) != 0)
			continue;
		const char *vdi = cli_string(record, "VDI");
		TRY(cli_call_long(c, "VBD.destroy", json_pack("[s]", vbd), NULL));
		return cli_call_long(c, "VDI.destroy", json_pack("[s]", vdi), NULL);
	}
	return cli_error("Disk not found: %s", device);
}

static MAY_WAIT struct err *vm_disk_remove(struct cli *c)
{
	return each_vm(c, "device", remove_disk);
}

const struct cli_command cli_drive_commands[] = {
	{"vm-disk-list", "", "vbd-params vdi-params <vm-selectors>", vm_disk_list,
		.doc = "List the disks of VMs."},
	{"vm-disk-add", "disk-size device", "sr-uuid <vm-selectors>", vm_disk_add,
		.doc = "Give VMs a new disk."},
	{"vm-disk-remove", "device", "<vm-selectors>", vm_disk_remove,
		.doc = "Take a disk from VMs and destroy it."},
	{"vm-cd-list", "", "vbd-params vdi-params <vm-selectors>", vm_cd_list,
		.doc = "List the CD drives of VMs, and what is in them."},
	{"vm-cd-add", "cd-name device", "<vm-selectors>", vm_cd_add,
		.doc = "Give VMs a CD drive with a CD in it."},
	{"vm-cd-remove", "cd-name", "<vm-selectors>", vm_cd_remove,
		.doc = "Take the drive that a CD is in from VMs."},
	{"vm-cd-insert", "cd-name", "<vm-selectors>", vm_cd_insert,
		.doc = "Put a CD into the drive of VMs."},
	{"vm-cd-eject", "", "<vm-selectors>", vm_cd_eject,
		.doc = "Take the CD out of the drive of VMs."},
	{"cd-list", "", "params", cd_list, .doc = "List the CDs that there are in SRs."},
};
const size_t n_cli_drive_commands = ARRAY_LEN(cli_drive_commands);
