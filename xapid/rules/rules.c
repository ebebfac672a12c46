/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All rules at the start of xapid: no operation outlives it, and what may be done is volatile.
 */
#include "xapid/rules/rules.h"

#include "xapid/db/db.h"

#include <string.h>

static const struct op_rules *const all[] = {&host_rules, &network_rules, &sr_rules, &vdi_rules,
	&vbd_rules, &vif_rules, &vm_rules, &appliance_rules, &pool_rules};

const struct op_rules *rules_of(const char *class)
{
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!strcmp(all[i]->class->name, class))
			return all[i];
	return NULL;
}

void rules_start(void)
{
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		op_clear(all[i]);
	rules_list();
}

void rules_list(void)
{
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		db_for_each_of (all[i]->class, row)
			op_list_one(all[i], db_ref(row));
	}
}
