/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemons' errors become: codes and parameters as clients of the XenAPI know them, and
 * nothing lost of what no client knows.
 */
#include "tests/unit/test.h"

#include "common/loop.h"
#include "xapid/db/db.h"
#include "xapid/link/link.h"

#include "storage.gen.h"
#include "xenops.gen.h"

static int open_db(void **state)
{
	const struct db_options options = {0};

	loop_init();
	CHECK_OK(db_open(&options));
	return 0;
}

static int close_db(void **state)
{
	db_close();
	loop_fini();
	return 0;
}

static void a_power_state_names_the_vm(void **state)
{
	auto_err e = link_error(err(Bad_power_state, "running", "halted"), "OpaqueRef:vm");

	assert_true(err_is(e, &ERR_VM_BAD_POWER_STATE));
	assert_string_equal(e->params[0], "OpaqueRef:vm");
	assert_string_equal(e->params[1], "halted");
	assert_string_equal(e->params[2], "running");
}

static void memory_is_told_in_bytes(void **state)
{
	auto_err e = link_error(err(Cannot_free_this_much_memory, "2048", "1"), NULL);

	assert_true(err_is(e, &ERR_HOST_NOT_ENOUGH_FREE_MEMORY));
	assert_string_equal(e->params[0], "2097152");
	assert_string_equal(e->params[1], "1024");
}

static void a_driver_speaks_for_itself(void **state)
{
	auto_err e = link_error(
		err(Backend_error, "SR_BACKEND_FAILURE_44", "[\"\",\"no space\",\"\"]"), NULL);

	assert_string_equal(e->code, "SR_BACKEND_FAILURE_44");
	assert_int_equal(e->n_params, 3);
	assert_string_equal(e->params[1], "no space");
}

static void an_sr_is_named_by_its_reference(void **state)
{
	struct xenapi_sr sr = db_blank(sr);
	const char *ref = NULL;

	sr.uuid = "0f0f0f0f-1111-4222-8333-555555555555";
	CHECK_OK(db_create(sr, &sr, &ref));
	auto_err e = link_error(err(Sr_not_attached, sr.uuid), NULL);
	assert_true(err_is(e, &ERR_SR_NOT_ATTACHED));
	assert_string_equal(e->params[0], ref);
	auto_err unknown = link_error(err(Sr_not_attached, "no-such-sr"), NULL);
	assert_string_equal(unknown->params[0], REF_NULL);
}

static void what_clients_know_stays_and_what_nobody_knows_is_told(void **state)
{
	auto_err known = link_error(err(VM_IS_PROTECTED, "OpaqueRef:vm"), NULL);
	auto_err cancelled = link_error(err(CANCELLED), NULL);
	auto_err other = link_error(err(Domain_not_built), NULL);

	assert_true(err_is(known, &ERR_VM_IS_PROTECTED));
	assert_true(err_is(cancelled, &ERR_CANCELLED));
	assert_true(err_is(other, &ERR_INTERNAL_ERROR));
	assert_string_equal(other->params[0], "Domain_not_built");
	assert_null(link_error(NULL, NULL));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, open_db, close_db)

TEST_MAIN(CASE(a_power_state_names_the_vm), CASE(memory_is_told_in_bytes),
	CASE(a_driver_speaks_for_itself), CASE(an_sr_is_named_by_its_reference),
	CASE(what_clients_know_stays_and_what_nobody_knows_is_told))
