/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Goes round (sampler.h). One fiber, that of feeding another.
 */
#define LOG_MODULE "sampler"
#include "rrdd/sampler.h"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/offload.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "rrdd/owner.h"
#include "rrdd/rrdd.h"
#include "rrdd/sources.h"

#define STEP_NS       (STEP_S * NS_PER_S)
#define ANSWER_NS     (3 * NS_PER_S) /* xenopsd is to answer in so long */
#define HOUR_NS       (HOUR_S * NS_PER_S)
#define AFTER_HOUR_NS (20 * NS_PER_S)

static void read_host(void *arg)
{
	struct samples *samples = arg;

	samples->taken_ns = clock_mono_ns();
	host_read("", samples);
}

/* Without xenopsd there are no VMs to measure; it is not worth more than a line. */
static MAY_WAIT bool read_figures(struct arena *a, struct xenops_figures *out)
{
	static bool was_there = true;
	auto_err e = xenops_vm_figures(rrdd.xenopsd, a, out, deadline_in(ANSWER_NS));

	if (e && was_there && !err_is(e, &ERR_SHUTTING_DOWN))
		log_err(LOG_INFO_, e, "VMs are not measured");
	was_there = !e;
	return !e;
}

static void keep(struct owner *o, int64_t step, const struct samples *samples)
{
	auto_err e = series_add(o->series, step, samples);

	o->is_live = true;
	if (e)
		log_rl(LOG_WARN_, "the figures of %s are not kept: %s", o->name, err_text(e));
}

static void keep_vm(int64_t step, int64_t taken_ns, const struct xenops_vm_figures *vm)
{
	AUTO(samples_fini) struct samples samples = {.taken_ns = taken_ns};
	struct owner *o;

	auto_err e = owner_get(vm->vm, &o);
	if (e) {
		log_rl(LOG_WARN_, "VM %s is not measured: %s", vm->vm, err_text(e));
		return;
	}
	vm_read(vm, &samples);
	keep(o, step, &samples);
}

static void keep_host(int64_t step, const struct samples *samples)
{
	struct owner *o;

	auto_err e = owner_get(NULL, &o);
	if (e)
		log_rl(LOG_WARN_, "the host is not measured: %s", err_text(e));
	else
		keep(o, step, samples);
}

/* One round, for the row that ends at STEP. */
static MAY_WAIT struct err *round_at(int64_t step)
{
	AUTO(samples_fini) struct samples host = {0};
	auto_arena a = {0};
	struct xenops_figures figures = {0};

	TRY(offload("reading the host's figures", read_host, &host));
	bool has_figures = read_figures(&a, &figures);
	map_for_each (slot, &rrdd.owners)
		((struct owner *)slot->value)->is_live = false;
	if (has_figures)
		host_add_figures(&figures, &host);
	keep_host(step, &host);
	for (size_t i = 0; i < figures.vms.n; i++)
		keep_vm(step, figures.taken_ns, &figures.vms.v[i]);
	return fiber_check();
}

/* The number of the row that ends nearest to now. */
static int64_t step_now(void)
{
	return (clock_real_ns() + STEP_NS / 2) / STEP_NS;
}

/* The first round is at once, so that something is known; the clock may wake us a moment early, and
 * then the next row is not this one again. */
static MAY_WAIT void go_round(void *arg)
{
	struct err *e = NULL;
	int64_t last = 0;

	while (!e) {
		int64_t step = step_now();

		if (step != last)
			e = round_at(step);
		if (e && !err_is(e, &ERR_SHUTTING_DOWN)) {
			log_err(LOG_WARN_, e, "a round was left out");
			err_free(take(e));
		}
		last = step;
		if (!e)
			e = fiber_sleep(STEP_NS - clock_real_ns() % STEP_NS);
	}
	err_free(e);
}

/* Shortly after each hour, for then it is whole. */
static MAY_WAIT void feed_hourly(void *arg)
{
	for (;;) {
		int64_t past_ns = clock_real_ns() % HOUR_NS;

		auto_err e = fiber_sleep(HOUR_NS - past_ns + AFTER_HOUR_NS);
		if (e)
			return;
		e = owners_feed_all();
		if (e)
			log_err(LOG_WARN_, e, "not all archives are up to date");
	}
}

struct err *sampler_start(void)
{
	TRY(fiber_spawn(NULL, go_round, NULL, "sampler"));
	return fiber_spawn(NULL, feed_hourly, NULL, "feeder");
}
