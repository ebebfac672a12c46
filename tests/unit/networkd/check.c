/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * networkd/check.c: what a client may call an interface, and the one form of each address.
 */
#include "networkd/check.h"

#include "core.gen.h"
#include "tests/unit/test.h"

#include <string.h>
#include <sys/socket.h>

static void names(void **state)
{
	static const char *const good[] = {
		"eth0", "xenbr0", "vif3.0", "bond0.100", "fifteen-letters", "0a", "a_b"};
	static const char *const bad[] = {"", "sixteen--letters", "..", ".", "a/b", "a b", "-a",
		"a:1", "all", "default", "a\n", "\xc3\xa4", "%s", "*"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK_OK(check_name("name", good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_ERR(check_name("name", bad[i]), INVALID_VALUE);
}

static void macs(void **state)
{
	static const char *const bad[] = {"", "02:00:00:00:00", "02:00:00:00:00:0",
		"02:00:00:00:00:00:00", "02-00-00-00-00-00", "01:00:00:00:00:00",
		"02:00:00:00:00:0g", "0x:00:00:00:00:00", " 2:00:00:00:00:00", "2:000:00:00:00:00"};

	CHECK_OK(check_mac("mac", "02:00:00:aB:cD:ef"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_ERR(check_mac("mac", bad[i]), INVALID_VALUE);
}

static void mtus(void **state)
{
	CHECK_OK(check_mtu("mtu", 68));
	CHECK_OK(check_mtu("mtu", 65535));
	CHECK_ERR(check_mtu("mtu", 67), INVALID_VALUE);
	CHECK_ERR(check_mtu("mtu", 65536), INVALID_VALUE);
	CHECK_ERR(check_mtu("mtu", INT64_MIN), INVALID_VALUE);
}

static void addresses(void **state)
{
	auto_arena a = {0};
	const char *out;

	CHECK_OK(check_prefix("ip", AF_INET, "192.0.2.7/24", &a, &out));
	assert_string_equal(out, "192.0.2.7/24");
	CHECK_OK(check_prefix("ip", AF_INET6, "2001:DB8:0:0::7/064", &a, &out));
	assert_string_equal(out, "2001:db8::7/64");
	CHECK_OK(check_subnet("ip", AF_INET, "198.51.100.77/26", &a, &out));
	assert_string_equal(out, "198.51.100.64/26");
	CHECK_OK(check_subnet("ip", AF_INET, "1.2.3.4/0", &a, &out));
	assert_string_equal(out, "0.0.0.0/0");
	CHECK_OK(check_address("ip", AF_INET6, "FE80::0:1", &a, &out));
	assert_string_equal(out, "fe80::1");
}

static void addresses_that_are_none(void **state)
{
	static const char *const bad[] = {"", "/", "192.0.2.7", "192.0.2.7/", "192.0.2.7/33",
		"192.0.2.7/0", "192.0.2.7/24x", "192.0.2/24", "192.0.2.7/-1", "192.0.2.7/0024",
		"2001:db8::7/64"};
	auto_arena a = {0};
	const char *out = "untouched";

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_ERR(check_prefix("ip", AF_INET, bad[i], &a, &out), INVALID_VALUE);
	CHECK_ERR(check_prefix("ip", AF_INET6, "2001:db8::7/129", &a, &out), INVALID_VALUE);
	CHECK_ERR(check_address("ip", AF_INET, "192.0.2.7/24", &a, &out), INVALID_VALUE);
	assert_string_equal(out, "untouched");
}

static void guests(void **state)
{
	assert_true(check_is_guest("vif3.0"));
	assert_true(check_is_guest("tap12.34"));
	assert_false(check_is_guest("vif3"));
	assert_false(check_is_guest("vif3."));
	assert_false(check_is_guest("vif.0"));
	assert_false(check_is_guest("vif3.0x"));
	assert_false(check_is_guest("eth0"));
}

TEST_MAIN(TEST(names), TEST(macs), TEST(mtus), TEST(addresses), TEST(addresses_that_are_none),
	TEST(guests))
