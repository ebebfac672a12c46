/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of domains, and balloons that move (simulator.h). How far one has come is reckoned
 * when somebody looks; a timer tells of its arrival, so nothing ticks. Nothing here waits.
 */
#include "common/clock.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xenops.gen.h"
#include "xenopsd/simulator/simulator.h"

#define PARTS 128 /* shadow pages take one for each whole number above 1 */

int64_t memory_free_bytes(void)
{
	return simulator.memory_bytes - simulator.used_bytes;
}

static int64_t shadow_bytes(const struct domain *d, double multiplier)
{
	int64_t most = d->spec.memory_max_bytes ?: d->spec.memory_bytes;
	int64_t part = most / PARTS;

	return (int64_t)((multiplier - 1) * (double)part);
}

static struct err *take_bytes(int64_t bytes)
{
	if (bytes > memory_free_bytes()) {
		auto_str needed = xasprintf("%lld", (long long)bytes);

		return err(Not_enough_memory, needed);
	}
	simulator.used_bytes += bytes;
	return NULL;
}

/* ---- what a domain has ---- */

struct err *domain_populate(struct domain *d, int64_t bytes)
{
	TRY(take_bytes(bytes + shadow_bytes(d, d->spec.shadow_multiplier)));
	d->shadow_multiplier = d->spec.shadow_multiplier;
	d->memory_bytes = d->memory_target_bytes = bytes;
	return NULL;
}

struct err *domain_set_shadow(struct domain *d, double multiplier)
{
	TRY(take_bytes(shadow_bytes(d, multiplier) - shadow_bytes(d, d->shadow_multiplier)));
	d->shadow_multiplier = multiplier;
	return NULL;
}

void domain_depopulate(struct domain *d)
{
	if (d->is_built)
		simulator.used_bytes -= d->memory_bytes + shadow_bytes(d, d->shadow_multiplier);
	if (loop_is_here())
		timer_disarm(&d->arrival);
}

/* ---- balloons ---- */

static bool moves(const struct domain *d)
{
	return d->balloons && d->power == SIMULATOR_DOMAIN_POWER_RUNNING &&
		d->memory_bytes != d->memory_target_bytes;
}

/* What it can have moved since it was last looked at. */
static int64_t reach(const struct domain *d, int64_t now)
{
	if (!d->balloon_bytes_per_s)
		return INT64_MAX;
	return (int64_t)((__int128)(now - d->balloon_ns) * d->balloon_bytes_per_s / NS_PER_S);
}

int64_t domain_memory(struct domain *d)
{
	int64_t now = clock_mono_ns(), way = d->memory_target_bytes - d->memory_bytes;
	int64_t most = reach(d, now);

	if (!moves(d)) {
		d->balloon_ns = now;
		return d->memory_bytes;
	}
	if (!most)
		return d->memory_bytes;
	if (way > memory_free_bytes())
		way = memory_free_bytes();
	if (way > most)
		way = most;
	if (way < -most)
		way = -most;
	d->memory_bytes += way;
	simulator.used_bytes += way;
	d->balloon_ns = now;
	return d->memory_bytes;
}

static void arrived(struct timer *t)
{
	struct domain *d = container_of(t, struct domain, arrival);

	domain_memory(d);
	domain_changed(d);
}

void domain_balloon(struct domain *d)
{
	int64_t has = domain_memory(d);
	int64_t way = d->memory_target_bytes > has ? d->memory_target_bytes - has
						   : has - d->memory_target_bytes;

	timer_disarm(&d->arrival);
	if (moves(d) && d->balloon_bytes_per_s)
		timer_arm(&d->arrival,
			deadline_in(
				(int64_t)((__int128)way * NS_PER_S / d->balloon_bytes_per_s) + 1));
}

void domain_balloon_init(struct domain *d)
{
	d->balloons = true;
	d->balloon_ns = clock_mono_ns();
	timer_init(&d->arrival, arrived);
}
