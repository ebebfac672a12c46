/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose turn it is among VMs that start or end together (rank.h).
 */
#include "xapid/plan/rank.h"

#include "common/clock.h"
#include "common/fiber.h"
#include "xapid/db/db.h"

#include "xenapi.gen.h"

#include <stdlib.h>

void rank_add(struct ranks *all, struct arena *a, const char *vm, bool is_start)
{
	const struct xenapi_vm *row = db_find(vm, vm);

	all->v[all->n++] = (struct ranked){
		.vm = arena_strdup(a, vm),
		.order = is_start ? row->order : -row->order,
		.delay_s = is_start ? row->start_delay : row->shutdown_delay,
	};
}

static int by_order(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

void rank_sort(struct ranks *all)
{
	qsort(all->v, all->n, sizeof(*all->v), by_order);
}

size_t rank_end(const struct ranks *all, size_t from)
{
	size_t i = from;

	while (i < all->n && all->v[i].order == all->v[from].order)
		i++;
	return i;
}

MAY_WAIT struct err *rank_pause(const struct ranks *all, size_t next)
{
	int64_t longest_s = 0;

	if (next == 0 || all->v[next].order == all->v[next - 1].order)
		return NULL;
	for (size_t i = next; i > 0 && all->v[i - 1].order == all->v[next - 1].order; i--)
		if (all->v[i - 1].delay_s > longest_s)
			longest_s = all->v[i - 1].delay_s;
	return longest_s > 0 ? fiber_sleep(longest_s * NS_PER_S) : NULL;
}
