/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client may say: names of interfaces, MACs, addresses, MTUs. What does not fit is
 * INVALID_VALUE with PATH, the name of the argument. Any thread.
 */
#ifndef XENITH_NETWORKD_CHECK_H
#define XENITH_NETWORKD_CHECK_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

/* A name that the kernel takes and that no path, script or sysctl misunderstands. */
must_check struct err *check_name(const char *path, const char *name);
must_check struct err *check_mac(const char *path, const char *mac);
must_check struct err *check_mtu(const char *path, int64_t mtu);
/* FAMILY is AF_INET or AF_INET6; *OUT is the one way to write it. */
must_check struct err *check_address(
	const char *path, int family, const char *text, struct arena *a, const char **out);
/* With prefix length; of a subnet the bits behind it are cleared. */
must_check struct err *check_prefix(
	const char *path, int family, const char *text, struct arena *a, const char **out);
must_check struct err *check_subnet(
	const char *path, int family, const char *text, struct arena *a, const char **out);
/* Whether it is the name of a guest's interface: vif3.0, tap3.0. */
bool check_is_guest(const char *name);

#endif
