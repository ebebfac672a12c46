/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may begin a request in this turn of the loop (http_conn.h). A caller, told by its address and
 * what it calls itself, always may begin one; further ones only while the turn is young, however
 * many connections it has. The rest waits for the next turn, in which others have been looked at.
 * So one that floods us costs the others a request's time and not that of its whole queue. Whoever
 * is alone is never kept waiting.
 */
#include "common/clock.h"
#include "common/fiber.h"
#include "common/loop.h"
#include "common/stream.h"
#include "xapid/door/http_conn.h"

#define SLOTS    256 /* callers that fall into one share */
#define AT_MOST  16 /* requests of one caller in a turn */
#define YOUNG_NS (50 * NS_PER_US)
#define ALONE_NS NS_PER_S /* since somebody else asked for something */

struct slot {
	uint64_t turn;
	unsigned begun; /* in this turn */
};

static struct slot slots[SLOTS];
static uint64_t turn;
static int64_t turn_began;
static const struct slot *newest; /* who asked last */
static int64_t met_at; /* when that was somebody else than before */

static struct slot *slot_of(const char *address, const char *agent)
{
	uint32_t hash = 2166136261;

	for (; *address; address++)
		hash = (hash ^ (unsigned char)*address) * 16777619;
	for (; *agent; agent++)
		hash = (hash ^ (unsigned char)*agent) * 16777619;
	return &slots[hash % SLOTS];
}

static bool may_begin(struct slot *s)
{
	uint64_t now = loop_counts().turns;

	if (turn != now || !turn_began) {
		turn = now;
		turn_began = clock_mono_ns();
	}
	if (newest != s) {
		met_at = newest ? turn_began : turn_began - 2 * ALONE_NS;
		newest = s;
	}
	if (s->turn != now) {
		s->turn = now;
		s->begun = 0;
	}
	if (!s->begun || turn_began - met_at > ALONE_NS)
		return true;
	return s->begun < AT_MOST && clock_mono_ns() - turn_began < YOUNG_NS;
}

MAY_WAIT struct err *share_wait(const struct http_conn *c, const char *agent)
{
	struct slot *s = slot_of(c->address, agent);

	if (may_begin(s)) {
		s->begun++;
		return NULL;
	}
	stream_shrink(c->stream); /* those who wait may be many */
	do
		TRY(fiber_yield());
	while (!may_begin(s));
	s->begun++;
	return NULL;
}
