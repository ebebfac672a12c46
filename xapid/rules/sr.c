/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with an SR: what its type can do (the features of its SM), one thing at a time.
 */
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define OP(name) XENAPI_STORAGE_OPERATIONS_##name
#define ALL      (OP_BIT(XENAPI_STORAGE_OPERATIONS_PBD_DESTROY + 1) - 1)

/* What the SR's type must be able to do; NULL: nothing. */
static const char *const features[] = {
	[OP(UPDATE)] = "SR_UPDATE",
	[OP(VDI_CREATE)] = "VDI_CREATE",
	[OP(VDI_INTRODUCE)] = "VDI_INTRODUCE",
	[OP(VDI_DESTROY)] = "VDI_DELETE",
	[OP(VDI_RESIZE)] = "VDI_RESIZE",
	[OP(VDI_CLONE)] = "VDI_SNAPSHOT",
	[OP(VDI_SNAPSHOT)] = "VDI_SNAPSHOT",
	[OP(VDI_MIRROR)] = "VDI_MIRROR",
	[OP(VDI_ENABLE_CBT)] = "VDI_CONFIG_CBT",
	[OP(VDI_DISABLE_CBT)] = "VDI_CONFIG_CBT",
	[OP(VDI_DATA_DESTROY)] = "VDI_CONFIG_CBT",
	[OP(VDI_LIST_CHANGED_BLOCKS)] = "VDI_CONFIG_CBT",
	[OP(VDI_SET_ON_BOOT)] = "VDI_RESET_ON_BOOT",
	[OP(VDI_RESIZE_ONLINE)] = "VDI_RESIZE_ONLINE",
	[OP(VDI_REVERT)] = "VDI_REVERT",
	[OP(PBD_DESTROY)] = NULL,
};

/* Of the operations on its VDIs, those that clients are told of. */
static const uint64_t listed = OP_BIT(OP(SCAN)) | OP_BIT(OP(DESTROY)) | OP_BIT(OP(FORGET)) |
	OP_BIT(OP(PLUG)) | OP_BIT(OP(UNPLUG)) | OP_BIT(OP(UPDATE)) | OP_BIT(OP(VDI_CREATE)) |
	OP_BIT(OP(VDI_INTRODUCE)) | OP_BIT(OP(VDI_DESTROY)) | OP_BIT(OP(VDI_RESIZE)) |
	OP_BIT(OP(VDI_CLONE)) | OP_BIT(OP(VDI_SNAPSHOT)) | OP_BIT(OP(VDI_MIRROR)) |
	OP_BIT(OP(VDI_ENABLE_CBT)) | OP_BIT(OP(VDI_DISABLE_CBT)) | OP_BIT(OP(VDI_DATA_DESTROY)) |
	OP_BIT(OP(VDI_LIST_CHANGED_BLOCKS)) | OP_BIT(OP(VDI_SET_ON_BOOT)) | OP_BIT(OP(PBD_CREATE)) |
	OP_BIT(OP(PBD_DESTROY));

bool sr_has_feature(const struct xenapi_sr *sr, const char *feature)
{
	db_for_each (sm, row) {
		const struct xenapi_sm *sm = db_record(row);

		if (strcmp(sm->type, sr->type))
			continue;
		for (size_t i = 0; i < sm->features.n; i++) {
			if (!strcmp(sm->features.v[i].key, feature))
				return true;
		}
	}
	return false;
}

bool sr_is_plugged(const struct xenapi_sr *sr, const char **pbd)
{
	for (size_t i = 0; i < sr->PBDs.n; i++) {
		const struct xenapi_pbd *record = db_find(pbd, sr->PBDs.v[i]);

		if (!record || !record->currently_attached)
			continue;
		if (pbd)
			*pbd = sr->PBDs.v[i];
		return true;
	}
	return false;
}

static bool has_managed_vdis(const struct xenapi_sr *sr)
{
	for (size_t i = 0; i < sr->VDIs.n; i++) {
		const struct xenapi_vdi *vdi = db_find(vdi, sr->VDIs.v[i]);

		if (vdi && vdi->managed && vdi->type != XENAPI_VDI_TYPE_RRD)
			return true;
	}
	return false;
}

static struct err *check(const char *ref, int op, bool really)
{
	const struct xenapi_sr *sr = db_find(sr, ref);
	uint64_t beside = op == OP(PLUG) ? OP_BIT(OP(PLUG)) : 0;

	TRY(op_check_others(&sr_rules, ref, ALL & ~beside));
	if (features[op] && !sr_has_feature(sr, features[op]))
		return err(SR_OPERATION_NOT_SUPPORTED, ref);
	if (sr->is_tools_sr && (op == OP(VDI_CREATE) || op == OP(VDI_DESTROY)))
		return err(SR_OPERATION_NOT_SUPPORTED, ref);
	if ((op == OP(DESTROY) || op == OP(FORGET)) && sr_is_plugged(sr, NULL))
		return err(SR_HAS_PBD, ref);
	if (op == OP(DESTROY) && !sr->PBDs.n)
		return err(SR_HAS_NO_PBDS, ref);
	if (op == OP(DESTROY) && has_managed_vdis(sr))
		return err(SR_NOT_EMPTY);
	return NULL;
}

static uint64_t candidates(const char *ref)
{
	return listed;
}

/* Whether it is plugged decides what its VDIs may do; nothing else of it does. */
void rules_sr_plugged(const char *ref)
{
	const struct xenapi_sr *sr = db_find(sr, ref);

	op_list(&sr_rules, ref);
	for (size_t i = 0; sr && i < sr->VDIs.n; i++)
		op_list_one(&vdi_rules, sr->VDIs.v[i]);
}

const struct op_rules sr_rules = {
	.class = &xenapi_class_sr,
	.operations = &xenapi_type_storage_operations,
	.allowed = offsetof(struct xenapi_sr, allowed_operations),
	.current = offsetof(struct xenapi_sr, current_operations),
	.check = check,
	.candidates = candidates,
};
