/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls without a class, and class Work: a task with progress and cancel points.
 */
#include "common/fiber.h"
#include "common/rpc.h"
#include "common/task.h"

#include "core.gen.h"
#include "sample.gen.h"

MAY_WAIT struct err *api_echo(struct call *c, const struct sample_echo_in *in, const char **out)
{
	*out = in->text;
	return NULL;
}

MAY_WAIT struct err *api_work_run(struct call *c, const struct sample_work_run_in *in, int64_t *out)
{
	if (in->steps < 0 || in->steps > 1000000)
		return err(INVALID_VALUE, "steps", "not between 0 and 1000000");
	if (in->step_ms < 0 || in->step_ms > 60000)
		return err(INVALID_VALUE, "step_ms", "not between 0 and 60000");
	for (int64_t i = 0; i < in->steps; i++) {
		TRY(task_check(c->task));
		TRY(fiber_sleep(in->step_ms * NS_PER_MS));
		task_progress(c->task, (double)(i + 1) / (double)in->steps);
	}
	*out = in->steps;
	return NULL;
}
