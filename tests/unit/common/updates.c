/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/updates.c: what a watcher is told, against a plain model; waiting, and what is forgotten.
 */
#include "common/updates.h"

#include "common/clock.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

/* What a watcher holds: its token, and what its last answer said. */
struct watcher {
	char token[64]; /* "": none */
	struct arena arena;
	struct update *updates;
	size_t n;
	bool is_complete;
};

static struct err *ask(struct watcher *w, int64_t deadline)
{
	const char *token;

	arena_reset(&w->arena);
	TRY(updates_get(*w->token ? w->token : NULL, deadline, &w->arena, &w->updates, &w->n,
		&token, &w->is_complete));
	snprintf(w->token, sizeof(w->token), "%s", token);
	return NULL;
}

/* The answer as "class/id class/id-" ('-': gone), '*' before it when it is complete. */
static const char *told(struct watcher *w)
{
	static char text[512];

	strcpy(text, w->is_complete ? "*" : ""); /* lint: fits */
	for (size_t i = 0; i < w->n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s/%s%s",
			i ? " " : "", w->updates[i].class, w->updates[i].id,
			w->updates[i].is_deleted ? "-" : "");
	return text;
}

static void check_told(struct watcher *w, const char *expected)
{
	CHECK_OK(ask(w, deadline_in(0)));
	assert_string_equal(told(w), expected);
}

#define IN_FIBER(name) \
	static void name##_fiber(void *arg); \
	static void name(void **state) \
	{ \
		run_in_fiber(name##_fiber, NULL); \
		updates_fini(); \
	} \
	static void name##_fiber(void *arg)

IN_FIBER(each_object_once_oldest_change_first)
{
	struct watcher w = {0};

	updates_add("vm", "a");
	updates_add("vm", "b");
	updates_add("task", "a");
	updates_add("vm", "a");
	check_told(&w, "*vm/b task/a vm/a");
	check_told(&w, "");
	updates_add("vm", "b");
	updates_add("vm", "b");
	updates_remove("vm", "a");
	check_told(&w, "vm/b vm/a-");
	check_told(&w, "");
	struct watcher late = {0};
	check_told(&late, "*task/a vm/b");
	updates_add("vm", "a");
	check_told(&w, "vm/a");
	arena_fini(&w.arena);
	arena_fini(&late.arena);
}

IN_FIBER(nothing_at_all_is_answered_at_once)
{
	struct watcher w = {0};

	CHECK_OK(ask(&w, NEVER));
	assert_string_equal(told(&w), "*");
	arena_fini(&w.arena);
}

IN_FIBER(a_strange_token_gives_everything)
{
	static const char *const tokens[] = {
		"x", "0-1", "-", "0000000000000000-0", "ffffffffffffffff-99999999999999999999"};
	struct watcher w = {0};

	updates_add("vm", "a");
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		strcpy(w.token, tokens[i]); /* lint: fits */
		check_told(&w, "*vm/a");
	}
	check_told(&w, "");
	size_t len = strlen(w.token);
	snprintf(w.token + len, sizeof(w.token) - len, "0"); /* from the future */
	check_told(&w, "*vm/a");
	updates_fini(); /* another run of the daemon */
	updates_add("vm", "b");
	check_told(&w, "*vm/b");
	arena_fini(&w.arena);
}

/* ---- waiting ---- */

static unsigned n_told, n_empty;
static void waits(void *arg)
{
	struct watcher *w = arg;

	CHECK_OK(ask(w, deadline_in(10 * NS_PER_S)));
	n_told += w->n == 1 && !strcmp(told(w), "vm/x");
	n_empty += w->n == 0;
}

IN_FIBER(a_thousand_watchers_wake_at_once)
{
	static struct watcher watchers[1000];

	n_told = 0;
	updates_add("vm", "a");
	for (int i = 0; i < 1000; i++) {
		CHECK_OK(ask(&watchers[i], NEVER));
		CHECK_OK(fiber_spawn(NULL, waits, &watchers[i], "watcher"));
	}
	CHECK_OK(fiber_yield());
	assert_int_equal(n_told, 0);
	updates_add("vm", "x");
	updates_add("vm", "x");
	CHECK_OK(fiber_yield());
	assert_int_equal(n_told, 1000);
	for (int i = 0; i < 1000; i++)
		arena_fini(&watchers[i].arena);
	memset(watchers, 0, sizeof(watchers));
}

IN_FIBER(the_time_is_up)
{
	struct watcher w = {0};

	n_empty = 0;
	CHECK_OK(ask(&w, NEVER));
	clock_stop();
	CHECK_OK(fiber_spawn(NULL, waits, &w, "watcher"));
	CHECK_OK(fiber_yield());
	clock_step(9 * NS_PER_S);
	for (int i = 0; i < 5; i++)
		CHECK_OK(fiber_yield());
	assert_int_equal(n_empty, 0);
	clock_step(2 * NS_PER_S);
	while (!n_empty)
		CHECK_OK(fiber_yield());
	clock_resume();
	assert_false(w.is_complete);
	arena_fini(&w.arena);
}

static struct err *cancelled_by;
static void waits_for_ever(void *arg)
{
	cancelled_by = ask(arg, NEVER);
}

IN_FIBER(a_cancelled_wait_is_an_error)
{
	struct watcher w = {0};
	struct fiber *f;

	CHECK_OK(ask(&w, NEVER));
	CHECK_OK(fiber_spawn(&f, waits_for_ever, &w, "watcher"));
	CHECK_OK(fiber_yield());
	fiber_cancel(f);
	CHECK_OK(fiber_yield());
	CHECK_ERR(take(cancelled_by), CANCELLED);
	arena_fini(&w.arena);
}

/* ---- barriers, and what is forgotten ---- */

IN_FIBER(a_barrier_comes_after_what_was_before)
{
	struct watcher w = {0};

	CHECK_OK(ask(&w, NEVER));
	updates_add("vm", "a");
	updates_barrier("b1");
	updates_add("vm", "c");
	check_told(&w, "vm/a barrier/b1 vm/c");
	updates_add("vm", "a");
	check_told(&w, "vm/a");
	arena_fini(&w.arena);
}

IN_FIBER(a_token_older_than_what_was_forgotten_gives_everything)
{
	struct watcher old = {0}, w = {0};
	char id[16];

	updates_add("vm", "stays");
	CHECK_OK(ask(&old, NEVER));
	for (int i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "%d", i);
		updates_remove("vm", id);
		if (i == 0)
			CHECK_OK(ask(&w, NEVER));
	}
	struct watcher still = old;
	still.arena = (struct arena){0};
	CHECK_OK(ask(&still, NEVER));
	assert_int_equal(still.n, 10000);
	assert_false(still.is_complete);
	updates_remove("vm", "one too many");
	check_told(&old, "*vm/stays");
	CHECK_OK(ask(&w, NEVER)); /* has heard of the one that was dropped */
	assert_int_equal(w.n, 10000);
	assert_false(w.is_complete);
	arena_fini(&old.arena);
	arena_fini(&w.arena);
	arena_fini(&still.arena);
}

/* ---- against a model ---- */

enum { OBJECTS = 40, WATCHERS = 5 };

/* Each watcher keeps a picture by what it is told; it must always become the truth. */
IN_FIBER(agrees_with_a_model)
{
	static struct watcher watchers[WATCHERS];
	int versions[OBJECTS] = {0}; /* 0: not there */
	int pictures[WATCHERS][OBJECTS] = {{0}};
	char id[16];

	srandom(7);
	for (int step = 0; step < 50000; step++) {
		int object = (int)(random() % OBJECTS), who = (int)(random() % WATCHERS);

		snprintf(id, sizeof(id), "%d", object);
		if (random() % 3 == 0 && versions[object]) {
			versions[object] = 0;
			updates_remove("vm", id);
		} else {
			versions[object] = step + 1;
			updates_add("vm", id);
		}
		if (random() % 8)
			continue;
		if (random() % 20 == 0)
			watchers[who].token[0] = '\0';
		struct watcher *w = &watchers[who];
		CHECK_OK(ask(w, deadline_in(0)));
		if (w->is_complete)
			memset(pictures[who], 0, sizeof(pictures[who]));
		for (size_t i = 0; i < w->n; i++) {
			int which = atoi(w->updates[i].id); /* lint: our own */

			assert_int_equal(w->updates[i].is_deleted, !versions[which]);
			assert_int_not_equal(pictures[who][which], -1);
			pictures[who][which] = versions[which];
		}
		assert_memory_equal(pictures[who], versions, sizeof(versions));
	}
	for (int i = 0; i < WATCHERS; i++)
		arena_fini(&watchers[i].arena);
	memset(watchers, 0, sizeof(watchers));
}

TEST_MAIN(TEST(each_object_once_oldest_change_first), TEST(nothing_at_all_is_answered_at_once),
	TEST(a_strange_token_gives_everything), TEST(a_thousand_watchers_wake_at_once),
	TEST(the_time_is_up), TEST(a_cancelled_wait_is_an_error),
	TEST(a_barrier_comes_after_what_was_before),
	TEST(a_token_older_than_what_was_forgotten_gives_everything), TEST(agrees_with_a_model))
