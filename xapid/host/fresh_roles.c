/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The roles as objects (fresh.h). What they allow is the model's; these are for clients to name and
 * show. Their references are the same in every pool.
 */
#include "xapid/host/fresh.h"

#include <stdio.h>

static const struct {
	const char *uuid, *name, *description;
	bool is_internal;
} roles[] = {
	{"0165f154-ba3e-034e-6b27-5d271af109ba", "pool-admin",
		"May do everything, also decide who may do what", false},
	{"b9ce9791-0604-50cd-0649-09b3284c7dfd", "pool-operator",
		"Looks after hosts, storage, networks and the pool as a whole", false},
	{"7955168d-7bec-10ed-105f-c6a7e6e63249", "vm-power-admin",
		"Makes and changes VMs, and decides where they run and what memory they get",
		false},
	{"aaa00ab5-7340-bfbc-0d1b-7cf342639a6e", "vm-admin", "Makes and changes VMs and templates",
		false},
	{"fb8d4ff9-310c-a959-0613-54101535d3d5", "vm-operator", "Starts, stops and uses VMs",
		false},
	{"2c42debf-c64a-2ecd-f674-3350f06409f7", "client-cert",
		"Has shown the certificate that the pool trusts", true},
	{"7233b8e3-eacb-d7da-2c95-f2e581cdbf4e", "read-only", "Sees everything and changes nothing",
		false},
};

const size_t fresh_n_roles = ARRAY_LEN(roles);

void fresh_role(size_t i, struct xenapi_role *role, char ref[static DB_REF_SIZE])
{
	snprintf(ref, DB_REF_SIZE, "OpaqueRef:%s", roles[i].uuid);
	*role = db_blank(role);
	role->uuid = roles[i].uuid;
	role->name_label = roles[i].name;
	role->name_description = roles[i].description;
	role->is_internal = roles[i].is_internal;
}

struct err *fresh_roles(void)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		struct xenapi_role role;
		char ref[DB_REF_SIZE];

		fresh_role(i, &role, ref);
		if (!db_find(role, ref))
			TRY(db_create_as(role, &role, ref));
	}
	return NULL;
}
