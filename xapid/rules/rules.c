/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All rules at the start of xapid: no operation outlives it, and what may be done is volatile.
 */
#include "xapid/rules/rules.h"

#include "xapid/db/db.h"

void rules_start(void)
{
	static const struct op_rules *const all[] = {&host_rules, &network_rules, &sr_rules,
		&vdi_rules, &vbd_rules, &vif_rules, &vm_rules, &appliance_rules};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		op_clear(all[i]);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		db_for_each_of (all[i]->class, row)
			op_list_one(all[i], db_ref(row));
	}
}
