/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What plans are made of: several operations at once, the point from which on others may be told,
 * the end of a daemon's task, the state that a VM is in then.
 */
#include "common/clock.h"
#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"

#define COMMIT_NS (60 * NS_PER_S)

int64_t plan_soon(void)
{
	return deadline_in(LINK_CALL_NS);
}

void plan_ops_end(struct plan_ops *ops)
{
	while (ops->n)
		op_end(&ops->v[--ops->n]);
	free(ops->v);
	*ops = (struct plan_ops){0};
}

MAY_WAIT struct err *plan_op(struct plan_ops *ops, const struct op_rules *rules, const char *ref,
	int what, struct call *c)
{
	struct op op = {0};

	TRY(op_begin(&op, rules, ref, what, c ? call_task(c) : REF_NULL));
	if (ops->n == ops->size) {
		ops->size = ops->size ? ops->size * 2 : 4;
		ops->v = xrealloc(ops->v, ops->size, sizeof(*ops->v));
	}
	ops->v[ops->n++] = op;
	return NULL;
}

MAY_WAIT struct err *plan_commit(void)
{
	return db_barrier(db_generation(), deadline_in(COMMIT_NS));
}

MAY_WAIT struct err *plan_await_vm(const struct link_work *work, const char *task, const char *vm)
{
	auto_arena arena = {0};

	return link_error(link_await(&link_xenopsd, work, task, NULL, &arena, NULL), vm);
}

MAY_WAIT struct err *plan_await_storage(const struct link_work *work, const char *task,
	const struct type *result, struct arena *a, void *out)
{
	return link_error(link_await(&link_smd, work, task, result, a, out), NULL);
}

MAY_WAIT struct err *plan_with_state(struct err *e, const char *vm)
{
	struct err *bad = link_error(xenopsd_compare(vm), vm);

	if (!e)
		return bad;
	err_free(bad);
	return e;
}
