/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What changed: the order of changes, tombstones, and who is woken; and that a watcher who only
 * ever sees changes and tombstones has at every time what the database has.
 */
#include "common/map.h"
#include "common/mem.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "xapid/db/db.h"

#include <string.h>

static const char *make_vm(const char *name)
{
	struct xenapi_vm vm = db_blank(vm);
	const char *ref = NULL;

	vm.name_label = name;
	CHECK_OK(db_create(vm, &vm, &ref));
	return ref;
}

static void open_db(void)
{
	CHECK_OK(db_open(&(struct db_options){0}));
}

/* ---- order ---- */

static void see_changes(void *arg)
{
	open_db();
	const char *one = make_vm("one"), *two = make_vm("two");
	uint64_t since = db_generation();

	assert_null(db_first_change(since));
	CHECK_OK(db_write(vm, two, name_label, "2"));
	CHECK_OK(db_write(vm, one, name_label, "1"));
	CHECK_OK(db_write(vm, two, name_label, "zwei"));
	struct db_row *row = db_first_change(since);
	assert_string_equal(db_ref(row), one);
	assert_true(db_row_created(row) <= since);
	row = db_next_change(row);
	assert_string_equal(db_ref(row), two);
	assert_int_equal(db_row_generation(row), db_generation());
	assert_null(db_next_change(row));
	db_touch(db_row(NULL, one));
	assert_string_equal(db_ref(db_next_change(db_first_change(since))), one);
	db_close();
}

static void changes_come_in_their_order(void **state)
{
	run_in_fiber(see_changes, NULL);
}

/* A relation's other side has changed as well. */
static void see_the_other_side(void *arg)
{
	open_db();
	struct xenapi_vbd vbd = db_blank(vbd);
	const char *vm = make_vm("one"), *ref;

	vbd.VM = vm;
	uint64_t since = db_generation();
	CHECK_OK(db_create(vbd, &vbd, &ref));
	assert_true(db_row_generation(db_row(NULL, vm)) > since);
	since = db_generation();
	CHECK_OK(db_delete(vbd, ref));
	assert_true(db_row_generation(db_row(NULL, vm)) > since);
	db_close();
}

static void the_other_side_changes_too(void **state)
{
	run_in_fiber(see_the_other_side, NULL);
}

/* ---- waiting ---- */

static int n_woken;

static void watch(void *arg)
{
	CHECK_OK(db_wait_change(db_generation(), NEVER));
	n_woken++;
}

static void wake_watchers(void *arg)
{
	open_db();
	n_woken = 0;
	for (int i = 0; i < 3; i++)
		CHECK_OK(fiber_spawn(NULL, watch, NULL, "watcher"));
	CHECK_OK(fiber_sleep(NS_PER_MS));
	assert_int_equal(n_woken, 0);
	CHECK_ERR(db_wait_change(db_generation(), clock_mono_ns()), TIMEOUT);
	make_vm("one");
	CHECK_OK(db_wait_change(db_generation() - 1, NEVER));
	while (n_woken < 3)
		CHECK_OK(fiber_yield());
	CHECK_OK(fiber_spawn(NULL, watch, NULL, "watcher"));
	CHECK_OK(fiber_sleep(NS_PER_MS));
	db_wake();
	while (n_woken < 4)
		CHECK_OK(fiber_yield());
	db_close();
}

static void a_change_wakes_every_watcher(void **state)
{
	run_in_fiber(wake_watchers, NULL);
}

/* ---- a view that follows ---- */

#define OBJECTS 40

/* What a watcher knows: a reference and the generation of what it saw. */
struct view {
	struct map seen; /* ref -> char *, the name; owned */
	uint64_t generation;
};

static void follow(struct view *view)
{
	db_for_each_change (view->generation, row) {
		const struct xenapi_vm *vm = db_record(row);
		char *before = map_put(&view->seen, db_ref(row), xstrdup(vm->name_label));

		/* Added is what was not seen, changed is what was. */
		assert_int_equal(!before, db_row_created(row) > view->generation);
		free(before);
	}
	for (const struct db_tombstone *t = db_first_tombstone(view->generation); t;
		t = db_next_tombstone(t)) {
		char *before = map_remove(&view->seen, t->ref);

		assert_int_equal(!before, t->created > view->generation);
		free(before);
	}
	view->generation = db_generation();
}

static void check_view(const struct view *view)
{
	assert_int_equal(view->seen.n, db_count(vm));
	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);

		assert_string_equal(map_get(&view->seen, db_ref(row)), vm->name_label);
	}
}

static void change_one(unsigned *seed)
{
	unsigned n = rand_r(seed) % OBJECTS, action = rand_r(seed) % 4;
	auto_str name = xasprintf("%d", rand_r(seed));
	struct db_row *row = db_first_row(&xenapi_class_vm);

	while (row && n--)
		row = db_next_row(row);
	if (!row)
		make_vm(name);
	else if (action == 0)
		CHECK_OK(db_delete(vm, db_ref(row)));
	else
		CHECK_OK(db_write(vm, db_ref(row), name_label, name));
}

static void follow_at_random(void *arg)
{
	struct view views[3] = {{{0}, 0}};
	unsigned seed = 20261121;

	open_db();
	for (int step = 0; step < 20000; step++) {
		change_one(&seed);
		struct view *view = &views[rand_r(&seed) % ARRAY_LEN(views)];
		if (rand_r(&seed) % 8)
			continue;
		follow(view);
		check_view(view);
		if (rand_r(&seed) % 8 == 0)
			CHECK_OK(fiber_yield());
	}
	for (size_t i = 0; i < ARRAY_LEN(views); i++) {
		map_for_each (slot, &views[i].seen)
			free(slot->value);
		map_fini(&views[i].seen);
	}
	db_close();
}

static void a_view_that_follows_changes_is_the_database(void **state)
{
	run_in_fiber(follow_at_random, NULL);
}

/* ---- too many ---- */

static void forget_tombstones(void *arg)
{
	open_db();
	uint64_t since = db_generation();

	for (int i = 0; i < 20000; i++)
		CHECK_OK(db_delete(vm, make_vm("")));
	assert_true(db_tombstones_from() > since);
	const struct db_tombstone *t = db_first_tombstone(since);
	assert_true(t->deleted > db_tombstones_from());
	size_t n = 0;
	for (; t; t = db_next_tombstone(t))
		n++;
	assert_in_range(n, 1000, 19999);
	db_close();
}

static void the_oldest_tombstones_are_forgotten(void **state)
{
	run_in_fiber(forget_tombstones, NULL);
}

TEST_MAIN(TEST(changes_come_in_their_order), TEST(the_other_side_changes_too),
	TEST(a_change_wakes_every_watcher), TEST(a_view_that_follows_changes_is_the_database),
	TEST(the_oldest_tombstones_are_forgotten))
