/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * crashdump and secret: what little is done with them beside what follows from their fields.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"

/* With its disk. */
MAY_WAIT struct err *xapi_crashdump_destroy(
	struct call *c, const struct xenapi_crashdump_destroy_in *in)
{
	const struct xenapi_crashdump *crashdump;

	TRY(db_get(crashdump, in->self, &crashdump));
	const char *vdi = arena_strdup(c->arena, crashdump->VDI);
	if (db_find(vdi, vdi))
		TRY(plan_vdi_destroy(c, vdi));
	return db_find(crashdump, in->self) ? db_delete(crashdump, in->self) : NULL;
}

/* Of another pool: under its uuid. */
MAY_WAIT struct err *xapi_secret_introduce(
	struct call *c, const struct xenapi_secret_introduce_in *in, const char **out)
{
	struct xenapi_secret row = db_blank(secret);
	const char *ref;

	row.uuid = in->uuid;
	row.value = in->value;
	row.other_config = in->other_config;
	TRY(db_create(secret, &row, &ref));
	*out = arena_strdup(c->arena, ref);
	return NULL;
}
