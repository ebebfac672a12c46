/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * networkd/config.c: entries, changes that are kept or given up, and files that are read back or
 * refused.
 */
#include "networkd/config.h"

#include "common/offload.h"
#include "core.gen.h"
#include "networkd/networkd.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

struct networkd networkd;

static void begin(void)
{
	networkd.state_path = (char *)"state.json";
	networkd.run_path = (char *)"run.json";
	mutex_init(&networkd.changing);
}

static void end(void)
{
	config_free(take(networkd.config));
	mutex_fini(&networkd.changing);
}

/* The fiber of each test ends before its loop does. */
static void in_fiber(fiber_fn fn)
{
	begin();
	run_in_fiber(fn, NULL);
	end();
	offload_fini();
}

static struct err *change_something(bool is_kept)
{
	AUTO(change_end) struct change change = {0};

	TRY(change_begin(&change));
	config_add_bridge(change.next, "xenbr0")->persistent = true;
	config_add_bridge(change.next, "xapi0");
	config_add_interface(change.next, "xenbr0")->mtu = 9000;
	return is_kept ? change_commit(&change) : NULL;
}

static void check_everything(void)
{
	assert_int_equal(networkd.config->kept.bridges.n, 2);
	assert_true(config_bridge(networkd.config, "xenbr0")->persistent);
	assert_false(config_bridge(networkd.config, "xapi0")->persistent);
	assert_int_equal(config_interface(networkd.config, "xenbr0")->mtu, 9000);
}

static void keep_and_read_back(void *arg)
{
	CHECK_OK(config_load());
	CHECK_OK(change_something(true));
	check_everything();
	config_free(take(networkd.config));
	CHECK_OK(config_load());
	check_everything();
}

static void is_read_back(void **state)
{
	in_fiber(keep_and_read_back);
	check_says("state.json", "\"xenbr0\"");
	assert_false(file_says("state.json", "xapi0"));
	check_says("run.json", "\"xapi0\"");
}

static void give_up(void *arg)
{
	CHECK_OK(config_load());
	CHECK_OK(change_something(false));
	assert_int_equal(networkd.config->kept.bridges.n, 0);
	assert_int_not_equal(access("state.json", F_OK), 0);
}

static void without_commit_nothing_changes(void **state)
{
	in_fiber(give_up);
}

static void fail_to_store(void *arg)
{
	networkd.state_path = (char *)"no/such/folder.json";
	CHECK_OK(config_load());
	CHECK_ERR(change_something(true), SYSTEM_ERROR);
	assert_int_equal(networkd.config->kept.bridges.n, 0);
}

static void what_cannot_be_written_is_not_kept(void **state)
{
	in_fiber(fail_to_store);
}

static void remove_one(void *arg)
{
	CHECK_OK(config_load());
	CHECK_OK(change_something(true));
	assert_true(config_remove_bridge(networkd.config, "xenbr0"));
	assert_false(config_remove_bridge(networkd.config, "xenbr0"));
	assert_non_null(config_bridge(networkd.config, "xapi0"));
	assert_null(config_bridge(networkd.config, "xenbr0"));
	assert_true(config_remove_interface(networkd.config, "xenbr0"));
	assert_false(config_remove_interface(networkd.config, "xenbr0"));
}

static void entries_are_removed(void **state)
{
	in_fiber(remove_one);
}

static void read_bad_files(void *arg)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"version\": 2}",
		"{\"version\": \"1\"}", "{\"version\": 1, \"config\": 3}",
		"{\"version\": 1, \"config\": {\"bridges\": {\"x\": {\"mac\": 1}}}}",
		"{\"version\": 1} x"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put("state.json", bad[i]);
		auto_err e = config_load();
		if (!err_is(e, &ERR_STORE_UNUSABLE))
			fail_msg("'%s' was read: %s", bad[i], e ? err_text(e) : "no error");
		assert_string_equal(e->params[0], "state.json");
		config_free(take(networkd.config));
	}
	put("state.json", "{\"later\": [1], \"version\": 1}");
	CHECK_OK(config_load());
}

static void bad_files_are_refused(void **state)
{
	in_fiber(read_bad_files);
}

TEST_MAIN(IN_SCRATCH(is_read_back), IN_SCRATCH(without_commit_nothing_changes),
	IN_SCRATCH(what_cannot_be_written_is_not_kept), IN_SCRATCH(entries_are_removed),
	IN_SCRATCH(bad_files_are_refused))
