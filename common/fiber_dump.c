/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `diagnostics` tells of fibers: for a person who wants to know what a daemon waits for, so
 * times are told from now on. The form may change. Loop thread only.
 */
#include "common/fiber.h"

#include "common/fiber_priv.h"
#include "common/json.h"

static const char *state_name(enum fiber_state state)
{
	switch (state) {
	case FIBER_READY:
		return "ready";
	case FIBER_RUNNING:
		return "running";
	case FIBER_PARKED:
		return "parked";
	case FIBER_ENDED:
		return "ended";
	}
	return "?";
}

static void dump_wait(struct json_writer *w, const struct fiber *f, int64_t now)
{
	json_member_string(w, "waits_for", f->waits_for);
	json_member_int(w, "for_ms", (now - f->waits_since) / NS_PER_MS);
	if (f->waits_until != NEVER)
		json_member_int(w, "at_most_ms", (f->waits_until - now) / NS_PER_MS);
}

static void dump_one(struct json_writer *w, const struct fiber *f, int64_t now)
{
	json_write_object(w);
	json_member_string(w, "name", f->name);
	json_member_string(w, "state", state_name(f->state));
	if (f->tag[0])
		json_member_string(w, "tag", f->tag);
	if (f->waits_for)
		dump_wait(w, f, now);
	if (f->deadline != NEVER)
		json_member_int(w, "deadline_ms", (f->deadline - now) / NS_PER_MS);
	if (f->is_cancelled)
		json_member_bool(w, "is_cancelled", true);
	if (f->masked)
		json_member_bool(w, "is_masked", true);
	json_write_object_end(w);
}

void fiber_dump(struct json_writer *w)
{
	int64_t now = clock_mono_ns();

	fiber_require(loop_is_here(), "fiber_dump outside the loop's thread");
	json_write_array(w);
	list_for_each (f, &fiber_all, struct fiber, all)
		dump_one(w, f, now);
	json_write_array_end(w);
}
