/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with a VDI: what its SR's type can do, and what those who use it put up with.
 */
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define OP(name)  XENAPI_VDI_OPERATIONS_##name
#define BIT(name) OP_BIT(OP(name))

/* What the SR's type must be able to do; NULL: nothing. */
static const char *const features[] = {
	[OP(CLONE)] = "VDI_CLONE",
	[OP(COPY)] = NULL,
	[OP(RESIZE)] = "VDI_RESIZE",
	[OP(RESIZE_ONLINE)] = "VDI_RESIZE_ONLINE",
	[OP(SNAPSHOT)] = "VDI_SNAPSHOT",
	[OP(MIRROR)] = "VDI_MIRROR",
	[OP(DESTROY)] = "VDI_DELETE",
	[OP(FORGET)] = NULL,
	[OP(UPDATE)] = "VDI_UPDATE",
	[OP(FORCE_UNLOCK)] = NULL,
	[OP(GENERATE_CONFIG)] = "VDI_GENERATE_CONFIG",
	[OP(ENABLE_CBT)] = "VDI_CONFIG_CBT",
	[OP(DISABLE_CBT)] = "VDI_CONFIG_CBT",
	[OP(DATA_DESTROY)] = "VDI_CONFIG_CBT",
	[OP(LIST_CHANGED_BLOCKS)] = "VDI_CONFIG_CBT",
	[OP(SET_ON_BOOT)] = "VDI_RESET_ON_BOOT",
	[OP(BLOCKED)] = NULL,
	[OP(REVERT_TO)] = "VDI_CLONE",
	[OP(REVERT_FROM)] = "VDI_CLONE",
};

/* What clients are told of. */
static const uint64_t listed = BIT(CLONE) | BIT(COPY) | BIT(RESIZE) | BIT(RESIZE_ONLINE) |
	BIT(SNAPSHOT) | BIT(DESTROY) | BIT(FORGET) | BIT(UPDATE) | BIT(GENERATE_CONFIG);

static const uint64_t beside_writer = BIT(SNAPSHOT) | BIT(RESIZE_ONLINE) | BIT(BLOCKED) |
	BIT(CLONE) | BIT(REVERT_TO) | BIT(MIRROR) | BIT(ENABLE_CBT) | BIT(DISABLE_CBT) |
	BIT(DATA_DESTROY);

static struct err *check_users(const char *ref, const struct xenapi_vdi *vdi, int op)
{
	bool is_held = false, is_written = false;

	for (size_t i = 0; i < vdi->VBDs.n; i++) {
		const struct xenapi_vbd *vbd = db_find(vbd, vdi->VBDs.v[i]);

		if (op != OP(DATA_DESTROY))
			TRY(op_check_others(&vbd_rules, vdi->VBDs.v[i], ~UINT64_C(0)));
		if (!vbd_holds(vbd))
			continue;
		is_held = true;
		is_written |= vbd->mode == XENAPI_VBD_MODE_RW;
	}
	uint64_t beside = beside_writer | (is_written ? 0 : BIT(COPY));
	if (is_held && !(beside & OP_BIT(op)))
		return err(VDI_IN_USE, ref, op_name(&vdi_rules, op));
	if (is_written && op == OP(RESIZE_ONLINE))
		return err(NOT_IMPLEMENTED, "another size of a disk that a VM writes to");
	return NULL;
}

static struct err *check_type(
	const char *ref, const struct xenapi_vdi *vdi, const struct xenapi_sr *sr, int op)
{
	const uint64_t of_metadata = BIT(BLOCKED) | BIT(DATA_DESTROY) | BIT(DESTROY) |
		BIT(LIST_CHANGED_BLOCKS) | BIT(FORCE_UNLOCK) | BIT(FORGET) | BIT(GENERATE_CONFIG) |
		BIT(UPDATE);
	const uint64_t loses = BIT(DESTROY) | BIT(REVERT_FROM);

	if (vdi->type == XENAPI_VDI_TYPE_CBT_METADATA && !(of_metadata & OP_BIT(op)))
		return err(VDI_INCOMPATIBLE_TYPE, ref, "cbt_metadata");
	if (vdi->cbt_enabled && (OP_BIT(op) & (BIT(MIRROR) | BIT(SET_ON_BOOT))))
		return err(VDI_CBT_ENABLED, ref);
	if ((loses & OP_BIT(op)) && !strcmp(sr->type, "udev"))
		return err(VDI_IS_A_PHYSICAL_DEVICE, ref);
	if ((loses & OP_BIT(op)) && sr->is_tools_sr)
		return err(SR_OPERATION_NOT_SUPPORTED, vdi->SR);
	if (((loses | BIT(FORGET)) & OP_BIT(op)) && vdi->type == XENAPI_VDI_TYPE_RRD)
		return err(VDI_HAS_RRDS, ref);
	if (op == OP(SNAPSHOT) && vdi->sharable)
		return err_new(__FILE__, __LINE__, "VDI_IS_SHARABLE", 1, &ref);
	if ((OP_BIT(op) & (BIT(SNAPSHOT) | BIT(COPY))) && vdi->on_boot == XENAPI_ON_BOOT_RESET)
		return err(VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION);
	if (op == OP(DATA_DESTROY) && !vdi->is_a_snapshot)
		return err(OPERATION_NOT_ALLOWED, "VDI is not a snapshot");
	if (op == OP(DATA_DESTROY) && !vdi->cbt_enabled)
		return err(VDI_NO_CBT_METADATA, ref);
	if (op == OP(REVERT_TO) && !vdi->is_a_snapshot)
		return err_new(__FILE__, __LINE__, "ONLY_REVERT_SNAPSHOT", 1, &ref);
	return NULL;
}

static struct err *check(const char *ref, int op, bool really)
{
	const struct xenapi_vdi *vdi = db_find(vdi, ref);
	const struct xenapi_sr *sr = db_find(sr, vdi->SR);
	uint64_t beside = BIT(COPY);

	if (!sr)
		return err(HANDLE_INVALID, "SR", vdi->SR);
	if (op == OP(DESTROY))
		beside |= BIT(MIRROR);
	if (op == OP(SNAPSHOT))
		beside = 0;
	TRY(op_check_others(&vdi_rules, ref, ~beside));
	TRY(check_type(ref, vdi, sr, op));
	TRY(check_users(ref, vdi, op));
	if (op == OP(RESIZE) && !sr_is_plugged(sr, NULL))
		return err(SR_HAS_NO_PBDS, vdi->SR);
	if (features[op] && !sr_has_feature(sr, features[op]))
		return err(SR_OPERATION_NOT_SUPPORTED, vdi->SR);
	return NULL;
}

static uint64_t candidates(const char *ref)
{
	return listed;
}

const struct op_rules vdi_rules = {
	.class = &xenapi_class_vdi,
	.operations = &xenapi_type_vdi_operations,
	.allowed = offsetof(struct xenapi_vdi, allowed_operations),
	.current = offsetof(struct xenapi_vdi, current_operations),
	.check = check,
	.candidates = candidates,
};
