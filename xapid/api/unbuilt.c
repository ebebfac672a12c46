/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients of the original ask for over HTTP and is not built: it is refused by name, to those
 * who might have it, and the task that stands for it fails, so that nobody waits for it. What is
 * built has a row of its own somewhere else, and leaves this table.
 */
#include "xapid/api/unbuilt.h"

#include "core.gen.h"
#include "xapid/door/door.h"

static MAY_WAIT struct err *refuse(struct exchange *x)
{
	return err(NOT_IMPLEMENTED,
		arena_printf(x->arena, "%s %s", x->request.method, x->request.path));
}

#define UNBUILT(m, p, a, r) \
	{ \
		.method = m, .path = p, .action = a, .role = r, .fn = refuse \
	}

void unbuilt_serve(void)
{
	static const struct route routes[] = {
		UNBUILT("PUT", "/import", "put_import", "vm-admin"),
		UNBUILT("PUT", "/import_metadata", "put_import_metadata", "vm-admin"),
		UNBUILT("GET", "/export", "get_export", "vm-admin"),
		UNBUILT("GET", "/export_metadata", "get_export_metadata", "vm-admin"),
		UNBUILT("GET", "/export_raw_vdi", "get_export_raw_vdi", "vm-admin"),
		UNBUILT("GET", "/host_backup", "get_host_backup", "pool-admin"),
		UNBUILT("PUT", "/host_restore", "put_host_restore", "pool-admin"),
		UNBUILT("PUT", "/pool_patch_upload", "put_pool_patch_upload", "pool-operator"),
		UNBUILT("GET", "/vncsnapshot", "get_vncsnapshot", "vm-operator"),
		UNBUILT("GET", "/sr_rrd", "sr_rrd", "read-only"),
		UNBUILT("PUT", "/rrd", "rrd", "pool-admin"),
		UNBUILT("PUT", "/messages", "put_messages", "vm-power-admin"),
		UNBUILT("GET", "/services", "get_services", "read-only"),
		UNBUILT("PUT", "/services", "put_services", "pool-admin"),
		UNBUILT("GET", "/wlb_report", "get_wlb_report", "read-only"),
		UNBUILT("GET", "/wlb_diagnostics", "get_wlb_diagnostics", "read-only"),
		UNBUILT("PUT", "/bundle", "put_bundle", "pool-operator"),
	};

	door_add_routes(routes, ARRAY_LEN(routes));
}
