/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VIF: the addresses that a guest's agent is told to use, at once where the VIF is plugged.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool is_address(int family, const char *text, size_t len)
{
	char copy[INET6_ADDRSTRLEN];
	unsigned char out[sizeof(struct in6_addr)];

	if (!len || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return inet_pton(family, copy, out) == 1;
}

static bool is_prefix_length(const char *text, unsigned max)
{
	size_t n = strspn(text, "0123456789");

	return n && n <= 3 && !text[n] && strtoul(text, NULL, 10) <= max;
}

/* An address with its prefix length, and perhaps a gateway. */
static struct err *check(const struct plan_addresses *how)
{
	int family = how->is_v6 ? AF_INET6 : AF_INET;
	const char *slash = strchr(how->address, '/');

	if (!slash || !is_address(family, how->address, (size_t)(slash - how->address)) ||
		!is_prefix_length(slash + 1, how->is_v6 ? 128 : 32))
		return err(INVALID_CIDR_ADDRESS_SPECIFIED, "address");
	if (*how->gateway && !is_address(family, how->gateway, strlen(how->gateway)))
		return err(INVALID_IP_ADDRESS_SPECIFIED, "gateway");
	return NULL;
}

MAY_WAIT struct err *xapi_vif_configure_ipv4(
	struct call *c, const struct xenapi_vif_configure_ipv4_in *in)
{
	bool is_static = in->mode == XENAPI_VIF_IPV4_CONFIGURATION_MODE_STATIC;
	const struct plan_addresses how = {
		false, is_static ? in->address : "", is_static ? in->gateway : ""};
	const struct string_list list = {(const char **)&how.address, is_static};

	if (is_static)
		TRY(check(&how));
	TRY(plan_vif_configure(c, in->self, &how));
	TRY(db_write(vif, in->self, ipv4_configuration_mode, in->mode));
	TRY(db_write(vif, in->self, ipv4_addresses, list));
	return db_write(vif, in->self, ipv4_gateway, how.gateway);
}

MAY_WAIT struct err *xapi_vif_configure_ipv6(
	struct call *c, const struct xenapi_vif_configure_ipv6_in *in)
{
	bool is_static = in->mode == XENAPI_VIF_IPV6_CONFIGURATION_MODE_STATIC;
	const struct plan_addresses how = {
		true, is_static ? in->address : "", is_static ? in->gateway : ""};
	const struct string_list list = {(const char **)&how.address, is_static};

	if (is_static)
		TRY(check(&how));
	TRY(plan_vif_configure(c, in->self, &how));
	TRY(db_write(vif, in->self, ipv6_configuration_mode, in->mode));
	TRY(db_write(vif, in->self, ipv6_addresses, list));
	return db_write(vif, in->self, ipv6_gateway, how.gateway);
}
