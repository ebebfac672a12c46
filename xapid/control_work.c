/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xapid answers on its own socket about what goes on in it (idl/control.idl): who is logged
 * in, which operations are under way, which calls are at work, whom it is connected to, and its
 * fibers. For root alone, and for looking.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/fiber.h"
#include "common/json.h"
#include "common/rpc.h"
#include "common/vec.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/session.h"
#include "xapid/gate/task.h"
#include "xapid/host/role.h"
#include "xapid/link/link.h"
#include "xapid/rules/op.h"

#include "control.gen.h"

#include <string.h>

/* Moves what a vec holds to the arena, as a list. */
#define GIVE(vec, out, a) \
	do { \
		(out)->v = arena_calloc((a), (vec)->n + 1, sizeof(*(vec)->v)); \
		(out)->n = (vec)->n; \
		if ((vec)->n) \
			memcpy((out)->v, (vec)->v, (vec)->n * sizeof(*(vec)->v)); \
		vec_fini(vec); \
	} while (0)

/* ---- sessions ---- */

struct err *api_sessions(struct call *c, struct control_session_list *out)
{
	vec_of(struct control_session) found = {0};
	int64_t now = clock_mono_ns();

	for (const struct session *s = session_next(NULL); s; s = session_next(s))
		vec_push(&found,
			(struct control_session){
				.ref = arena_strdup(c->arena, s->ref),
				.user = arena_strdup(c->arena, s->user),
				.originator = arena_strdup(c->arena, s->originator),
				.role = s->role ?: "",
				.kind = s->is_pool    ? "pool"
					: s->is_local ? "local"
					: s->is_root  ? "root"
						      : "user",
				.idle = (now - s->used) / NS_PER_S,
			});
	GIVE(&found, out, c->arena);
	return NULL;
}

/* ---- locks ---- */

/* The layout of every current_operations. */
struct operation {
	const char *task;
	int what;
} __attribute__((__may_alias__));

struct operations {
	const struct operation *v;
	size_t n;
} __attribute__((__may_alias__));

static const struct operations *operations_of(const struct db_row *row, const struct field *f)
{
	return db_value(row, f);
}

static const char *name_of(const struct db_row *row)
{
	const struct field *f = db_field_named(db_class(row), "name_label");

	return f && f->type->kind == TYPE_STRING ? *(const char *const *)db_value(row, f) : "";
}

static const char *task_name(const char *ref)
{
	const struct xenapi_task *task = db_find(task, ref);

	return task ? task->name_label : "";
}

typedef void (*operation_fn)(
	const struct db_row *row, const char *name, const struct operation *op, void *arg);

static void each_of_class(const struct class *class, operation_fn fn, void *arg)
{
	const struct field *f = db_field_named(class, "current_operations");

	if (!f || class->flags & CLASS_STATELESS || f->type->kind != TYPE_MAP)
		return;
	db_for_each_of (class, row) {
		const struct operations *ops = operations_of(row, f);

		for (size_t i = 0; i < ops->n; i++)
			fn(row, type_case_name(f->type->of, ops->v[i].what) ?: "?", &ops->v[i],
				arg);
	}
}

static void each_operation(operation_fn fn, void *arg)
{
	for (size_t i = 0; i < xenapi_interface.n_classes; i++)
		each_of_class(xenapi_interface.classes[i], fn, arg);
}

struct locks {
	struct arena *arena;
	vec_of(struct control_lock) v;
};

static void add_lock(
	const struct db_row *row, const char *name, const struct operation *op, void *arg)
{
	struct locks *locks = arg;

	vec_push(&locks->v,
		(struct control_lock){
			.class = db_class(row)->name,
			.ref = arena_strdup(locks->arena, db_ref(row)),
			.name_label = arena_strdup(locks->arena, name_of(row)),
			.operation = name,
			.task = arena_strdup(locks->arena, op->task),
			.task_name = arena_strdup(locks->arena, task_name(op->task)),
			.waiting = (int64_t)op_waiters(db_ref(row)),
		});
}

struct err *api_locks(struct call *c, struct control_lock_list *out)
{
	struct locks locks = {.arena = c->arena};

	each_operation(add_lock, &locks);
	GIVE(&locks.v, out, c->arena);
	return NULL;
}

/* ---- plans ---- */

/* An operation, and whose it is. */
struct begun {
	const char *task, *text;
};

struct all_begun {
	struct arena *arena;
	vec_of(struct begun) v;
};

static void add_begun(
	const struct db_row *row, const char *name, const struct operation *op, void *arg)
{
	struct all_begun *all = arg;

	vec_push(&all->v,
		(struct begun){op->task,
			arena_printf(
				all->arena, "%s.%s %s", db_class(row)->name, name, db_ref(row))});
}

static struct control_plan plan_of(
	const char *ref, const struct xenapi_task *task, const struct all_begun *all)
{
	struct arena *a = all->arena;
	vec_of(const char *) own = {0};
	struct control_plan plan = {
		.task = arena_strdup(a, ref),
		.name = arena_strdup(a, task->name_label),
		.user = arena_strdup(a, xtask_user(ref)),
		.part_of = ref_is_null(task->subtask_of) ? "" : arena_strdup(a, task->subtask_of),
		.progress = task->progress,
	};

	vec_for_each (i, &all->v)
		if (!strcmp(all->v.v[i].task, ref))
			vec_push(&own, all->v.v[i].text);
	GIVE(&own, &plan.operations, a);
	return plan;
}

struct err *api_plans(struct call *c, struct control_plan_list *out)
{
	vec_of(struct control_plan) found = {0};
	struct all_begun all = {.arena = c->arena};

	each_operation(add_begun, &all);
	db_for_each (task, row)
		if (xtask_is_pending(db_ref(row)) || xtask_is_cancelling(db_ref(row)))
			vec_push(&found, plan_of(db_ref(row), db_record(row), &all));
	GIVE(&found, out, c->arena);
	vec_fini(&all.v);
	return NULL;
}

/* ---- links ---- */

typedef vec_of(struct control_link) link_vec;

static void add_daemons(link_vec *found)
{
	const struct link *const links[] = {&link_xenopsd, &link_smd, &link_networkd, &link_rrdd};

	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (links[i]->client)
			vec_push(found,
				(struct control_link){
					.to = links[i]->spec->daemon,
					.up = links[i]->is_up,
					.tasks = (int64_t)links[i]->tasks.n,
					.updates = (int64_t)links[i]->n_updates,
					.resyncs = (int64_t)links[i]->n_resyncs,
				});
}

static void add_hosts(link_vec *found, struct arena *a)
{
	if (own_role.is_member) {
		vec_push(found,
			(struct control_link){
				.to = arena_printf(a, "master %s", own_role.master),
				.up = member_is_in_touch(),
			});
		return;
	}
	db_for_each (host, row) {
		const struct xenapi_host *host = db_record(row);

		if (strcmp(db_ref(row), host_here()) != 0)
			vec_push(found,
				(struct control_link){
					.to = arena_printf(a, "member %s", host->name_label),
					.up = master_member(db_ref(row)),
				});
	}
}

struct err *api_links(struct call *c, struct control_link_list *out)
{
	link_vec found = {0};

	add_daemons(&found);
	add_hosts(&found, c->arena);
	GIVE(&found, out, c->arena);
	return NULL;
}

/* ---- fibers ---- */

struct err *api_fibers(struct call *c, struct control_fiber_list *out)
{
	auto_sbuf text = {0};
	struct json_writer w;

	json_writer_init(&w, &text);
	fiber_dump(&w);
	return codec_decode(control_methods[CONTROL_METHOD_FIBERS].out, "fibers", sbuf_data(&text),
		sbuf_len(&text), c->arena, out);
}
