/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What guests.h promises. Each VM is started, shut down or suspended by the message for it, as if
 * root had sent it to the Unix socket, so a pool decides where it runs, and there is a task. VMs of
 * one rank (plan/rank.h) go together.
 */
#define LOG_MODULE "guests"

#include "xapid/guests.h"

#include "common/clock.h"
#include "common/companion_record.h"
#include "common/daemon.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "common/vec.h"
#include "xapid/db/db.h"
#include "xapid/gate/own.h"
#include "xapid/host/role.h"
#include "xapid/link/link.h"
#include "xapid/link/smd.h"
#include "xapid/plan/rank.h"
#include "xapid/xapid.h"

#include "control.gen.h"
#include "core.gen.h"
#include "xenapi.gen.h"

#include <string.h>

#define STARTS "auto_poweron" /* in other_config of the pool and of the VM: "true" */
#define STOPS  "on_toolstack_stop" /* of the VM: one of ends[] */
#define MAX_ID 64

/* What STOPS may say; else the guest goes on. */
static const char *const ends[] = {"shutdown", "suspend"};
enum { SHUTDOWN, SUSPEND, N_ENDS };

/* Those that start or end at present. */
struct party {
	struct arena *arena;
	const char *session; /* its ref */
	MAY_WAIT struct err *(*deal_with)(struct party *p, const char *vm);
	struct control_guests_done done;
};

/* One of them, in a fiber of its own. */
struct turn {
	struct party *party;
	const char *vm;
};

static struct {
	struct fiber *starting; /* NULL: nobody is */
	struct cond started;
} guests;

/* ---- all of them ---- */

static MAY_WAIT struct err *send(struct party *p, const char *message, json_t *params)
{
	return own_send(p->arena, p->session, message, params, NULL);
}

static void note_failure(struct party *p, const char *ref, struct err *e)
{
	const struct xenapi_vm *vm = db_find(vm, ref);
	struct control_guest_failure_list *all = &p->done.failures;

	log_err(LOG_WARN_, e, "%s, with the toolstack", ref);
	all->v[all->n++] = (struct control_guest_failure){
		.uuid = arena_strdup(p->arena, vm ? vm->uuid : ""),
		.name_label = arena_strdup(p->arena, vm ? vm->name_label : ""),
		.error = arena_strdup(p->arena, err_text(e)),
	};
}

static MAY_WAIT struct err *take_turn(void *arg)
{
	struct turn *t = arg;
	auto_err e = t->party->deal_with(t->party, t->vm);

	if (e)
		note_failure(t->party, t->vm, e);
	return fiber_check();
}

static MAY_WAIT struct err *rank_together(struct party *p, const struct ranks *all, size_t from)
{
	struct fiber_group group;
	struct err *e = NULL;

	fiber_group_init(&group);
	for (size_t i = from; !e && i < rank_end(all, from); i++) {
		struct turn *t = arena_new(p->arena, struct turn);

		*t = (struct turn){p, all->v[i].vm};
		e = fiber_group_spawn(&group, take_turn, t, "guest %s", t->vm);
	}
	struct err *of_members = fiber_group_wait(&group);
	if (!e)
		return of_members;
	err_free(of_members);
	return e;
}

static MAY_WAIT struct err *rank_by_rank(struct party *p, const struct ranks *all)
{
	for (size_t i = 0; i < all->n; i = rank_end(all, i)) {
		TRY(rank_pause(all, i));
		TRY(rank_together(p, all, i));
	}
	return NULL;
}

static MAY_WAIT struct err *with_session(struct party *p, const struct ranks *all)
{
	if (!all->n)
		return NULL;
	p->done.failures.v = arena_calloc(p->arena, all->n, sizeof(*p->done.failures.v));
	TRY(own_login(p->arena, &p->session));
	struct err *e = rank_by_rank(p, all);
	own_logout(p->arena, p->session);
	return e;
}

/* ---- the start ---- */

static char *mark_path(void)
{
	return xasprintf("%s/toolstack.started", daemon_paths()->run);
}

/* Whether the toolstack has started in this boot, and was not stopped since. */
static bool has_started(const char *boot_id)
{
	auto_str path = mark_path();
	auto_str text = NULL;

	return file_read(path, MAX_ID, &text, NULL) == 0 && !strcmp(text, boot_id);
}

static bool says_true(const struct string_map *config, const char *key)
{
	const char *value = string_map_get(config, key);

	return value && !strcmp(value, "true");
}

/* One with a home starts when its host does, any other one when the master does. */
static bool is_to_start(const struct xenapi_vm *vm)
{
	bool has_home = db_find(host, vm->affinity);
	bool is_ours = has_home ? !strcmp(vm->affinity, host_here()) : !own_role.is_member;

	if (vm->is_a_template || vm->is_a_snapshot || vm->is_control_domain || !is_ours)
		return false;
	return says_true(&vm->other_config, STARTS) &&
		(vm->power_state == XENAPI_VM_POWER_STATE_HALTED ||
			vm->power_state == XENAPI_VM_POWER_STATE_SUSPENDED);
}

static MAY_WAIT struct err *start_one(struct party *p, const char *ref)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));
	bool resumes = vm->power_state == XENAPI_VM_POWER_STATE_SUSPENDED;
	if (db_find(host, vm->affinity))
		return send(p, resumes ? "VM.resume_on" : "VM.start_on",
			json_pack("[s, s, b, b]", ref, host_here(), false, false));
	return send(
		p, resumes ? "VM.resume" : "VM.start", json_pack("[s, b, b]", ref, false, false));
}

static MAY_WAIT struct err *start_all(struct arena *a)
{
	struct party p = {.arena = a, .deal_with = start_one};
	struct ranks all = {arena_calloc(a, db_count(vm) + 1, sizeof(*all.v)), 0};
	const struct xenapi_pool *pool = db_first(pool);

	if (!pool || !says_true(&pool->other_config, STARTS))
		return NULL;
	db_for_each (vm, row) {
		if (is_to_start(db_record(row)))
			rank_add(&all, a, db_ref(row), true);
	}
	rank_sort(&all);
	if (all.n)
		log_info("starting %zu VMs with the toolstack", all.n);
	return with_session(&p, &all);
}

/* However long it takes. */
static MAY_WAIT struct err *wait_for(struct link *l)
{
	struct err *e;

	while (err_is(e = link_wait_up(l), &ERR_CONNECTION_REFUSED))
		err_free(e);
	return e;
}

static MAY_WAIT struct err *start(const char *boot_id)
{
	auto_arena a = {0};
	auto_str path = mark_path();

	TRY(wait_for(&link_networkd));
	TRY(wait_for(&link_smd));
	TRY(smd_wait_attached());
	TRY(wait_for(&link_xenopsd));
	TRY(start_all(&a));
	return file_store(path, boot_id, strlen(boot_id), 0644, 0);
}

static MAY_WAIT void start_fiber(void *arg)
{
	char *boot_id = arg;
	auto_err e = start(boot_id);

	if (e && !err_is(e, &ERR_SHUTTING_DOWN) && !err_is(e, &ERR_CANCELLED))
		log_err(LOG_WARN_, e, "starting VMs with the toolstack");
	free(boot_id);
	guests.starting = NULL;
	cond_broadcast(&guests.started);
}

struct err *guests_start(void)
{
	auto_arena a = {0};
	const char *boot_id;

	cond_init(&guests.started);
	TRY(boot_id_read(&a, &boot_id));
	if (has_started(boot_id))
		return NULL;
	return fiber_spawn(&guests.starting, start_fiber, xstrdup(boot_id), "guests' start");
}

/* ---- the stop ---- */

static int end_of(const struct xenapi_vm *vm)
{
	const char *said = string_map_get(&vm->other_config, STOPS);
	int end = 0;

	while (end < N_ENDS && (!said || strcmp(said, ends[end]) != 0))
		end++;
	return end;
}

static bool is_to_end(const struct xenapi_vm *vm)
{
	bool is_up = vm->power_state == XENAPI_VM_POWER_STATE_RUNNING ||
		vm->power_state == XENAPI_VM_POWER_STATE_PAUSED;

	return is_up && !vm->is_control_domain && !strcmp(vm->resident_on, host_here()) &&
		end_of(vm) < N_ENDS;
}

/* Clean for as long as it may take, then hard. */
static MAY_WAIT struct err *shut_down(struct party *p, const char *ref)
{
	int64_t before = fiber_set_deadline(deadline_in(xapid_conf.guests_stop_ns));
	auto_err e = send(p, "VM.clean_shutdown", json_pack("[s]", ref));

	fiber_set_deadline(before);
	if (!e)
		return NULL;
	log_err(LOG_INFO_, e, "%s does not shut down by itself", ref);
	TRY(fiber_check());
	return send(p, "VM.hard_shutdown", json_pack("[s]", ref));
}

static MAY_WAIT struct err *end_one(struct party *p, const char *ref)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));
	if (end_of(vm) == SHUTDOWN) {
		TRY(shut_down(p, ref));
		p->done.shut_down++;
	} else {
		TRY(send(p, "VM.suspend", json_pack("[s]", ref)));
		p->done.suspended++;
	}
	return NULL;
}

/* What has not started yet does not start any more. */
static MAY_WAIT struct err *end_start(void)
{
	if (guests.starting)
		fiber_cancel(guests.starting);
	while (guests.starting)
		TRY(cond_wait(&guests.started, "the end of the guests' start", NEVER));
	return NULL;
}

MAY_WAIT struct err *api_guests_stop(struct call *c, struct control_guests_done *out)
{
	struct party p = {.arena = c->arena, .deal_with = end_one};
	auto_str path = mark_path();

	TRY(end_start());
	struct ranks all = {arena_calloc(c->arena, db_count(vm) + 1, sizeof(*all.v)), 0};
	db_for_each (vm, row) {
		if (is_to_end(db_record(row)))
			rank_add(&all, c->arena, db_ref(row), false);
	}
	rank_sort(&all);
	TRY(with_session(&p, &all));
	*out = p.done;
	return file_drop(path, 0);
}
