/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM.destroy: the rows of the VM and of what is only its own go. Its disks stay: clients say
 * themselves which of them are to go too.
 */
#include "common/clock.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/blob.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

/* The VDIs whose drives go may do more afterwards. */
static struct err *delete_vbds(const struct string_list *vbds)
{
	for (size_t i = 0; i < vbds->n; i++) {
		auto_arena arena = {0};
		const struct xenapi_vbd *vbd = db_find(vbd, vbds->v[i]);
		const char *vdi = arena_strdup(&arena, vbd->VDI);

		TRY(db_delete(vbd, vbds->v[i]));
		op_list_one(&vdi_rules, vdi);
	}
	return NULL;
}

static struct err *delete_rows(const char *ref)
{
	auto_arena arena = {0};
	const struct xenapi_vm *vm = db_find(vm, ref);
	struct string_list vbds = metadata_list(&vm->VBDs, &arena);
	struct string_list vifs = metadata_list(&vm->VIFs, &arena);
	struct string_list vusbs = metadata_list(&vm->VUSBs, &arena);
	struct string_list consoles = metadata_list(&vm->consoles, &arena);
	const char *metrics = arena_strdup(&arena, vm->metrics);
	const char *guest = arena_strdup(&arena, vm->guest_metrics);

	TRY(delete_vbds(&vbds));
	for (size_t i = 0; i < vifs.n; i++)
		TRY(db_delete(vif, vifs.v[i]));
	for (size_t i = 0; i < vusbs.n; i++)
		TRY(db_delete(vusb, vusbs.v[i]));
	for (size_t i = 0; i < consoles.n; i++)
		TRY(db_delete(console, consoles.v[i]));
	TRY(db_delete(vm, ref));
	if (db_find(vm_metrics, metrics))
		TRY(db_delete(vm_metrics, metrics));
	if (db_find(vm_guest_metrics, guest))
		TRY(db_delete(vm_guest_metrics, guest));
	return NULL;
}

MAY_WAIT struct err *plan_vm_drop_memory(struct call *c, const char *vm)
{
	const struct xenapi_vm *row;

	TRY(db_get(vm, vm, &row));
	const char *vdi = arena_strdup(c->arena, row->suspend_VDI);
	TRY(db_write(vm, vm, suspend_VDI, REF_NULL));
	return db_find(vdi, vdi) ? plan_vdi_destroy(c, vdi) : NULL;
}

MAY_WAIT struct err *plan_vm_destroy(struct call *c, const char *vm)
{
	AUTO(op_end) struct op doing = {0};

	TRY(op_begin(&doing, &vm_rules, vm, XENAPI_VM_OPERATIONS_DESTROY, call_task(c)));
	TRY(plan_vm_drop_memory(c, vm));
	TRY(blob_destroy_all(&xenapi_class_vm, vm));
	return db_find(vm, vm) ? delete_rows(vm) : NULL;
}
