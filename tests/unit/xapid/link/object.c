/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xapid/link/object.c: what a stream tells of is looked at beside it, each object by one fiber at a
 * time and again when it has changed meanwhile, and not more of them at once than are allowed.
 */
#include "xapid/link/link.h"

#include "core.gen.h"
#include "tests/unit/common/runtime.h"

enum { OBJECTS = 5, AT_ONCE = 2 };

static struct cond go_on;
static unsigned n_now, most_now, n_looks[OBJECTS], n_of_one[OBJECTS], was_deleted;

static MAY_WAIT struct err *look(const struct core_update *u)
{
	unsigned i = (unsigned)(*u->id - '0');

	assert_string_equal(u->class, "vm");
	assert_int_equal(n_of_one[i]++, 0);
	n_looks[i]++;
	was_deleted += u->deleted;
	if (++n_now > most_now)
		most_now = n_now;
	CHECK_OK(cond_wait(&go_on, "the test", NEVER));
	n_now--;
	n_of_one[i]--;
	return NULL;
}

static void tell(struct link *l, const char *id, bool deleted)
{
	const struct core_update u = {.class = "vm", .id = id, .deleted = deleted};

	CHECK_OK(link_object_changed(l, &u));
}

/* Lets those that look end, until none is left. */
static MAY_WAIT void finish(struct link *l)
{
	while (l->n_looking) {
		cond_broadcast(&go_on);
		CHECK_OK(fiber_yield());
	}
	assert_int_equal(l->objects.n, 0);
}

static void begin(struct link *l, const struct link_spec *spec)
{
	*l = (struct link){.spec = spec};
	list_init(&l->due);
	cond_init(&go_on);
	n_now = most_now = was_deleted = 0;
	memset(n_looks, 0, sizeof(n_looks));
}

static void looks_fiber(void *arg)
{
	static const struct link_spec spec = {.daemon = "test", .update = look, .at_once = AT_ONCE};
	struct link l;

	begin(&l, &spec);
	for (int i = 0; i < OBJECTS; i++)
		tell(&l, (char[]){(char)('0' + i), 0}, false);
	tell(&l, "4", true); /* not looked at yet: once is enough */
	CHECK_OK(fiber_yield());
	tell(&l, "0", false); /* it changed while it is looked at */
	tell(&l, "0", false);
	finish(&l);
	assert_int_equal(most_now, AT_ONCE);
	assert_int_equal(was_deleted, 1);
	assert_int_equal(n_looks[0], 2);
	for (int i = 1; i < OBJECTS; i++)
		assert_int_equal(n_looks[i], 1);
	map_fini(&l.objects);
}

static void looks_at_each(void **state)
{
	run_in_fiber(looks_fiber, NULL);
}

static void forgets_fiber(void *arg)
{
	static const struct link_spec spec = {.daemon = "test", .update = look};
	struct link l;

	begin(&l, &spec);
	for (int i = 0; i < OBJECTS; i++)
		tell(&l, (char[]){(char)('0' + i), 0}, false);
	CHECK_OK(fiber_yield());
	tell(&l, "0", false);
	link_objects_forget(&l);
	finish(&l);
	assert_int_equal(most_now, 1);
	assert_int_equal(n_looks[0], 1);
	for (int i = 1; i < OBJECTS; i++)
		assert_int_equal(n_looks[i], 0);
	map_fini(&l.objects);
}

static void forgets_what_is_due(void **state)
{
	run_in_fiber(forgets_fiber, NULL);
}

TEST_MAIN(TEST(looks_at_each), TEST(forgets_what_is_due))
