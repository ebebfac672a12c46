/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sharing memory out (memory_balance.h). What a round hands on it has already: a VM may grow, and
 * a wish is granted, only from what is free now and nobody was told that he may have. So a balloon
 * that is slow, or does the contrary of what it is told, makes others wait and never overbooks.
 */
#include "xenopsd/memory_balance.h"

#include "common/mem.h"

#define PAGE_BYTES ((int64_t)4096)
/* Nobody is told anything for so little, unless somebody waits for it: hosts that count what Linux
 * calls free never stand still. */
#define SLACK_BYTES ((int64_t)1 << 20)

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void balance_share_out(struct balance_share *v, size_t n, int64_t budget)
{
	int64_t spare = budget, ranges = 0;

	for (size_t i = 0; i < n; i++) {
		spare -= v[i].min_bytes;
		ranges += v[i].max_bytes - v[i].min_bytes;
	}
	for (size_t i = 0; i < n; i++) {
		int64_t range = v[i].max_bytes - v[i].min_bytes;
		int64_t part = range;

		if (spare < ranges)
			part = range ? (int64_t)((__int128)range * larger(spare, 0) / ranges) : 0;
		if (part < range)
			part -= part % PAGE_BYTES;
		v[i].out_bytes = v[i].min_bytes + part;
	}
}

/* What it may still come to take. */
static int64_t growth(const struct balance_vm *vm, int64_t target)
{
	return larger(target - vm->actual_bytes, 0);
}

/* Free now, and nobody was told that he may have it. */
static int64_t room_of(const struct balance *b)
{
	int64_t room = b->free_bytes - b->promised_bytes;

	for (size_t i = 0; i < b->n; i++)
		room -= growth(&b->vms[i], b->vms[i].target_bytes);
	return room;
}

/* What there is for those whose balloons move, and for who wants some. */
static int64_t budget_of(const struct balance *b)
{
	int64_t budget = b->free_bytes - b->promised_bytes;

	for (size_t i = 0; i < b->n; i++) {
		const struct balance_vm *vm = &b->vms[i];

		budget += vm->is_fixed ? -growth(vm, vm->target_bytes) : vm->actual_bytes;
	}
	return budget;
}

/* What the whole could make free. */
static void reckon(struct balance *b, int64_t budget)
{
	b->freeable_bytes = budget;
	for (size_t i = 0; i < b->n; i++) {
		const struct balance_vm *vm = &b->vms[i];
		int64_t gives = larger(vm->actual_bytes - vm->min_bytes, 0);

		if (vm->is_stuck) {
			b->stuck_bytes += gives;
		} else if (!vm->is_fixed) {
			b->freeable_bytes -= vm->min_bytes;
			b->given_bytes += gives;
		}
	}
	b->is_impossible = b->is_wanted && b->freeable_bytes < b->wanted_min_bytes;
}

/* SHARES: one more than there are VMs, the last for who wants some. */
static void share_out(const struct balance *b, int64_t budget, struct balance_share *shares)
{
	for (size_t i = 0; i < b->n; i++)
		if (!b->vms[i].is_fixed)
			shares[i] = (struct balance_share){
				.min_bytes = b->vms[i].min_bytes, .max_bytes = b->vms[i].max_bytes};
	if (b->is_wanted)
		shares[b->n] = (struct balance_share){
			.min_bytes = b->wanted_min_bytes, .max_bytes = b->wanted_max_bytes};
	balance_share_out(shares, b->n + 1, budget);
}

/* It has as good as its share. */
static bool is_near(const struct balance_vm *vm, int64_t share)
{
	int64_t difference = share - vm->target_bytes;

	if (share == vm->max_bytes || vm->target_bytes < vm->min_bytes)
		return difference == 0;
	return difference < SLACK_BYTES && difference > -SLACK_BYTES;
}

static bool is_balanced(const struct balance *b, const struct balance_share *shares)
{
	for (size_t i = 0; i < b->n; i++)
		if (!b->vms[i].is_fixed && !is_near(&b->vms[i], shares[i].out_bytes))
			return false;
	return !b->is_wanted;
}

/* A share above the target costs what goes beyond that and beyond what the VM has; *ROOM pays. */
static int64_t grown(const struct balance_vm *vm, int64_t share, int64_t *room)
{
	int64_t held = larger(vm->target_bytes, vm->actual_bytes);
	int64_t next = smaller(share, held + larger(*room, 0));

	*room -= larger(next - held, 0);
	return larger(next, vm->target_bytes);
}

/* Also says whether who wants some gets it; what is left of ROOM is for the others. */
static void grant(struct balance *b, int64_t share, int64_t *room)
{
	if (!b->is_wanted)
		return;
	if (!b->is_impossible && *room >= share) {
		b->is_granted = true;
		b->granted_bytes = share;
		*room -= share;
		return;
	}
	*room = 0; /* nobody grows while somebody waits */
}

void balance_round(struct balance *b)
{
	struct balance_share *shares = xcalloc(b->n + 1, sizeof(*shares));
	int64_t budget = budget_of(b), room = room_of(b);

	b->is_granted = b->is_impossible = false;
	b->granted_bytes = b->given_bytes = b->stuck_bytes = 0;
	reckon(b, budget);
	share_out(b, budget, shares);
	grant(b, shares[b->n].out_bytes, &room);
	bool is_done = b->is_impossible || is_balanced(b, shares);
	for (size_t i = 0; i < b->n; i++) {
		struct balance_vm *vm = &b->vms[i];
		int64_t share = shares[i].out_bytes;

		vm->next_bytes = vm->target_bytes;
		if (!is_done && !vm->is_fixed)
			vm->next_bytes = share < vm->target_bytes ? share : grown(vm, share, &room);
	}
	free(shares);
}
