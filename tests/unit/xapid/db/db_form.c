/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wire forms: made once, dropped when the row changes, within their budget.
 */
#include "tests/unit/test.h"

#include "common/loop.h"
#include "common/sbuf.h"
#include "common/shared.h"
#include "tests/unit/xapid/full_pool.h"

static int open_db(void **state)
{
	loop_init();
	full_pool_must(db_open(&(struct db_options){.form_bytes = 64 << 10}));
	return 0;
}

static int close_db(void **state)
{
	db_close();
	loop_fini();
	return 0;
}

static bool has(struct db_text form, const char *text)
{
	return memmem(form.text, form.len, text, strlen(text));
}

static void a_form_is_kept_until_the_row_changes(void **state)
{
	struct full_pool pool;

	full_pool_make(&pool, 0);
	const char *ref = full_pool_vm(&pool, 1);
	struct db_row *row = db_row(NULL, ref);
	struct db_text first = db_form(row, DB_FORM_JSON);
	assert_int_equal(db_counts().form_bytes, 0);
	db_form(row, DB_FORM_XML);
	struct db_text json = db_form(row, DB_FORM_JSON), xml = db_form(row, DB_FORM_XML);
	assert_int_equal(first.len, json.len);
	assert_memory_equal(first.text, json.text, first.len);
	assert_true(has(json, "\"name_label\":\"virtual machine 1\""));
	assert_true(has(xml, "<name>name_label</name><value>virtual machine 1</value>"));
	assert_ptr_equal(db_form(row, DB_FORM_JSON).text, json.text);
	assert_ptr_equal(db_form(row, DB_FORM_XML).text, xml.text);
	CHECK_OK(db_write(vm, ref, name_label, "virtual machine 1"));
	assert_ptr_equal(db_form(row, DB_FORM_JSON).text, json.text);
	CHECK_OK(db_write(vm, ref, name_label, "another"));
	assert_true(has(db_form(row, DB_FORM_JSON), "\"name_label\":\"another\""));
	/* What was given out is still there. */
	assert_true(has(json, "virtual machine 1"));
	/* So does the other side of a relation change. */
	full_pool_disk(&pool, ref, 0);
	const struct xenapi_vm *vm = db_record(row);
	assert_true(has(db_form(row, DB_FORM_XML), vm->VBDs.v[0]));
}

static void what_clients_do_not_see_is_not_in_it(void **state)
{
	struct full_pool pool;

	full_pool_make(&pool, 0);
	full_pool_disk(&pool, full_pool_vm(&pool, 1), 0);
	struct db_text form = db_form(db_first_row(&xenapi_class_vbd), DB_FORM_JSON);
	assert_true(has(form, "\"empty\":false"));
	assert_false(has(form, "\"reserved\""));
}

static void a_date_has_no_hyphens(void **state)
{
	struct xenapi_vm_metrics metrics = db_blank(vm_metrics);

	metrics.start_time = 1000000000;
	full_pool_must(db_create(vm_metrics, &metrics, NULL));
	struct db_row *row = db_first_row(&xenapi_class_vm_metrics);
	assert_true(has(db_form(row, DB_FORM_JSON), "\"20010909T01:46:40Z\""));
	assert_true(has(db_form(row, DB_FORM_XML),
		"<dateTime.iso8601>20010909T01:46:40Z</dateTime.iso8601>"));
}

static void all_keep_to_the_budget(void **state)
{
	struct full_pool pool;

	full_pool_make(&pool, 100);
	for (int i = 0; i < 2; i++)
		db_for_each (vm, row)
			db_form(row, DB_FORM_XML);
	assert_in_range(db_counts().form_bytes, 32 << 10, 64 << 10);
	/* The newest are there, the oldest are made anew. */
	uint64_t misses = db_counts().form_misses;
	db_form(db_row(NULL, db_find(host, pool.host)->resident_VMs.v[99]), DB_FORM_XML);
	assert_int_equal(db_counts().form_misses, misses);
	db_form(db_first_row(&xenapi_class_vm), DB_FORM_XML);
	assert_int_equal(db_counts().form_misses, misses + 1);
}

static void a_member_of_a_map_is_held(void **state)
{
	struct full_pool pool;

	full_pool_make(&pool, 0);
	const char *ref = full_pool_vm(&pool, 1);
	struct db_row *row = db_row(NULL, ref);
	struct shared *json = db_form_member(row, DB_FORM_JSON);
	struct db_text inside = db_form(row, DB_FORM_JSON);
	auto_str whole = xasprintf(",\"%s\":%.*s", ref, (int)inside.len, inside.text);
	assert_int_equal(json->n, strlen(whole));
	assert_memory_equal(json->bytes, whole, json->n);
	struct shared *xml = db_form_member(row, DB_FORM_XML);
	inside = db_form(row, DB_FORM_XML);
	auto_str member = xasprintf(
		"<member><name>%s</name>%.*s</member>", ref, (int)inside.len, inside.text);
	assert_int_equal(xml->n, strlen(member));
	assert_memory_equal(xml->bytes, member, xml->n);
	shared_drop(xml);
	/* It outlives a change. */
	CHECK_OK(db_write(vm, ref, name_label, "another"));
	assert_memory_equal(json->bytes, whole, json->n);
	shared_drop(json);
}

/* More than the budget, and none is made twice; but from the second time on they stay. */
static void what_is_gathered_stays_until_then(void **state)
{
	struct full_pool pool;

	full_pool_make(&pool, 100);
	for (unsigned time = 0; time < 2; time++) {
		struct shared_run run = {0};

		db_forms_gather();
		for (int i = 0; i < 2; i++)
			db_for_each (vm, row)
				shared_run_add(&run, db_form_member(row, DB_FORM_XML), 0);
		assert_int_equal(db_counts().form_misses, 100 * (time + 1));
		assert_true(db_counts().form_bytes > 64 << 10);
		db_forms_gathered();
		if (time)
			assert_in_range(db_counts().form_bytes, 32 << 10, 64 << 10);
		else
			assert_int_equal(db_counts().form_bytes, 0);
		shared_run_fini(&run);
	}
}

/* From some on they lie in slabs; each is as it is by itself. */
static void what_is_gathered_is_as_by_itself(void **state)
{
	struct shared_run run = {0};
	struct full_pool pool;
	size_t i = 0, n_in_slabs = 0;

	full_pool_make(&pool, 200);
	db_forms_gather();
	db_for_each (vm, row)
		shared_run_add(&run, db_form_member(row, DB_FORM_XML), 0);
	db_forms_gathered();
	db_for_each (vm, row) {
		struct shared *held = run.held.v[i++], *again = db_form_member(row, DB_FORM_XML);

		n_in_slabs += held->slab != NULL;
		assert_null(again->slab);
		assert_ptr_not_equal(held, again);
		assert_int_equal(held->n, again->n);
		assert_memory_equal(held->bytes, again->bytes, held->n);
		shared_drop(again);
	}
	assert_in_range(n_in_slabs, 1, 199);
	shared_run_fini(&run);
}

#define DB_TEST(fn) cmocka_unit_test_setup_teardown(fn, open_db, close_db)

TEST_MAIN(DB_TEST(a_form_is_kept_until_the_row_changes),
	DB_TEST(what_clients_do_not_see_is_not_in_it), DB_TEST(a_date_has_no_hyphens),
	DB_TEST(all_keep_to_the_budget), DB_TEST(a_member_of_a_map_is_held),
	DB_TEST(what_is_gathered_stays_until_then), DB_TEST(what_is_gathered_is_as_by_itself))
