/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for a task: by UPDATES.get, never by polling, with a progress bar where somebody looks.
 * The first Ctrl-C asks the daemon to cancel the task and goes on waiting for its end.
 */
#include "common/cli_parts.h"

#include "common/codec.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/rpc.h"

#include "core.gen.h"

#include <stdio.h>
#include <string.h>

enum { BAR_WIDTH = 24, POLL_S = 30 };

/* A task that is being waited for. */
struct waiting {
	struct cli *cli;
	const char *task;
	char token[CLI_TOKEN_SIZE]; /* of UPDATES.get; empty: none yet */
	struct arena arena; /* of one round */
	bool has_bar;
	bool is_cancelling;
};

static void show_bar(struct waiting *w, const struct core_task *t)
{
	unsigned filled = (unsigned)(t->progress * BAR_WIDTH + 0.5);
	char bar[BAR_WIDTH + 1];

	if (filled > BAR_WIDTH)
		filled = BAR_WIDTH;
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '#', filled);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r\033[K%.40s [%s] %3.0f %% %.40s%s", t->name, bar, t->progress * 100,
		t->step, w->is_cancelling ? " (cancelling)" : "");
	fflush(stderr);
	w->has_bar = true;
}

static void clear_bar(struct waiting *w)
{
	if (w->has_bar)
		fputs("\r\033[K", stderr);
	w->has_bar = false;
}

static MAY_WAIT struct err *stat_task(struct waiting *w, struct core_task *out)
{
	const struct core_task_stat_in in = {.task = w->task};

	return core_task_stat(cli_client(w->cli), &in, &w->arena, out, cli_deadline(w->cli));
}

static bool has_changed(const struct waiting *w, const struct core_updates_answer *answer)
{
	for (size_t i = 0; i < answer->updates.n; i++)
		if (!strcmp(answer->updates.v[i].class, "task") &&
			!strcmp(answer->updates.v[i].id, w->task))
			return true;
	return false;
}

/* Until something is new of the task; the first time, only where the updates stand. */
static MAY_WAIT struct err *wait_for_change(struct waiting *w)
{
	struct core_updates_answer answer;
	bool is_first = !w->token[0];

	do {
		const struct core_updates_get_in in = {
			.since = w->token[0] ? w->token : NULL, .timeout = POLL_S};

		arena_reset(&w->arena);
		TRY(core_updates_get(
			cli_client(w->cli), &in, &w->arena, &answer, cli_deadline(w->cli)));
		snprintf(w->token, sizeof(w->token), "%s", answer.token);
	} while (!is_first && !answer.complete && !has_changed(w, &answer));
	return NULL;
}

static MAY_WAIT struct err *cancel_task(struct waiting *w)
{
	const struct core_task_cancel_in in = {.task = w->task};

	fiber_cancel_mask(); /* the end is still to be seen; a second Ctrl-C stops the loop */
	w->is_cancelling = true;
	return core_task_cancel(cli_client(w->cli), &in, &w->arena, cli_deadline(w->cli));
}

/* Until the task has ended. */
static MAY_WAIT struct err *follow(struct waiting *w, struct core_task *out)
{
	bool is_seen = isatty(STDERR_FILENO);

	for (;;) {
		arena_reset(&w->arena);
		struct err *e = stat_task(w, out);

		if (!e && out->state != CORE_TASK_STATE_RUNNING)
			return NULL;
		if (!e && is_seen)
			show_bar(w, out);
		if (!e)
			e = wait_for_change(w);
		if (e && w->cli->is_interrupted && !w->is_cancelling) {
			err_free(e);
			e = cancel_task(w);
		}
		TRY(e);
	}
}

/* The error that a task kept, as a peer's error. */
static struct err *task_error(const struct core_task *t)
{
	const struct core_error_value *v = t->error;

	if (!v)
		return err_new(NULL, 0, ERR_INTERNAL_ERROR.code, 1,
			(const char *const[]){"the task ended without a result"});
	struct err *e = err_new(NULL, 0, v->code, v->params.n, v->params.v);
	return v->detail[0] ? err_wrap(e, "%s", v->detail) : e;
}

static struct err *task_result(
	struct waiting *w, const struct core_task *t, const struct type *result, void *out)
{
	if (t->state != CORE_TASK_STATE_DONE)
		return task_error(t);
	if (result->kind == TYPE_VOID || !out)
		return NULL;
	if (!t->result && result->kind == TYPE_ANY)
		return NULL; /* whoever takes anything takes nothing too */
	if (!t->result)
		return err_new(NULL, 0, ERR_INTERNAL_ERROR.code, 1,
			(const char *const[]){"the task has no result"});
	return codec_decode(
		result, "result", t->result->text, t->result->len, cli_arena(w->cli), out);
}

struct err *cli_wait_task(struct cli *cli, const char *task, const struct type *result, void *out)
{
	struct waiting w = {.cli = cli, .task = task};
	const struct core_task_destroy_in destroy = {.task = task};
	struct core_task t;
	struct err *e = follow(&w, &t);

	clear_bar(&w);
	if (e) {
		if (err_is(e, &ERR_TIMEOUT) || err_is(e, &ERR_SHUTTING_DOWN))
			fprintf(stderr, "%s: task %s goes on\n", cli->spec->program, task);
	} else {
		e = task_result(&w, &t, result, out);
		err_free(core_task_destroy(cli_client(cli), &destroy, &w.arena, cli_deadline(cli)));
	}
	if (w.is_cancelling)
		fiber_cancel_unmask();
	arena_fini(&w.arena);
	return e;
}
