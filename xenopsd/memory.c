/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Promises of memory, and balloons (memory.h). Who finds enough free memory, and nobody that is
 * short, has it at once. Else he stands in line, and one fiber, the balancer, works off the line
 * round by round: it looks at all VMs, tells them what to have, and lets their balloons move. It
 * ends when nobody waits and nothing moves, and is made again when something happens.
 *
 * A VM that is being built has its memory and the promise; of the promise only what it does not
 * have yet is kept off what is free.
 */
#define LOG_MODULE "memory"
#include "xenopsd/memory.h"

#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/updates.h"
#include "core.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/memory_balance.h"
#include "xenopsd/xenopsd.h"

#include <inttypes.h>

/* A balloon that does not come nearer to its target for so long is stuck. */
#define STUCK_NS (5 * NS_PER_S)
/* Between two looks at balloons that move. */
#define LOOK_NS (NS_PER_S / 10)
#define PACE_NS NS_PER_MS
/* Where somebody waits and nothing moves: what changes then, nobody may tell of. */
#define PATIENCE_NS NS_PER_S
/* Less than that off its target is no matter to be reported. */
#define UNCOOPERATIVE_BYTES ((int64_t)4 << 20)

/* Somebody in the line. */
struct wish {
	struct list link;
	struct vm *vm; /* NULL: only a round is waited for */
	int64_t min_bytes, max_bytes;
	struct cond ended;
	bool is_seen; /* by the round that is under way */
	bool is_ended;
	int64_t granted_bytes;
	struct err *error;
};

static struct {
	int64_t reserved_bytes;
	unsigned n_promises, n_ended; /* n_ended counts on for ever, as ended_bytes */
	int64_t ended_bytes; /* of promises */
	struct list line; /* of wishes */
	struct cond news; /* for the balancer */
	struct cond looked; /* it has, once more */
	bool is_running; /* there is a balancer */
	bool has_changed; /* something, since its last look began */
	bool is_short; /* somebody has less than he would have */
	bool is_moving; /* somebody may take what he has not yet: what is free tells too much */
	unsigned n_runs; /* of balancers */
} memory = {.line = LIST_INIT(memory.line)};

int64_t memory_reserved_bytes(void)
{
	return memory.reserved_bytes;
}

/* ---- promises ---- */

static void promise(struct vm *vm, int64_t bytes)
{
	vm->reserved_bytes = bytes;
	memory.reserved_bytes += bytes;
	memory.n_promises += bytes > 0;
}

void memory_release(struct vm *vm)
{
	if (!vm->reserved_bytes)
		return;
	memory.reserved_bytes -= vm->reserved_bytes;
	memory.ended_bytes += vm->reserved_bytes;
	vm->reserved_bytes = 0;
	memory.n_promises--;
	memory.n_ended++;
	/* It may have less than it would have, and has it now. */
	if (vm->phase != XENOPSD_PHASE_UP && vm->build_bytes < vm->config.memory_dynamic_max_bytes)
		memory.is_short = true;
	cond_broadcast(&memory.news);
}

static struct err *not_enough(int64_t needed)
{
	auto_str bytes = xasprintf("%" PRId64, needed);

	return err(Not_enough_memory, bytes);
}

/* ---- looking ---- */

/* All that there is, at one moment. */
struct look {
	struct arena arena;
	struct memory_now now;
	struct vm **vms; /* of balance.vms; held */
	struct balance balance;
};

static void look_fini(struct look *l)
{
	for (size_t i = 0; i < l->balance.n; i++)
		vm_release(&l->vms[i]);
	arena_fini(&l->arena);
}

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

/* The VM's balloon: has it come nearer to where it is to be? */
static void watch(struct vm *vm, const struct vm_memory *m)
{
	struct balloon *b = &vm->balloon;
	int64_t left = distance(m->actual_bytes, m->target_bytes);
	bool was_uncooperative = memory_is_uncooperative(vm);

	if (!left || left < b->left_bytes || !m->can_balloon) {
		b->is_stuck = false;
		b->since_ns = clock_mono_ns();
	} else if (!b->is_stuck && clock_mono_ns() - b->since_ns >= STUCK_NS) {
		b->is_stuck = true;
		log_warn("vm=%s its balloon does not move: it has %" PRId64 " bytes, not %" PRId64,
			vm->id, m->actual_bytes, m->target_bytes);
	}
	b->left_bytes = left;
	if (was_uncooperative != memory_is_uncooperative(vm))
		updates_add("vm", vm->id);
}

bool memory_is_uncooperative(const struct vm *vm)
{
	return vm->phase == XENOPSD_PHASE_UP && vm->balloon.is_stuck &&
		vm->balloon.left_bytes > UNCOOPERATIVE_BYTES;
}

static int64_t least_of(const struct vm *vm)
{
	const struct xenops_vm *config = &vm->config;

	return config->memory_dynamic_min_bytes < config->memory_dynamic_max_bytes
		? config->memory_dynamic_min_bytes
		: config->memory_dynamic_max_bytes;
}

/* One that is stuck below its target is only slow to take what is its own. */
static struct balance_vm describe(const struct vm *vm, const struct vm_memory *m)
{
	bool is_stuck = vm->balloon.is_stuck && m->actual_bytes > m->target_bytes;
	bool is_deaf = vm->balloon.deaf_run == memory.n_runs;

	return (struct balance_vm){.min_bytes = least_of(vm),
		.max_bytes = vm->is_squeezed ? least_of(vm) : vm->config.memory_dynamic_max_bytes,
		.actual_bytes = m->actual_bytes,
		.target_bytes = m->target_bytes,
		.is_stuck = is_stuck,
		.is_fixed =
			is_stuck || is_deaf || !m->can_balloon || vm->phase != XENOPSD_PHASE_UP};
}

static void take_in(struct look *l, const struct vm_memory *m)
{
	struct balance *b = &l->balance;
	struct vm *vm = vm_find(m->vm);

	if (!vm)
		return;
	if (vm->reserved_bytes && vm->phase != XENOPSD_PHASE_UP) {
		b->promised_bytes -=
			m->actual_bytes < vm->reserved_bytes ? m->actual_bytes : vm->reserved_bytes;
		return;
	}
	watch(vm, m);
	l->vms[b->n] = vm_hold(vm);
	b->vms[b->n++] = describe(vm, m);
}

static MAY_WAIT struct err *ask(struct look *l)
{
	struct xenops_host_memory host;

	if (xenopsd.backend->memory_now)
		return xenopsd.backend->memory_now(&l->arena, &l->now);
	TRY(xenopsd.backend->host_memory(&host));
	l->now.free_bytes = host.free_bytes;
	return NULL;
}

static MAY_WAIT struct err *look(struct look *l)
{
	unsigned n_ended;

	memory.has_changed = false;
	do { /* until what was told is not from before the end of a promise */
		n_ended = memory.n_ended;
		arena_reset(&l->arena);
		TRY(ask(l));
	} while (n_ended != memory.n_ended);
	l->vms = arena_calloc(&l->arena, l->now.n, sizeof(struct vm *));
	l->balance = (struct balance){.free_bytes = l->now.free_bytes,
		.promised_bytes = memory.reserved_bytes,
		.vms = arena_calloc(&l->arena, l->now.n, sizeof(struct balance_vm))};
	for (size_t i = 0; i < l->now.n; i++)
		take_in(l, &l->now.vms[i]);
	return NULL;
}

/* ---- a round ---- */

/* What it came to. */
struct standing {
	bool has_told; /* somebody something */
	bool is_in_flight; /* balloons move */
};

static void end_wish(struct wish *w, struct err *e)
{
	list_remove(&w->link);
	w->is_ended = true;
	w->error = e;
	cond_broadcast(&w->ended);
}

/* Ids of those that are stuck, with commas between. */
static struct err *failed_to_cooperate(const struct look *l)
{
	auto_sbuf ids = {0};

	for (size_t i = 0; i < l->balance.n; i++)
		if (l->balance.vms[i].is_stuck)
			sbuf_printf(&ids, "%s%s", sbuf_len(&ids) ? "," : "", l->vms[i]->id);
	return err(Vms_failed_to_cooperate, sbuf_str(&ids));
}

static struct err *impossible(const struct look *l, const struct wish *w)
{
	const struct balance *b = &l->balance;
	int64_t free_bytes = b->freeable_bytes > 0 ? b->freeable_bytes : 0;

	if (b->stuck_bytes && b->freeable_bytes + b->stuck_bytes >= w->min_bytes)
		return failed_to_cooperate(l);
	if (!b->given_bytes && !b->stuck_bytes)
		return not_enough(w->min_bytes);
	auto_str needed_kib = xasprintf("%" PRId64, w->min_bytes / 1024);
	auto_str free_kib = xasprintf("%" PRId64, free_bytes / 1024);
	return err(Cannot_free_this_much_memory, needed_kib, free_kib);
}

/* Who fails while others are being built may be lucky when they have failed. */
static void answer(const struct look *l, struct wish *w)
{
	if (l->balance.is_granted) {
		w->granted_bytes = l->balance.granted_bytes;
		promise(w->vm, w->granted_bytes);
		end_wish(w, NULL);
	} else if (l->balance.is_impossible && !memory.n_promises) {
		end_wish(w, impossible(l, w));
	}
}

static MAY_WAIT void tell_one(struct vm *vm, const struct balance_vm *m)
{
	struct err *e;

	if (vm->phase != XENOPSD_PHASE_UP || !xenopsd.backend->vm_set_memory_target)
		return;
	log_debug("vm=%s is to have %" PRId64 " bytes, not %" PRId64, vm->id, m->next_bytes,
		m->target_bytes);
	/* It is judged anew by how it follows. */
	vm->balloon = (struct balloon){.since_ns = clock_mono_ns(), .left_bytes = INT64_MAX};
	e = xenopsd.backend->vm_set_memory_target(vm, m->next_bytes);
	if (e) {
		log_err(LOG_INFO_, e, "vm=%s cannot be told how much memory to have", vm->id);
		err_free(e);
		vm->balloon.deaf_run = memory.n_runs;
	}
	updates_add("vm", vm->id);
}

/* Each is told what is new to him. */
static MAY_WAIT void tell(const struct look *l, struct standing *s)
{
	for (size_t i = 0; i < l->balance.n; i++) {
		const struct balance_vm *m = &l->balance.vms[i];

		if (m->next_bytes == m->target_bytes)
			continue;
		tell_one(l->vms[i], m);
		s->has_told = true;
	}
}

static void note(const struct look *l, struct standing *s)
{
	memory.is_short = memory.is_moving = false;
	for (size_t i = 0; i < l->balance.n; i++) {
		const struct balance_vm *m = &l->balance.vms[i];
		bool moves = m->actual_bytes != m->next_bytes;

		if (m->next_bytes < m->max_bytes)
			memory.is_short = true;
		if (moves)
			memory.is_moving = true;
		if (moves && !m->is_fixed && !l->vms[i]->balloon.is_stuck)
			s->is_in_flight = true;
	}
}

/* Where nobody is short and nothing moves, those behind the first have all they would have, as far
 * as it goes: a crowd is not served one a look. */
static void answer_others(const struct balance *b)
{
	int64_t free_bytes = b->free_bytes - b->promised_bytes - b->granted_bytes;

	if (memory.is_short || memory.is_moving || !b->is_granted ||
		b->granted_bytes < b->wanted_max_bytes)
		return;
	list_for_each_safe (w, &memory.line, struct wish, link) {
		if (!w->vm)
			continue;
		if (w->max_bytes > free_bytes)
			return;
		free_bytes -= w->max_bytes;
		w->granted_bytes = w->max_bytes;
		promise(w->vm, w->granted_bytes);
		end_wish(w, NULL);
	}
}

static struct wish *first_of_line(struct look *l)
{
	struct wish *first = NULL;

	list_for_each (w, &memory.line, struct wish, link) {
		w->is_seen = true;
		if (w->vm && !first)
			first = w;
	}
	if (first) {
		l->balance.is_wanted = true;
		l->balance.wanted_min_bytes = first->min_bytes;
		l->balance.wanted_max_bytes = first->max_bytes;
	}
	return first;
}

/* Those who waited for a round that saw them. */
static void end_seen(void)
{
	struct list *at = memory.line.next;

	while (at != &memory.line) {
		struct wish *w = container_of(at, struct wish, link);

		at = at->next;
		if (!w->vm && w->is_seen)
			end_wish(w, NULL);
	}
}

static MAY_WAIT struct err *round_once(struct standing *s)
{
	AUTO(look_fini) struct look l = {0};

	TRY(look(&l));
	struct wish *first = first_of_line(&l);
	balance_round(&l.balance);
	if (first)
		answer(&l, first);
	note(&l, s);
	answer_others(&l.balance);
	tell(&l, s);
	end_seen();
	cond_broadcast(&memory.looked);
	return NULL;
}

/* ---- the balancer ---- */

static bool has_wish(void)
{
	return !list_is_empty(&memory.line);
}

static MAY_WAIT struct err *wait_for_news(int64_t ns)
{
	struct err *e = cond_wait(&memory.news, "for balloons to move", deadline_in(ns));

	if (!err_is(e, &ERR_TIMEOUT))
		return e;
	err_free(e);
	return NULL;
}

static MAY_WAIT struct err *balance(void)
{
	int64_t pace_ns = 0; /* grows while each look gives cause to tell something */

	for (;;) {
		struct standing s = {0};

		TRY(round_once(&s));
		if (s.has_told) {
			if (pace_ns)
				TRY(wait_for_news(pace_ns));
			pace_ns = pace_ns < LOOK_NS ? pace_ns + PACE_NS : LOOK_NS;
			continue;
		}
		pace_ns = 0;
		if (memory.has_changed)
			continue;
		if (!s.is_in_flight && !has_wish())
			return NULL;
		TRY(wait_for_news(s.is_in_flight ? LOOK_NS : PATIENCE_NS));
	}
}

static MAY_WAIT void balance_main(void *arg)
{
	struct err *e = balance();

	memory.is_running = false;
	cond_broadcast(&memory.looked);
	if (!e)
		return;
	/* What is so is not known. */
	memory.is_short = memory.is_moving = true;
	if (!err_is(e, &ERR_SHUTTING_DOWN))
		log_err(LOG_ERROR_, e, "memory could not be balanced");
	struct wish *w;
	while ((w = list_first(&memory.line, struct wish, link)))
		end_wish(w,
			err_new(e->file, e->line, e->code, e->n_params,
				(const char *const *)e->params));
	err_free(e);
}

static struct err *run_balancer(void)
{
	memory.has_changed = true;
	if (memory.is_running) {
		cond_broadcast(&memory.news);
		return NULL;
	}
	TRY(fiber_spawn(NULL, balance_main, NULL, "balancer"));
	memory.is_running = true;
	memory.n_runs++;
	return NULL;
}

void memory_changed(void)
{
	if (!memory.is_short && !memory.is_moving)
		return;
	struct err *e = run_balancer();
	if (e)
		log_err(LOG_ERROR_, e, "memory is not balanced");
	err_free(e);
}

/* ---- wishes ---- */

static MAY_WAIT struct err *stand_in_line(struct wish *w)
{
	cond_init(&w->ended);
	list_push_back(&memory.line, &w->link);
	struct err *e = run_balancer();
	if (!e)
		e = cond_wait(&w->ended, "for memory", NEVER);
	if (w->is_ended) {
		err_free(e); /* to be noticed at the next cancel point */
		return take(w->error);
	}
	list_remove(&w->link);
	cond_broadcast(&memory.news);
	return e;
}

/* Nobody is short, and what is free is free. */
static bool is_plain(void)
{
	return !memory.is_running && !memory.is_short && !memory.is_moving;
}

/* Whether all of it is there for the taking. */
static MAY_WAIT struct err *reserve_at_once(struct wish *w)
{
	while (is_plain()) {
		struct xenops_host_memory host;
		int64_t ended_bytes = memory.ended_bytes;

		TRY(xenopsd.backend->host_memory(&host));
		/* What has been taken meanwhile the host may have told as free. */
		ended_bytes = memory.ended_bytes - ended_bytes;
		if (is_plain() &&
			host.free_bytes - memory.reserved_bytes - ended_bytes >= w->max_bytes) {
			promise(w->vm, w->max_bytes);
			w->granted_bytes = w->max_bytes;
			return NULL;
		}
		if (!ended_bytes)
			return NULL;
	}
	return NULL;
}

static MAY_WAIT struct err *reserve(struct wish *w)
{
	TRY(reserve_at_once(w));
	return w->granted_bytes ? NULL : stand_in_line(w);
}

/* Of the host, for a guest that has so many. */
static int64_t host_bytes(const struct vm *vm, int64_t bytes)
{
	return xenopsd.backend->vm_memory_bytes ? xenopsd.backend->vm_memory_bytes(vm, bytes)
						: bytes;
}

static MAY_WAIT struct err *reserve_between(struct vm *vm, int64_t min, int64_t max)
{
	/* Where nothing is balanced each has his most. */
	struct wish w = {.vm = vm,
		.min_bytes = host_bytes(vm, xenopsd.backend->memory_now ? min : max),
		.max_bytes = host_bytes(vm, max)};

	TRY(reserve(&w));
	vm->balloon = (struct balloon){.since_ns = clock_mono_ns(), .left_bytes = INT64_MAX};
	vm->build_bytes = max - (w.max_bytes - w.granted_bytes);
	return NULL;
}

struct err *memory_reserve(struct vm *vm)
{
	return reserve_between(vm, least_of(vm), vm->config.memory_dynamic_max_bytes);
}

struct err *memory_reserve_exactly(struct vm *vm, int64_t bytes)
{
	if (!bytes)
		bytes = vm->config.memory_dynamic_max_bytes;
	return reserve_between(vm, bytes, bytes);
}

struct err *memory_reserve_more(struct vm *vm, int64_t bytes)
{
	struct wish w = {.vm = vm, .min_bytes = bytes, .max_bytes = bytes};

	return reserve(&w);
}

struct err *memory_balance_now(void)
{
	struct wish w = {0};

	return stand_in_line(&w);
}

struct err *memory_squeeze(struct vm *vm)
{
	if (!xenopsd.backend->memory_now)
		return NULL;
	vm->is_squeezed = true;
	TRY(memory_balance_now());
	while (memory.is_running && vm->balloon.left_bytes && !vm->balloon.is_stuck)
		TRY(cond_wait(&memory.looked, "for a balloon to shrink", NEVER));
	return NULL;
}

void memory_unsqueeze(struct vm *vm)
{
	if (vm->is_squeezed)
		memory.is_short = true;
	vm->is_squeezed = false;
	memory_changed();
}

/* ---- telling ---- */

void memory_dump(struct json_writer *w)
{
	json_write_object(w);
	json_member_int(w, "promised_bytes", memory.reserved_bytes);
	json_member_int(w, "promises", memory.n_promises);
	json_member_bool(w, "short", memory.is_short);
	json_member_bool(w, "balancing", memory.is_running);
	json_write_name(w, "waiting");
	json_write_array(w);
	list_for_each (wish, &memory.line, struct wish, link)
		if (wish->vm)
			json_write_string(w, wish->vm->id);
	json_write_array_end(w);
	json_write_name(w, "uncooperative");
	json_write_array(w);
	map_for_each (slot, &vms)
		if (memory_is_uncooperative(slot->value))
			json_write_string(w, slot->key);
	json_write_array_end(w);
	json_write_object_end(w);
}

void memory_begin(void)
{
	cond_init(&memory.news);
	cond_init(&memory.looked);
	/* What was told to VMs that run is not known yet. */
	memory.is_moving = true;
}

void memory_end(void)
{
	cond_fini(&memory.news);
	cond_fini(&memory.looked);
}
