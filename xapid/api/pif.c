/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PIF: this host's network interfaces, plugged and given addresses. That of the management is left
 * alone: it would cut off whoever asked.
 */
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/plan/plan.h"

#include <arpa/inet.h>
#include <string.h>

MAY_WAIT struct err *xapi_pif_plug(struct call *c, const struct xenapi_pif_plug_in *in)
{
	return plan_pif_plug(in->self);
}

MAY_WAIT struct err *xapi_pif_unplug(struct call *c, const struct xenapi_pif_unplug_in *in)
{
	const struct xenapi_pif *pif;
	const struct xenapi_network *network;

	TRY(db_get(pif, in->self, &pif));
	if (pif->management)
		return err(PIF_IS_MANAGEMENT_INTERFACE, in->self);
	if (pif->disallow_unplug)
		return err(PIF_DOES_NOT_ALLOW_UNPLUG, in->self);
	TRY(db_get(network, pif->network, &network));
	for (size_t i = 0; i < network->VIFs.n; i++) {
		const struct xenapi_vif *vif = db_find(vif, network->VIFs.v[i]);

		if (vif->currently_attached)
			return err(VIF_IN_USE, pif->network, network->VIFs.v[i]);
	}
	return plan_pif_unplug(in->self);
}

MAY_WAIT struct err *xapi_pif_set_disallow_unplug(
	struct call *c, const struct xenapi_pif_set_disallow_unplug_in *in)
{
	return db_write(pif, in->self, disallow_unplug, in->value);
}

static struct err *check_address(const char *field, const char *text, bool is_needed)
{
	struct in_addr in;

	if ((!*text && !is_needed) || inet_pton(AF_INET, text, &in) == 1)
		return NULL;
	return err_new(__FILE__, __LINE__, "INVALID_IP_ADDRESS_SPECIFIED", 1, &field);
}

MAY_WAIT struct err *xapi_pif_reconfigure_ip(
	struct call *c, const struct xenapi_pif_reconfigure_ip_in *in)
{
	bool is_static = in->mode == XENAPI_IP_CONFIGURATION_MODE_STATIC;
	const struct xenapi_pif *pif;

	TRY(db_get(pif, in->self, &pif));
	bool is_plugged = pif->currently_attached;
	if (pif->management)
		return err(NOT_IMPLEMENTED, "PIF.reconfigure_ip of the management interface");
	if (is_static) {
		TRY(check_address("IP", in->IP, true));
		TRY(check_address("netmask", in->netmask, true));
		TRY(check_address("gateway", in->gateway, false));
	}
	TRY(db_write(pif, in->self, ip_configuration_mode, in->mode));
	TRY(db_write(pif, in->self, IP, is_static ? in->IP : ""));
	TRY(db_write(pif, in->self, netmask, is_static ? in->netmask : ""));
	TRY(db_write(pif, in->self, gateway, is_static ? in->gateway : ""));
	TRY(db_write(pif, in->self, DNS, is_static ? in->DNS : ""));
	return is_plugged ? plan_pif_plug(in->self) : NULL;
}
