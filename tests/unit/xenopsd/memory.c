/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd/memory.c on a host that is played: promises, balloons that are slow or do not move, those
 * who wait and give up, and what is told of it all. A fiber makes the time go by.
 */
#include "xenopsd/memory.h"

#include "common/json.h"
#include "common/mem.h"
#include "core.gen.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/test.h"
#include "tests/unit/xenopsd/model.h"

#define MIB     ((int64_t)1 << 20)
#define STEP_NS (50 * NS_PER_MS)

#define MAX_VMS 8

static struct host {
	int64_t total;
	struct guest {
		struct vm *vm; /* NULL: none */
		int64_t actual, target;
		int64_t speed; /* bytes a step */
		bool is_paused, is_deaf;
	} guests[MAX_VMS];
	unsigned n_looks, n_told;
	bool is_broken; /* it does not answer */
	bool is_over;
} host;

static int64_t free_bytes(void)
{
	int64_t left = host.total;

	for (size_t i = 0; i < MAX_VMS; i++)
		left -= host.guests[i].vm ? host.guests[i].actual : 0;
	assert_true(left >= 0);
	return left;
}

static void move_balloons(void)
{
	for (size_t i = 0; i < MAX_VMS; i++) {
		struct guest *g = &host.guests[i];
		int64_t way = g->target - g->actual;

		if (!g->vm || g->is_paused)
			continue;
		way = way > g->speed ? g->speed : way;
		g->actual += way < -g->speed ? -g->speed : way;
	}
}

/* Time goes by; balloons move with it. */
static MAY_WAIT void pass_time(void *arg)
{
	while (!host.is_over) {
		clock_step(STEP_NS);
		move_balloons();
		if (fiber_yield())
			return;
	}
}

static struct guest *guest_of(const struct vm *vm)
{
	for (size_t i = 0; i < MAX_VMS; i++)
		if (host.guests[i].vm == vm)
			return &host.guests[i];
	return NULL;
}

/* ---- as a backend ---- */

static MAY_WAIT struct err *host_memory(struct xenops_host_memory *out)
{
	*out = (struct xenops_host_memory){.free_bytes = free_bytes()};
	return fiber_yield();
}

static MAY_WAIT struct err *memory_now(struct arena *a, struct memory_now *out)
{
	host.n_looks++;
	TRY(fiber_yield());
	if (host.is_broken)
		return err(INTERNAL_ERROR, "broken");
	out->free_bytes = free_bytes();
	out->vms = arena_calloc(a, MAX_VMS, sizeof(*out->vms));
	for (size_t i = 0; i < MAX_VMS; i++) {
		const struct guest *g = &host.guests[i];

		if (g->vm)
			out->vms[out->n++] =
				(struct vm_memory){g->vm->id, g->actual, g->target, !g->is_paused};
	}
	return NULL;
}

static MAY_WAIT struct err *set_target(struct vm *vm, int64_t bytes)
{
	struct guest *g = guest_of(vm);

	host.n_told++;
	if (g->is_deaf)
		return err(Domain_not_built);
	assert_in_range(
		bytes, vm->config.memory_dynamic_min_bytes, vm->config.memory_dynamic_max_bytes);
	g->target = bytes;
	return fiber_yield();
}

/* ---- the tests' words ---- */

static struct vm *add(const char *id, int64_t min_mib, int64_t max_mib)
{
	struct vm *vm = model_vm(id);

	vm->config.memory_dynamic_min_bytes = min_mib * MIB;
	vm->config.memory_dynamic_max_bytes = vm->config.memory_static_max_bytes = max_mib * MIB;
	return vm;
}

/* What was promised becomes a guest that runs. */
static struct guest *build(struct vm *vm)
{
	struct guest *g = guest_of(NULL);

	*g = (struct guest){vm, vm->build_bytes, vm->build_bytes, .speed = 32 * MIB};
	free_bytes();
	memory_release(vm);
	vm->phase = XENOPSD_PHASE_UP;
	return g;
}

static MAY_WAIT struct guest *start(struct vm *vm)
{
	CHECK_OK(memory_reserve(vm));
	return build(vm);
}

static void stop(struct vm *vm)
{
	*guest_of(vm) = (struct guest){0};
	vm->phase = XENOPSD_PHASE_HALTED;
	memory_changed();
}

static MAY_WAIT void wait_until(struct guest *g, int64_t mib)
{
	for (int i = 0; g->actual / MIB != mib; i++) {
		if (i > 1000)
			fail_msg("%s has %lld MiB, not %lld", g->vm->id,
				(long long)(g->actual / MIB), (long long)mib);
		CHECK_OK(fiber_yield());
	}
}

/* What diagnostics tell. */
static bool tells(const char *what)
{
	struct json_writer w;
	auto_sbuf text = {0};

	json_writer_init(&w, &text);
	memory_dump(&w);
	return strstr(sbuf_str(&text), what);
}

/* Until nothing moves and nobody waits. */
static MAY_WAIT void settle(void)
{
	for (int i = 0; tells("\"balancing\":true"); i++) {
		assert_true(i < 10000);
		CHECK_OK(fiber_yield());
	}
}

/* A start that goes on beside the test. */
struct starting {
	struct vm *vm;
	struct fiber *fiber;
	struct err *error;
	bool is_ended;
};

static MAY_WAIT void starting_main(void *arg)
{
	struct starting *s = arg;

	s->error = memory_reserve(s->vm);
	s->is_ended = true;
}

static MAY_WAIT void begin_start(struct starting *s, struct vm *vm)
{
	*s = (struct starting){.vm = vm};
	CHECK_OK(fiber_spawn(&s->fiber, starting_main, s, "start of %s", vm->id));
	for (int i = 0; i < 20; i++)
		CHECK_OK(fiber_yield());
}

static MAY_WAIT struct err *end_of(struct starting *s)
{
	for (int i = 0; !s->is_ended; i++) {
		assert_true(i < 10000);
		CHECK_OK(fiber_yield());
	}
	return take(s->error);
}

static void host_begin(void)
{
	host = (struct host){.total = 1000 * MIB};
	model_begin("/nowhere");
	model_backend.host_memory = host_memory;
	model_backend.memory_now = memory_now;
	model_backend.vm_set_memory_target = set_target;
	model_backend.vm_memory_bytes = NULL;
	memory_begin();
}

static MAY_WAIT void in_time(void *arg)
{
	fiber_fn test = *(fiber_fn *)arg;

	CHECK_OK(fiber_spawn(NULL, pass_time, NULL, "time"));
	/* What was before is not known: the first look makes it so. */
	CHECK_OK(memory_balance_now());
	settle();
	test(NULL);
	settle();
	assert_int_equal(memory_reserved_bytes(), 0);
	host.is_over = true;
}

#define ON_HOST(name) \
	static void name##_fiber(void *arg); \
	static void name(void **state) \
	{ \
		fiber_fn fn = name##_fiber; \
\
		host_begin(); \
		clock_stop(); \
		run_in_fiber(in_time, &fn); \
		clock_resume(); \
		memory_end(); \
		vms_free(); \
	} \
	static void name##_fiber(void *arg)

/* ---- plenty ---- */

ON_HOST(plenty_is_not_looked_at)
{
	unsigned n_looks = host.n_looks;

	for (int i = 0; i < 4; i++) {
		const char *const ids[] = {"a", "b", "c", "d"};
		struct guest *g = start(add(ids[i], 100, 200));

		assert_int_equal(g->actual, 200 * MIB);
	}
	stop(vm_find("a"));
	settle();
	assert_int_equal(host.n_looks, n_looks);
	assert_int_equal(host.n_told, 0);
}

ON_HOST(a_promise_is_kept_off_what_is_free)
{
	struct vm *a = add("a", 600, 600), *b = add("b", 500, 500);
	struct starting waits;

	CHECK_OK(memory_reserve(a));
	assert_int_equal(memory_reserved_bytes(), 600 * MIB);
	begin_start(&waits, b);
	assert_false(waits.is_ended); /* a may fail yet */
	memory_release(a);
	CHECK_OK(end_of(&waits));
	memory_release(b);
}

/* What the host told as free may have been promised to one who has it by now. */
ON_HOST(what_was_taken_meanwhile_is_not_promised)
{
	struct vm *a = add("a", 600, 600);
	struct starting waits = {.vm = add("b", 500, 500)};

	CHECK_OK(memory_reserve(a));
	CHECK_OK(fiber_spawn(&waits.fiber, starting_main, &waits, "start of b"));
	CHECK_OK(fiber_yield()); /* the host has been asked, and has not answered */
	build(a);
	CHECK_ERR(end_of(&waits), Not_enough_memory);
}

ON_HOST(a_crowd_is_not_served_one_a_look)
{
	struct starting crowd[6] = {0};
	unsigned n_looks = host.n_looks;

	memory_begin(); /* not known what moves: they stand in line */
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++) {
		auto_str id = xasprintf("vm%zu", i);

		crowd[i].vm = add(id, 100, 150);
		CHECK_OK(fiber_spawn(&crowd[i].fiber, starting_main, &crowd[i], "start of %s", id));
	}
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++) {
		CHECK_OK(end_of(&crowd[i]));
		assert_int_equal(crowd[i].vm->build_bytes, 150 * MIB);
	}
	assert_in_range(host.n_looks - n_looks, 1, 2);
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
		build(crowd[i].vm);
}

ON_HOST(too_much_for_the_host)
{
	struct vm *a = add("a", 600, 600), *b = add("b", 500, 500);

	start(a);
	CHECK_ERR(memory_reserve(b), Not_enough_memory);
	CHECK_ERR(memory_reserve(add("c", 1001, 1001)), Not_enough_memory);
	memory_release(b); /* harmless */
}

ON_HOST(more_for_one_that_runs)
{
	struct guest *g = start(add("a", 600, 900));

	CHECK_OK(memory_reserve_more(g->vm, 100 * MIB));
	assert_int_equal(memory_reserved_bytes(), 100 * MIB);
	assert_int_equal(host.n_told, 0);
	memory_release(g->vm);
	CHECK_OK(memory_reserve_more(g->vm, 200 * MIB)); /* of its own */
	assert_int_equal(g->actual, 800 * MIB);
	memory_release(g->vm);
	CHECK_ERR(memory_reserve_more(g->vm, 401 * MIB), Cannot_free_this_much_memory);
	settle();
	memory_changed();
	wait_until(g, 900);
}

/* ---- balloons ---- */

ON_HOST(others_make_room)
{
	struct guest *a = start(add("a", 200, 600)), *b = start(add("b", 100, 300));
	struct guest *c = start(add("c", 500, 500));

	/* 200 above the least of 300, of 600. */
	assert_int_equal(c->actual, 500 * MIB);
	assert_in_range(a->actual, 333 * MIB, 334 * MIB);
	assert_in_range(b->actual, 166 * MIB, 167 * MIB);
	settle();
	stop(c->vm);
	wait_until(a, 600);
	wait_until(b, 300);
}

ON_HOST(who_starts_gets_his_part)
{
	struct guest *a = start(add("a", 400, 800)), *b = start(add("b", 200, 600));

	/* 400 above the least, of 800. */
	assert_int_equal(a->actual, 600 * MIB);
	assert_int_equal(b->actual, 400 * MIB);
	settle();
	stop(a->vm);
	wait_until(b, 600);
	settle();
	assert_true(tells("\"short\":false"));
}

ON_HOST(more_than_all_can_give)
{
	struct guest *a = start(add("a", 400, 800));
	struct err *e = memory_reserve(add("b", 601, 700));

	assert_true(err_is(e, &ERR_Cannot_free_this_much_memory));
	assert_string_equal(e->params[0], "615424");
	assert_string_equal(e->params[1], "614400");
	err_free(e);
	settle();
	assert_int_equal(a->actual, 800 * MIB);
	assert_int_equal(host.n_told, 0);
}

ON_HOST(a_paused_guest_cannot_give)
{
	struct guest *a = start(add("a", 100, 900));

	a->is_paused = true;
	CHECK_ERR(memory_reserve(add("b", 200, 200)), Not_enough_memory);
	assert_false(memory_is_uncooperative(a->vm));
	a->is_paused = false;
	memory_changed();
	start(vm_find("b"));
	assert_int_equal(a->actual, 800 * MIB);
}

ON_HOST(a_slow_guest_is_waited_for)
{
	struct guest *a = start(add("a", 100, 1000));

	a->speed = MIB; /* 20 MiB/s: 30 seconds */
	start(add("b", 600, 600));
	assert_false(memory_is_uncooperative(a->vm));
	assert_int_equal(a->actual, 400 * MIB);
}

ON_HOST(a_guest_that_does_not_move)
{
	struct guest *a = start(add("a", 100, 1000));

	a->speed = 0;
	struct err *e = memory_reserve(add("b", 600, 600));
	assert_true(err_is(e, &ERR_Vms_failed_to_cooperate));
	assert_string_equal(e->params[0], "a");
	err_free(e);
	assert_true(memory_is_uncooperative(a->vm));
	assert_true(tells("\"uncooperative\":[\"a\"]"));
	/* At once now. */
	unsigned n_looks = host.n_looks;
	CHECK_ERR(memory_reserve(vm_find("b")), Vms_failed_to_cooperate);
	assert_in_range(host.n_looks, n_looks + 1, n_looks + 3);
	/* It moves again, and is told of. */
	a->speed = 32 * MIB;
	for (int i = 0; i < 4; i++)
		CHECK_OK(fiber_yield());
	memory_changed();
	start(vm_find("b"));
	assert_false(memory_is_uncooperative(a->vm));
	assert_int_equal(a->actual, 400 * MIB);
}

ON_HOST(others_give_what_one_does_not)
{
	struct guest *a = start(add("a", 100, 500)), *b = start(add("b", 100, 500));

	a->speed = 0;
	start(add("c", 300, 300));
	assert_int_equal(b->actual, 200 * MIB);
	assert_int_equal(a->actual, 500 * MIB);
	assert_true(memory_is_uncooperative(a->vm));
	assert_false(memory_is_uncooperative(b->vm));
}

ON_HOST(one_that_cannot_be_told)
{
	struct guest *a = start(add("a", 100, 500)), *b = start(add("b", 100, 500));

	a->is_deaf = true;
	start(add("c", 300, 300));
	assert_int_equal(a->actual, 500 * MIB);
	assert_int_equal(b->actual, 200 * MIB);
}

ON_HOST(a_new_range)
{
	struct guest *a = start(add("a", 100, 500));

	a->vm->config.memory_dynamic_max_bytes = 300 * MIB;
	CHECK_OK(memory_balance_now());
	assert_int_equal(a->target, 300 * MIB);
	a->vm->config.memory_dynamic_max_bytes = 900 * MIB;
	CHECK_OK(memory_balance_now());
	assert_int_equal(a->target, 900 * MIB);
	wait_until(a, 900);
}

ON_HOST(a_guest_that_was_saved)
{
	struct vm *a = add("a", 100, 500);

	CHECK_OK(memory_reserve_exactly(a, 250 * MIB));
	assert_int_equal(a->build_bytes, 250 * MIB);
	struct guest *g = build(a);
	memory_changed(); /* it goes on */
	wait_until(g, 500);
	CHECK_OK(memory_reserve_exactly(add("b", 100, 400), 0));
	assert_int_equal(vm_find("b")->build_bytes, 400 * MIB);
	memory_release(vm_find("b"));
}

/* What changes while the balancer looks is not missed. */
ON_HOST(a_change_amid_a_look)
{
	struct guest *a = start(add("a", 100, 500));

	start(add("b", 700, 700));
	settle();
	assert_int_equal(a->target, 300 * MIB);
	a->is_paused = true;
	memory_changed();
	unsigned n_looks = host.n_looks;
	while (host.n_looks == n_looks)
		CHECK_OK(fiber_yield());
	stop(vm_find("b")); /* frees it, and */
	a->is_paused = false;
	memory_changed();
	wait_until(a, 500);
}

ON_HOST(one_is_squeezed_for_a_while)
{
	struct guest *a = start(add("a", 100, 500));

	a->speed = 8 * MIB;
	CHECK_OK(memory_squeeze(a->vm));
	assert_int_equal(a->actual, 100 * MIB);
	memory_unsqueeze(a->vm);
	wait_until(a, 500);
	memory_unsqueeze(a->vm); /* harmless */
	a->speed = 0;
	CHECK_OK(memory_squeeze(a->vm)); /* it does not move: nobody waits for ever */
	assert_true(memory_is_uncooperative(a->vm));
	memory_unsqueeze(a->vm);
	settle();
	assert_true(memory_is_uncooperative(a->vm)); /* until it moves */
	a->speed = 32 * MIB;
	while (a->actual == 500 * MIB)
		CHECK_OK(fiber_yield());
	memory_changed();
	wait_until(a, 500);
}

/* ---- waiting ---- */

ON_HOST(first_come_first_served)
{
	struct guest *a = start(add("a", 100, 1000));
	struct starting large, small;

	a->speed = MIB;
	begin_start(&large, add("large", 500, 500));
	begin_start(&small, add("small", 50, 50));
	assert_true(tells("\"waiting\":[\"large\",\"small\"]"));
	CHECK_OK(end_of(&large));
	assert_false(small.is_ended);
	CHECK_OK(end_of(&small));
	build(large.vm);
	build(small.vm);
	wait_until(a, 450);
}

ON_HOST(who_gives_up_gives_back)
{
	struct guest *a = start(add("a", 100, 1000));
	struct starting s;

	a->speed = MIB;
	begin_start(&s, add("b", 500, 500));
	assert_false(s.is_ended);
	fiber_cancel(s.fiber);
	CHECK_ERR(end_of(&s), CANCELLED);
	wait_until(a, 1000);
}

ON_HOST(a_host_that_does_not_answer)
{
	struct guest *a = start(add("a", 100, 1000));

	host.is_broken = true;
	CHECK_ERR(memory_reserve(add("b", 500, 500)), INTERNAL_ERROR);
	host.is_broken = false;
	start(vm_find("b"));
	assert_int_equal(a->actual, 500 * MIB);
}

/* A backend that cannot balance: each has its most, and what is free is all that there is. */
ON_HOST(without_balloons)
{
	model_backend.memory_now = NULL;
	model_backend.vm_set_memory_target = NULL;
	CHECK_OK(memory_reserve(add("a", 600, 600)));
	build(vm_find("a"));
	CHECK_ERR(memory_reserve(add("b", 300, 500)), Not_enough_memory);
	CHECK_OK(memory_reserve(add("c", 400, 400)));
	build(vm_find("c"));
}

TEST_MAIN(TEST(plenty_is_not_looked_at), TEST(a_promise_is_kept_off_what_is_free),
	TEST(what_was_taken_meanwhile_is_not_promised), TEST(a_crowd_is_not_served_one_a_look),
	TEST(too_much_for_the_host), TEST(more_for_one_that_runs), TEST(others_make_room),
	TEST(who_starts_gets_his_part), TEST(more_than_all_can_give),
	TEST(a_paused_guest_cannot_give), TEST(a_slow_guest_is_waited_for),
	TEST(a_guest_that_does_not_move), TEST(others_give_what_one_does_not),
	TEST(one_that_cannot_be_told), TEST(a_new_range), TEST(a_guest_that_was_saved),
	TEST(a_change_amid_a_look), TEST(one_is_squeezed_for_a_while),
	TEST(first_come_first_served), TEST(who_gives_up_gives_back),
	TEST(a_host_that_does_not_answer), TEST(without_balloons))
