/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checks what a client says (check.h), before anything is done.
 */
#include "networkd/check.h"

#include "core.gen.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

struct err *check_name(const char *path, const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ)
		return err(INVALID_VALUE, path, "a name has 1 to 15 characters");
	if (strspn(name, LETTERS DIGITS "._-") != len || !strchr(LETTERS DIGITS, name[0]))
		return err(INVALID_VALUE, path,
			"a name is of letters, digits, '.', '_' and '-', and begins with one of "
			"the first two");
	/* What the kernel's settings call every interface, and those that come. */
	if (!strcmp(name, "all") || !strcmp(name, "default"))
		return err(INVALID_VALUE, path, "this name has a meaning of its own");
	return NULL;
}

struct err *check_mac(const char *path, const char *mac)
{
	unsigned b[6];
	int end = 0;

	if (sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		    &end) != 6 ||
		end != 17 || mac[end] || strspn(mac, DIGITS "abcdefABCDEF:") != 17)
		return err(INVALID_VALUE, path, "not a MAC like 02:00:00:12:34:56");
	if (b[0] & 1)
		return err(INVALID_VALUE, path, "the MAC is that of a group");
	return NULL;
}

struct err *check_mtu(const char *path, int64_t mtu)
{
	if (mtu < 68 || mtu > 65535)
		return err(INVALID_VALUE, path, "not between 68 and 65535");
	return NULL;
}

struct err *check_address(
	const char *path, int family, const char *text, struct arena *a, const char **out)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char canonical[INET6_ADDRSTRLEN];

	if (inet_pton(family, text, bytes) != 1)
		return err(INVALID_VALUE, path,
			family == AF_INET ? "not an IPv4 address" : "not an IPv6 address");
	*out = arena_strdup(a, inet_ntop(family, bytes, canonical, sizeof(canonical)));
	return NULL;
}

/* "ADDRESS/LENGTH": the bytes, and the length. */
static struct err *parse_prefix(
	const char *path, int family, const char *text, unsigned char *bytes, unsigned *length)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t digits = slash ? strspn(slash + 1, DIGITS) : 0;

	if (!slash || digits < 1 || digits > 3 || slash[1 + digits] ||
		(size_t)(slash - text) >= sizeof(address))
		return err(INVALID_VALUE, path, "not an address with prefix length");
	*length = (unsigned)strtoul(slash + 1, NULL, 10);
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	if (inet_pton(family, address, bytes) != 1 || *length > (family == AF_INET ? 32 : 128))
		return err(INVALID_VALUE, path,
			family == AF_INET ? "not an IPv4 address with prefix length"
					  : "not an IPv6 address with prefix length");
	return NULL;
}

static const char *prefix_text(
	int family, const unsigned char *bytes, unsigned length, struct arena *a)
{
	char text[INET6_ADDRSTRLEN];

	return arena_printf(a, "%s/%u", inet_ntop(family, bytes, text, sizeof(text)), length);
}

struct err *check_prefix(
	const char *path, int family, const char *text, struct arena *a, const char **out)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	unsigned length;

	TRY(parse_prefix(path, family, text, bytes, &length));
	if (length == 0)
		return err(INVALID_VALUE, path, "an interface's prefix is not empty");
	*out = prefix_text(family, bytes, length, a);
	return NULL;
}

struct err *check_subnet(
	const char *path, int family, const char *text, struct arena *a, const char **out)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	unsigned length;

	TRY(parse_prefix(path, family, text, bytes, &length));
	for (unsigned bit = length; bit < (family == AF_INET ? 32u : 128u); bit++)
		bytes[bit / 8] &= (unsigned char)~(0x80u >> bit % 8);
	*out = prefix_text(family, bytes, length, a);
	return NULL;
}

bool check_is_guest(const char *name)
{
	if (strncmp(name, "vif", 3) && strncmp(name, "tap", 3))
		return false;
	const char *domain = name + 3;
	size_t n = strspn(domain, DIGITS);
	if (n == 0 || domain[n] != '.')
		return false;
	const char *device = domain + n + 1;
	return *device && !device[strspn(device, DIGITS)];
}
