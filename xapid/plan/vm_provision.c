/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM.provision: the disks that the template asks for in other_config:disks are made, and the
 * template is a VM. Its form:
 *
 *	<provision><disk device="0" size="8589934592" sr="UUID" bootable="true" type="system"/>…
 *
 * An empty sr is the pool's default SR.
 */
#include "common/clock.h"
#include "common/undo.h"
#include "common/xml.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define MAX_DISKS 256

struct provision {
	struct call *call;
	const char *vm;
	const char **vdis; /* made so far */
	size_t n_vdis;
	const char **vbds;
	size_t n_vbds;
};

static const char *attr(const struct xml_node *node, const char *name, const char *fallback)
{
	const char *value = xml_attr_value(node, name);

	return value ? value : fallback;
}

static struct err *sr_of(const char *uuid, const char **out)
{
	const struct xenapi_pool *pool = db_first(pool);

	if (*uuid)
		return db_get_uuid(sr, uuid, out);
	if (!pool || !db_find(sr, pool->default_SR))
		return err(DEFAULT_SR_NOT_FOUND, pool ? pool->default_SR : REF_NULL);
	*out = pool->default_SR;
	return NULL;
}

static struct err *add_vbd(struct provision *p, const struct xml_node *disk, const char *vdi)
{
	struct xenapi_vbd vbd = db_blank(vbd);
	const char *ref;

	vbd.VM = p->vm;
	vbd.VDI = vdi;
	vbd.userdevice = attr(disk, "device", "0");
	vbd.bootable = !strcmp(attr(disk, "bootable", "false"), "true");
	vbd.mode = XENAPI_VBD_MODE_RW;
	vbd.type = XENAPI_VBD_TYPE_DISK;
	TRY(db_create(vbd, &vbd, &ref));
	p->vbds[p->n_vbds++] = arena_strdup(p->call->arena, ref);
	return NULL;
}

static MAY_WAIT struct err *make_disk(struct provision *p, const struct xml_node *disk)
{
	const struct xenapi_vm *vm = db_find(vm, p->vm);
	struct xenapi_vdi vdi = db_blank(vdi);
	const char *type = attr(disk, "type", "user");
	const struct type_case *kind = type_case_named(&xenapi_type_vdi_type, type, strlen(type));
	const char *sr, *made;

	TRY(sr_of(attr(disk, "sr", ""), &sr));
	vdi.SR = arena_strdup(p->call->arena, sr);
	vdi.virtual_size = strtoll(attr(disk, "size", "0"), NULL, 10);
	vdi.type = kind ? (enum xenapi_vdi_type)kind->value : XENAPI_VDI_TYPE_USER;
	vdi.name_label =
		arena_printf(p->call->arena, "%s %s", vm->name_label, attr(disk, "device", "0"));
	vdi.name_description = "Created by template provisioner";
	TRY(plan_vdi_create(p->call, &vdi, &made));
	p->vdis[p->n_vdis++] = made;
	return add_vbd(p, disk, made);
}

static MAY_WAIT struct err *take_back(void *arg)
{
	struct provision *p = arg;
	struct err *first = NULL;

	while (p->n_vbds) {
		const char *vbd = p->vbds[--p->n_vbds];

		if (db_find(vbd, vbd))
			err_free(db_delete(vbd, vbd));
	}
	while (p->n_vdis) {
		struct err *e = plan_vdi_destroy(p->call, p->vdis[--p->n_vdis]);

		if (first)
			err_free(e);
		else
			first = e;
	}
	return first;
}

static struct err *read_disks(struct provision *p, const struct xml_node **first)
{
	const struct xml_limits limits = {.size = 64 << 10, .depth = 8};
	const struct xenapi_vm *vm = db_find(vm, p->vm);
	const char *text = string_map_get(&vm->other_config, "disks");
	const struct xml_node *root;

	*first = NULL;
	if (!text || !*text)
		return NULL;
	TRY(xml_parse(text, strlen(text), &limits, p->call->arena, &root));
	*first = root->first;
	p->vdis = arena_calloc(p->call->arena, MAX_DISKS, sizeof(*p->vdis));
	p->vbds = arena_calloc(p->call->arena, MAX_DISKS, sizeof(*p->vbds));
	return NULL;
}

static MAY_WAIT struct err *make_disks(struct provision *p)
{
	const struct xml_node *disk;

	TRY(read_disks(p, &disk));
	for (; disk; disk = disk->next) {
		if (strcmp(disk->name, "disk") != 0)
			continue;
		if (p->n_vdis == MAX_DISKS)
			return err(INVALID_VALUE, "other_config:disks", "too many disks");
		TRY(make_disk(p, disk));
		TRY(call_check(p->call));
	}
	return NULL;
}

static struct err *note_installed(const char *vm)
{
	const char *metrics = ((const struct xenapi_vm *)db_find(vm, vm))->metrics;

	return db_find(vm_metrics, metrics)
		? db_write(vm_metrics, metrics, install_time, clock_real_ns() / NS_PER_S)
		: NULL;
}

MAY_WAIT struct err *plan_vm_provision(struct call *c, const char *vm)
{
	AUTO(op_end) struct op doing = {0};
	AUTO(undo_run) struct undo undo = {0};
	struct provision p = {.call = c, .vm = vm};

	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_PROVISION, call_task(c)));
	undo_push(&undo, take_back, &p, "destroying the new disks");
	TRY(make_disks(&p));
	TRY(db_map_remove(vm, vm, other_config, "disks"));
	TRY(db_write(vm, vm, is_default_template, false));
	TRY(db_write(vm, vm, is_a_template, false));
	TRY(note_installed(vm));
	return undo_commit(&undo);
}
