/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of idl/core.idl, which every daemon serves: TASK, UPDATES, debug. Thin: the work is
 * done in task.c, updates.c and log.c. Fibers of the loop thread.
 */
#include "common/api_core.h"

#include "common/clock.h"
#include "common/diagnostics.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "common/task.h"
#include "common/updates.h"
#include "core.gen.h"

#include <errno.h>

const char api_core_is_linked = 1;

/* ---- tasks ---- */

static struct err *find_task(const char *id, struct task **out)
{
	struct task *t = task_find(id);

	if (!t)
		return err(NO_SUCH_TASK, id);
	*out = t;
	return NULL;
}

struct err *api_task_stat(struct call *c, const struct core_task_stat_in *in, struct core_task *out)
{
	struct task *t;

	TRY(find_task(in->task, &t));
	task_describe(t, c->arena, out);
	return NULL;
}

struct err *api_task_list(struct call *c, struct core_task_list *out)
{
	out->v = arena_calloc(c->arena, task_count(), sizeof(*out->v));
	for (const struct task *t = task_next(NULL); t; t = task_next(t))
		task_describe(t, c->arena, &out->v[out->n++]);
	return NULL;
}

struct err *api_task_cancel(struct call *c, const struct core_task_cancel_in *in)
{
	struct task *t;

	TRY(find_task(in->task, &t));
	task_cancel(t);
	return NULL;
}

struct err *api_task_destroy(struct call *c, const struct core_task_destroy_in *in)
{
	struct task *t;

	TRY(find_task(in->task, &t));
	return task_destroy(t);
}

/* ---- updates ---- */

#define LONGEST_POLL_S 3600.0

MAY_WAIT struct err *api_updates_get(
	struct call *c, const struct core_updates_get_in *in, struct core_updates_answer *out)
{
	double timeout_s = in->timeout < LONGEST_POLL_S ? in->timeout : LONGEST_POLL_S;
	struct update *updates;
	size_t n;

	/* also refuses what is no number */
	if (!(timeout_s >= 0))
		return err(INVALID_VALUE, "timeout", "less than 0");
	TRY(updates_get(in->since, deadline_in((int64_t)(timeout_s * (double)NS_PER_S)), c->arena,
		&updates, &n, &out->token, &out->complete));
	out->updates.v = arena_calloc(c->arena, n, sizeof(*out->updates.v));
	out->updates.n = n;
	for (size_t i = 0; i < n; i++)
		out->updates.v[i] = (struct core_update){.class = updates[i].class,
			.id = updates[i].id,
			.deleted = updates[i].is_deleted};
	return NULL;
}

struct err *api_updates_barrier(struct call *c, const struct core_updates_barrier_in *in)
{
	updates_barrier(in->id);
	return NULL;
}

/* ---- debug ---- */

static struct list sections = LIST_INIT(sections);
static const char *program_name, *program_version = "unknown";

void diagnostics_add(struct diagnostics_section *s)
{
	list_push_back(&sections, &s->link);
}

void diagnostics_remove(struct diagnostics_section *s)
{
	list_remove(&s->link);
}

void diagnostics_set_version(const char *program, const char *version)
{
	program_name = program;
	program_version = version;
}

struct err *api_debug_version(struct call *c, struct core_version *out)
{
	size_t n = 0;

	while (c->services[n])
		n++;
	out->program = program_name ?: program_invocation_short_name;
	out->version = program_version;
	out->interfaces.v = arena_calloc(c->arena, n, sizeof(*out->interfaces.v));
	out->interfaces.n = n;
	for (size_t i = 0; i < n; i++) {
		out->interfaces.v[i].key = c->services[i]->interface->name;
		out->interfaces.v[i].value = c->services[i]->interface->version;
	}
	return NULL;
}

static void write_loop(struct json_writer *w)
{
	struct loop_counts counts = loop_counts();

	json_write_object(w);
	json_member_int(w, "turns", (int64_t)counts.turns);
	json_member_int(w, "stalls", (int64_t)counts.stalls);
	json_member_int(w, "switches", (int64_t)counts.switches);
	json_write_object_end(w);
}

static void write_everything(struct json_writer *w)
{
	json_write_object(w);
	json_write_name(w, "loop");
	write_loop(w);
	json_write_name(w, "fibers");
	fiber_dump(w);
	json_write_name(w, "connections");
	rpc_dump(w);
	json_member_int(w, "tasks", (int64_t)task_count());
	list_for_each (s, &sections, struct diagnostics_section, link) {
		json_write_name(w, s->name);
		s->write(w);
	}
	json_write_object_end(w);
}

struct err *api_debug_diagnostics(struct call *c, struct json_text *out)
{
	auto_sbuf text = {0};
	struct json_writer w;

	json_writer_init(&w, &text);
	write_everything(&w);
	out->len = sbuf_len(&text);
	out->text = arena_strndup(c->arena, sbuf_data(&text), out->len);
	return NULL;
}

static enum log_level level_of(enum core_log_level level)
{
	switch (level) {
	case CORE_LOG_LEVEL_BUG:
		return LOG_BUG_;
	case CORE_LOG_LEVEL_ERROR:
		return LOG_ERROR_;
	case CORE_LOG_LEVEL_WARN:
		return LOG_WARN_;
	case CORE_LOG_LEVEL_INFO:
		return LOG_INFO_;
	case CORE_LOG_LEVEL_DEBUG:
		return LOG_DEBUG_;
	}
	return LOG_INFO_;
}

struct err *api_debug_set_log_level(struct call *c, const struct core_debug_set_log_level_in *in)
{
	if (!log_set_level(in->module, level_of(in->level)))
		log_info("no module %s yet: its level is kept for when it logs first", in->module);
	return NULL;
}
