/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a network is for, beside its guests: whether disks are served over it by NBD, and whether
 * with TLS, which is one or the other.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"

#include <string.h>

static const char *name_of(enum xenapi_network_purpose purpose)
{
	return type_case_name(&xenapi_type_network_purpose, (int)purpose);
}

static enum xenapi_network_purpose opposite(enum xenapi_network_purpose purpose)
{
	return purpose == XENAPI_NETWORK_PURPOSE_NBD ? XENAPI_NETWORK_PURPOSE_INSECURE_NBD
						     : XENAPI_NETWORK_PURPOSE_NBD;
}

MAY_WAIT struct err *xapi_network_add_purpose(
	struct call *c, const struct xenapi_network_add_purpose_in *in)
{
	const struct xenapi_network *network;

	TRY(db_get(network, in->self, &network));
	for (size_t i = 0; i < network->purpose.n; i++)
		if (network->purpose.v[i] == opposite(in->value))
			return err(NETWORK_INCOMPATIBLE_PURPOSES, name_of(in->value),
				name_of(opposite(in->value)));
	return db_set_add(network, in->self, purpose, in->value);
}

MAY_WAIT struct err *xapi_network_remove_purpose(
	struct call *c, const struct xenapi_network_remove_purpose_in *in)
{
	const struct xenapi_network *network;

	TRY(db_get(network, in->self, &network));
	return db_set_remove(network, in->self, purpose, in->value);
}
