/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenopsd/memory_balance.c: shares by ratio, rounds that never overbook, and hosts that are played
 * by chance until nothing moves.
 */
#include "xenopsd/memory_balance.h"

#include "common/mem.h"
#include "tests/unit/points.h"
#include "tests/unit/test.h"

#define MIB  ((int64_t)1 << 20)
#define PAGE ((int64_t)4096)

/* ---- shares ---- */

static void shares_by_ratio(void **state)
{
	struct balance_share v[] = {
		{.min_bytes = 100 * MIB, .max_bytes = 300 * MIB},
		{.min_bytes = 100 * MIB, .max_bytes = 200 * MIB},
		{.min_bytes = 50 * MIB, .max_bytes = 50 * MIB},
	};

	balance_share_out(v, 3, 1000 * MIB); /* more than enough */
	assert_int_equal(v[0].out_bytes, 300 * MIB);
	assert_int_equal(v[1].out_bytes, 200 * MIB);
	assert_int_equal(v[2].out_bytes, 50 * MIB);
	balance_share_out(v, 3, 550 * MIB); /* just enough */
	assert_int_equal(v[0].out_bytes, 300 * MIB);
	balance_share_out(v, 3, 400 * MIB); /* half of the ranges */
	assert_int_equal(v[0].out_bytes, 200 * MIB);
	assert_int_equal(v[1].out_bytes, 150 * MIB);
	assert_int_equal(v[2].out_bytes, 50 * MIB);
	balance_share_out(v, 3, 250 * MIB); /* the least */
	assert_int_equal(v[0].out_bytes, 100 * MIB);
	assert_int_equal(v[1].out_bytes, 100 * MIB);
	balance_share_out(v, 3, -MIB); /* nothing can be done about that here */
	assert_int_equal(v[0].out_bytes, 100 * MIB);
	balance_share_out(v, 0, MIB);
}

static void shares_are_pages(void **state)
{
	struct balance_share v[3];
	int64_t sum = 0;

	for (size_t i = 0; i < 3; i++)
		v[i] = (struct balance_share){.min_bytes = MIB, .max_bytes = 2 * MIB};
	balance_share_out(v, 3, 4 * MIB);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(v[i].out_bytes % PAGE, 0);
		sum += v[i].out_bytes;
	}
	assert_in_range(sum, 4 * MIB - 3 * PAGE, 4 * MIB);
}

static void shares_of_very_much(void **state)
{
	struct balance_share v[] = {
		{.min_bytes = 0, .max_bytes = INT64_MAX / 4},
		{.min_bytes = 0, .max_bytes = INT64_MAX / 4},
	};

	balance_share_out(v, 2, INT64_MAX / 4);
	assert_in_range(v[0].out_bytes, INT64_MAX / 8 - PAGE, INT64_MAX / 8);
	assert_int_equal(v[0].out_bytes, v[1].out_bytes);
}

/* ---- rounds ---- */

/* Its target is what it has. */
static struct balance_vm vm_of(int64_t min, int64_t max, int64_t actual)
{
	return (struct balance_vm){.min_bytes = min * MIB,
		.max_bytes = max * MIB,
		.actual_bytes = actual * MIB,
		.target_bytes = actual * MIB};
}

static struct balance balance_of(struct balance_vm *vms, size_t n, int64_t free_mib)
{
	return (struct balance){.free_bytes = free_mib * MIB, .vms = vms, .n = n};
}

static void want(struct balance *b, int64_t min, int64_t max)
{
	b->is_wanted = true;
	b->wanted_min_bytes = min * MIB;
	b->wanted_max_bytes = max * MIB;
}

static void nothing_to_do(void **state)
{
	struct balance_vm vms[] = {vm_of(50, 100, 100), vm_of(100, 100, 100)};
	struct balance b = balance_of(vms, 2, 10);

	balance_round(&b);
	assert_int_equal(vms[0].next_bytes, 100 * MIB);
	assert_int_equal(vms[1].next_bytes, 100 * MIB);
	assert_false(b.is_granted || b.is_impossible);
	assert_int_equal(b.freeable_bytes, 60 * MIB);
	assert_int_equal(b.given_bytes, 50 * MIB);
}

static void granted_at_once_where_there_is_room(void **state)
{
	struct balance_vm vms[] = {vm_of(50, 100, 100)};
	struct balance b = balance_of(vms, 1, 200);

	want(&b, 50, 150);
	balance_round(&b);
	assert_true(b.is_granted);
	assert_int_equal(b.granted_bytes, 150 * MIB);
	assert_int_equal(vms[0].next_bytes, 100 * MIB);
}

static void a_wish_makes_others_shrink(void **state)
{
	struct balance_vm vms[] = {vm_of(50, 100, 100), vm_of(0, 200, 200)};
	struct balance b = balance_of(vms, 2, 0);

	want(&b, 100, 100);
	balance_round(&b); /* 300 for three: 150 above the least of 150, of 250 */
	assert_false(b.is_granted || b.is_impossible);
	assert_int_equal(vms[0].next_bytes, 50 * MIB + 50 * MIB * 3 / 5);
	assert_int_equal(vms[1].next_bytes, 200 * MIB * 3 / 5);
	/* One has; the other is not done. */
	for (size_t i = 0; i < 2; i++)
		vms[i].target_bytes = vms[i].next_bytes;
	vms[1].actual_bytes = vms[1].target_bytes;
	b.free_bytes = 80 * MIB;
	balance_round(&b);
	assert_false(b.is_granted);
	vms[0].actual_bytes = vms[0].target_bytes;
	b.free_bytes = 100 * MIB;
	balance_round(&b);
	assert_true(b.is_granted);
	assert_int_equal(b.granted_bytes, 100 * MIB);
}

static void who_wants_shares_as_the_others(void **state)
{
	struct balance_vm vms[] = {vm_of(100, 300, 300)};
	struct balance b = balance_of(vms, 1, 100);

	want(&b, 100, 300);
	balance_round(&b);
	assert_int_equal(vms[0].next_bytes, 200 * MIB);
	vms[0].actual_bytes = vms[0].target_bytes = 200 * MIB;
	b.free_bytes = 200 * MIB;
	balance_round(&b);
	assert_true(b.is_granted);
	assert_int_equal(b.granted_bytes, 200 * MIB);
}

static void promised_is_not_free(void **state)
{
	struct balance b = balance_of(NULL, 0, 100);

	b.promised_bytes = 60 * MIB;
	want(&b, 50, 50);
	balance_round(&b);
	assert_true(b.is_impossible);
	assert_int_equal(b.freeable_bytes, 40 * MIB);
	want(&b, 40, 50);
	b.is_impossible = false;
	balance_round(&b);
	assert_true(b.is_granted);
	assert_int_equal(b.granted_bytes, 40 * MIB);
}

static void what_one_was_told_to_take_is_not_free(void **state)
{
	struct balance_vm vms[] = {vm_of(50, 100, 60)};
	struct balance b = balance_of(vms, 1, 50);

	vms[0].target_bytes = 100 * MIB;
	want(&b, 20, 20);
	balance_round(&b);
	/* 90 for the one: it stops growing, but may be doing so at this moment. */
	assert_false(b.is_granted);
	assert_int_equal(vms[0].next_bytes, 90 * MIB);
	vms[0].target_bytes = 90 * MIB;
	balance_round(&b);
	assert_true(b.is_granted);
}

static void what_cannot_be_is_said(void **state)
{
	struct balance_vm vms[] = {vm_of(50, 100, 100), vm_of(60, 80, 70)};
	struct balance b = balance_of(vms, 2, 5);

	want(&b, 66, 90);
	balance_round(&b);
	assert_true(b.is_impossible);
	assert_int_equal(b.freeable_bytes, 65 * MIB);
	assert_int_equal(b.given_bytes, 60 * MIB);
	/* Nobody is told to shrink for it. */
	assert_int_equal(vms[0].next_bytes, 100 * MIB);
	assert_int_equal(vms[1].next_bytes, 70 * MIB);
}

static void stuck_ones_are_left_out(void **state)
{
	struct balance_vm vms[] = {vm_of(50, 100, 100), vm_of(50, 100, 100)};
	struct balance b = balance_of(vms, 2, 0);

	vms[1].is_fixed = vms[1].is_stuck = true;
	vms[1].target_bytes = 60 * MIB;
	want(&b, 40, 40);
	balance_round(&b);
	assert_false(b.is_impossible);
	assert_int_equal(vms[0].next_bytes, 60 * MIB);
	assert_int_equal(vms[1].next_bytes, 60 * MIB);
	assert_int_equal(b.stuck_bytes, 50 * MIB);
	b = balance_of(vms, 2, 0);
	want(&b, 60, 60);
	balance_round(&b);
	assert_true(b.is_impossible);
	assert_int_equal(b.freeable_bytes, 50 * MIB);
	assert_int_equal(b.stuck_bytes, 50 * MIB);
}

/* A paused one that was told to have more may take it when it goes on. */
static void fixed_ones_keep_what_they_were_told(void **state)
{
	struct balance_vm vms[] = {vm_of(10, 100, 50)};
	struct balance b = balance_of(vms, 1, 60);

	vms[0].is_fixed = true;
	vms[0].target_bytes = 100 * MIB;
	want(&b, 20, 20);
	balance_round(&b);
	assert_true(b.is_impossible);
	assert_int_equal(b.freeable_bytes, 10 * MIB);
	assert_int_equal(vms[0].next_bytes, 100 * MIB);
}

static void freed_memory_is_given_back(void **state)
{
	struct balance_vm vms[] = {vm_of(0, 100, 50), vm_of(0, 200, 100)};
	struct balance b = balance_of(vms, 2, 75);

	balance_round(&b);
	assert_in_range(vms[0].next_bytes, 75 * MIB - PAGE, 75 * MIB);
	assert_in_range(vms[1].next_bytes, 150 * MIB - PAGE, 150 * MIB);
	/* Only what is free is handed on: the one that has too much shrinks first. */
	vms[0] = vm_of(0, 100, 90);
	vms[1] = vm_of(0, 200, 60);
	b = balance_of(vms, 2, 0);
	balance_round(&b);
	assert_in_range(vms[0].next_bytes, 50 * MIB - PAGE, 50 * MIB);
	assert_int_equal(vms[1].next_bytes, 60 * MIB);
}

static void nobody_grows_while_one_waits(void **state)
{
	struct balance_vm vms[] = {vm_of(0, 100, 50), vm_of(0, 100, 100)};
	struct balance b = balance_of(vms, 2, 50);

	want(&b, 60, 60);
	balance_round(&b); /* 140 for the two */
	assert_false(b.is_granted);
	assert_int_equal(vms[0].next_bytes, 50 * MIB);
	assert_int_equal(vms[1].next_bytes, 70 * MIB);
	/* But what is still shrinking may stop. */
	vms[0].actual_bytes = 80 * MIB;
	b.free_bytes = 20 * MIB;
	balance_round(&b);
	assert_int_equal(vms[0].next_bytes, 70 * MIB);
}

static void little_is_let_be(void **state)
{
	struct balance_vm vms[] = {vm_of(0, 100, 50)};
	struct balance b = balance_of(vms, 1, 0);

	b.free_bytes = MIB / 2;
	balance_round(&b);
	assert_int_equal(vms[0].next_bytes, 50 * MIB);
	/* Not where it is all that one can have, or where somebody waits. */
	vms[0].max_bytes = 50 * MIB + MIB / 2;
	balance_round(&b);
	assert_int_equal(vms[0].next_bytes, 50 * MIB + MIB / 2);
	b.is_wanted = true;
	b.wanted_min_bytes = b.wanted_max_bytes = MIB;
	balance_round(&b);
	assert_int_equal(vms[0].next_bytes, 50 * MIB - MIB / 2);
}

static void a_new_range_is_followed(void **state)
{
	struct balance_vm vms[] = {vm_of(80, 120, 50), vm_of(20, 100, 100)};
	struct balance b = balance_of(vms, 2, 0);

	balance_round(&b); /* below its least, and nothing is free */
	assert_int_equal(vms[0].next_bytes, 50 * MIB);
	assert_in_range(vms[1].next_bytes, 53 * MIB, 54 * MIB);
	b = balance_of(vms, 1, 1000);
	balance_round(&b);
	assert_int_equal(vms[0].next_bytes, 120 * MIB);
}

/* ---- hosts by chance ---- */

#define MAX_VMS 12
#define ROUNDS  400

static uint64_t chance_state;

static int64_t chance(int64_t n)
{
	chance_state = chance_state * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return (int64_t)((chance_state >> 20) % (uint64_t)n);
}

/* A host and how its guests behave. */
static struct host {
	int64_t total, free;
	struct balance_vm vms[MAX_VMS];
	int64_t speed[MAX_VMS]; /* bytes a round; 0: does not move */
	int64_t idle[MAX_VMS]; /* rounds without progress */
	size_t n;
	bool is_wanted;
	int64_t min, max; /* of who wants */
	size_t n_granted, n_refused;
} host;

static void host_begin(void)
{
	host = (struct host){.n = 1 + (size_t)chance(MAX_VMS - 2)};
	for (size_t i = 0; i < host.n; i++) {
		struct balance_vm *vm = &host.vms[i];

		vm->min_bytes = (8 + chance(200)) * MIB + chance(3) * PAGE;
		vm->max_bytes = vm->min_bytes + chance(300) * MIB;
		vm->actual_bytes =
			vm->min_bytes + chance(vm->max_bytes - vm->min_bytes + 1) / PAGE * PAGE;
		vm->target_bytes = vm->actual_bytes;
		host.speed[i] = chance(5) ? (1 + chance(64)) * MIB : 0;
		host.total += vm->actual_bytes;
	}
	host.free = chance(300) * MIB;
	host.total += host.free;
}

/* As an observer that is told nothing but what is there. */
static void see_who_is_stuck(size_t i, int64_t before)
{
	struct balance_vm *vm = &host.vms[i];
	bool is_done = vm->actual_bytes == vm->target_bytes;

	host.idle[i] = is_done || vm->actual_bytes != before ? 0 : host.idle[i] + 1;
	vm->is_stuck = vm->is_fixed = host.idle[i] > 3 && vm->actual_bytes > vm->target_bytes;
}

static void guests_move(void)
{
	for (size_t i = 0; i < host.n; i++) {
		struct balance_vm *vm = &host.vms[i];
		int64_t before = vm->actual_bytes, way = vm->target_bytes - before;

		if (way > host.speed[i])
			way = host.speed[i];
		if (way < -host.speed[i])
			way = -host.speed[i];
		assert_true(host.free >= way); /* it was told that it may */
		vm->actual_bytes += way;
		host.free -= way;
		see_who_is_stuck(i, before);
	}
}

/* Nothing that anybody may take is counted twice. */
static void check_not_overbooked(int64_t granted)
{
	int64_t taken = granted;

	for (size_t i = 0; i < host.n; i++) {
		const struct balance_vm *vm = &host.vms[i];

		taken += vm->actual_bytes > vm->target_bytes ? vm->actual_bytes : vm->target_bytes;
		assert_true(vm->target_bytes >= vm->min_bytes);
		assert_true(vm->target_bytes <= vm->max_bytes);
	}
	assert_true(taken <= host.total);
}

/* It comes to be a VM of the host. */
static void build_granted(int64_t bytes)
{
	assert_true(bytes >= host.min && bytes <= host.max);
	assert_true(host.free >= bytes);
	host.free -= bytes;
	host.speed[host.n] = MIB;
	host.vms[host.n++] = (struct balance_vm){.min_bytes = host.min,
		.max_bytes = host.max,
		.actual_bytes = bytes,
		.target_bytes = bytes};
	host.is_wanted = false;
	host.n_granted++;
}

/* Whether anything has changed. */
static bool host_round(void)
{
	struct balance b = {
		.free_bytes = host.free, .vms = host.vms, .n = host.n, .is_wanted = host.is_wanted};
	bool has_changed = false;

	b.wanted_min_bytes = host.min;
	b.wanted_max_bytes = host.max;
	balance_round(&b);
	for (size_t i = 0; i < host.n; i++) {
		has_changed = has_changed || host.vms[i].next_bytes != host.vms[i].target_bytes;
		host.vms[i].target_bytes = host.vms[i].next_bytes;
	}
	check_not_overbooked(b.granted_bytes);
	if (b.is_granted)
		build_granted(b.granted_bytes);
	if (b.is_impossible) {
		assert_true(b.freeable_bytes < host.min);
		host.is_wanted = false;
		host.n_refused++;
	}
	return has_changed || b.is_granted || b.is_impossible;
}

static bool is_moving(void)
{
	for (size_t i = 0; i < host.n; i++)
		if (host.vms[i].actual_bytes != host.vms[i].target_bytes && host.speed[i])
			return true;
	return false;
}

/* Who is at rest and can move has the same part of his range, but for a page and the slack. */
static void check_equal_ratios(void)
{
	double least = 1, most = 0;

	for (size_t i = 0; i < host.n; i++) {
		const struct balance_vm *vm = &host.vms[i];
		double range = (double)(vm->max_bytes - vm->min_bytes);
		double slack = (double)(MIB + 2 * PAGE);

		if (vm->is_fixed || range < 4 * slack)
			continue;
		double low = ((double)(vm->target_bytes - vm->min_bytes) - slack) / range;
		double high = ((double)(vm->target_bytes - vm->min_bytes) + slack) / range;
		least = high < least ? high : least;
		most = low > most ? low : most;
	}
	assert_true(most <= least);
}

static void settle(void)
{
	int still = 0;

	for (int i = 0; still < 8; i++) {
		assert_true(i < ROUNDS); /* it converges */
		still = host_round() || is_moving() || host.is_wanted ? 0 : still + 1;
		guests_move();
	}
	check_equal_ratios();
}

static void play(uint64_t seed)
{
	chance_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	host_begin();
	settle();
	while (host.n < MAX_VMS && !host.n_refused) {
		host.is_wanted = true;
		host.min = (1 + chance(200)) * MIB;
		host.max = host.min + chance(200) * MIB;
		settle();
	}
	/* One goes: the others have its memory. */
	host.n--;
	host.free += host.vms[host.n].actual_bytes;
	settle();
}

static void hosts_by_chance(void **state)
{
	struct points p = points_begin("hosts by chance", 2000);
	size_t granted = 0, refused = 0, seen = 0;

	for (size_t i; points_next(&p, &i); seen++) {
		play(i);
		granted += host.n_granted;
		refused += host.n_refused;
	}
	printf("# %zu wishes granted, %zu refused\n", granted, refused);
	assert_true(seen < 20 || (granted && refused));
}

TEST_MAIN(TEST(shares_by_ratio), TEST(shares_are_pages), TEST(shares_of_very_much),
	TEST(nothing_to_do), TEST(granted_at_once_where_there_is_room),
	TEST(a_wish_makes_others_shrink), TEST(who_wants_shares_as_the_others),
	TEST(promised_is_not_free), TEST(what_one_was_told_to_take_is_not_free),
	TEST(what_cannot_be_is_said), TEST(stuck_ones_are_left_out),
	TEST(fixed_ones_keep_what_they_were_told), TEST(freed_memory_is_given_back),
	TEST(nobody_grows_while_one_waits), TEST(little_is_let_be), TEST(a_new_range_is_followed),
	TEST(hosts_by_chance))
