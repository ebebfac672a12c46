/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * networkd/guest.c: interfaces of guests that are kept, replaced, forgotten, and read back or
 * refused.
 */
#include "networkd/guest.h"

#include "common/offload.h"
#include "core.gen.h"
#include "networkd/networkd.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

#include <sys/stat.h>

struct networkd networkd;

/* The fiber of each test ends before its loop does. */
static void in_fiber(fiber_fn fn)
{
	networkd.guests_dir = (char *)"guests";
	run_in_fiber(fn, NULL);
	guests_free();
	offload_fini();
}

static void keep(const char *interface, const char *bridge)
{
	CHECK_OK(guest_keep(&(struct network_vif){.interface = interface,
		.owner = "me",
		.bridge = bridge,
		.mac = "02:00:00:00:00:01",
		.mtu = 1500,
		.carrier = true}));
}

static void keep_and_read_back(void *arg)
{
	CHECK_OK(guests_load());
	keep("vif1.0", "xenbr0");
	keep("vif2.0", "xenbr0");
	keep("vif1.0", "xapi0");
	put("guests/.vif3.0.12345678.tmp", "{");
	guests_free();
	assert_null(guest_find("vif1.0"));
	CHECK_OK(guests_load());
	assert_int_equal(networkd.guests.n, 2);
	assert_string_equal(guest_find("vif1.0")->bridge, "xapi0");
	assert_string_equal(guest_find("vif2.0")->bridge, "xenbr0");
	assert_int_not_equal(access("guests/.vif3.0.12345678.tmp", F_OK), 0);
}

static void are_read_back(void **state)
{
	in_fiber(keep_and_read_back);
}

static void keep_and_forget(void *arg)
{
	CHECK_OK(guests_load());
	keep("vif1.0", "xapi0");
	CHECK_OK(guest_forget(guest_find("vif1.0")->interface));
	CHECK_OK(guest_forget("vif1.0"));
	assert_null(guest_find("vif1.0"));
	guests_free();
	CHECK_OK(guests_load());
	assert_int_equal(networkd.guests.n, 0);
}

static void are_forgotten(void **state)
{
	in_fiber(keep_and_forget);
}

static void fail_to_keep(void *arg)
{
	networkd.guests_dir = (char *)"no/such/folder";
	const struct network_vif vif = {.interface = "vif1.0",
		.owner = "me",
		.bridge = "xapi0",
		.mac = "02:00:00:00:00:01"};

	CHECK_ERR(guest_keep(&vif), SYSTEM_ERROR);
	assert_null(guest_find("vif1.0"));
}

static void what_cannot_be_written_is_not_kept(void **state)
{
	in_fiber(fail_to_keep);
}

static void read_bad_files(void *arg)
{
	static const char another[] = "{\"interface\": \"vif2.0\", \"owner\": \"me\", "
				      "\"bridge\": \"xapi0\", \"mac\": \"02:00:00:00:00:01\"}";
	const char *const bad[] = {"", "{", "[]", "{}", "{\"interface\": \"vif1.0\"}", another};

	assert_int_equal(mkdir("guests", 0750), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put("guests/vif1.0", bad[i]);
		auto_err e = guests_load();
		if (!err_is(e, &ERR_STORE_UNUSABLE))
			fail_msg("'%s' was read: %s", bad[i], e ? err_text(e) : "no error");
		assert_string_equal(e->params[0], "guests/vif1.0");
	}
}

static void bad_files_are_refused(void **state)
{
	in_fiber(read_bad_files);
}

TEST_MAIN(IN_SCRATCH(are_read_back), IN_SCRATCH(are_forgotten),
	IN_SCRATCH(what_cannot_be_written_is_not_kept), IN_SCRATCH(bad_files_are_refused))
