/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failed logins by origin (origin.h): a map by address, a list for what is forgotten first.
 */
#include "xapid/gate/origin.h"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct origin {
	char *name; /* owned; its key in the map */
	struct list by_age; /* the last attempt was later than those before it */
	struct cond free; /* one of those under way has ended */
	unsigned users; /* attempts that wait or are under way: it stays */
	unsigned running;
	unsigned failures; /* that are not forgiven */
	int64_t failed_at; /* the last one, or when the last one was forgiven */
	int64_t next_at; /* no attempt begins before */
};

static struct {
	struct map by_name; /* of struct origin, owned */
	struct list by_age;
} origins;

/* ---- which one ---- */

/* An address of IPv6 stands for its network: who has one of them has all. */
static void name_of(const char *address, char out[static INET6_ADDRSTRLEN])
{
	struct in6_addr a;

	snprintf(out, INET6_ADDRSTRLEN, "%s", address);
	if (inet_pton(AF_INET6, address, &a) != 1 || IN6_IS_ADDR_V4MAPPED(&a))
		return;
	memset(a.s6_addr + 8, 0, 8);
	inet_ntop(AF_INET6, &a, out, INET6_ADDRSTRLEN);
}

static void origin_free(struct origin *o)
{
	map_remove(&origins.by_name, o->name);
	list_remove(&o->by_age);
	cond_fini(&o->free);
	free(o->name);
	free(o);
}

/* Room for one more; those of whom somebody waits stay. */
static void forget_oldest(void)
{
	list_for_each_safe (o, &origins.by_age, struct origin, by_age) {
		if (origins.by_name.n < ORIGIN_MOST_KEPT)
			return;
		if (!o->users)
			origin_free(o);
	}
}

static struct origin *origin_get(const char *address)
{
	char name[INET6_ADDRSTRLEN];

	if (!origins.by_age.next)
		list_init(&origins.by_age);
	name_of(address, name);
	struct origin *o = map_get(&origins.by_name, name);
	if (o) {
		list_remove(&o->by_age);
	} else {
		forget_oldest();
		o = xnew(struct origin);
		o->name = xstrdup(name);
		cond_init(&o->free);
		map_put(&origins.by_name, o->name, o);
	}
	list_push_back(&origins.by_age, &o->by_age);
	return o;
}

/* ---- how long ---- */

static void forgive(struct origin *o, int64_t now)
{
	while (o->failures && now - o->failed_at >= ORIGIN_FORGIVEN * NS_PER_S) {
		o->failures--;
		o->failed_at += ORIGIN_FORGIVEN * NS_PER_S;
	}
}

static int64_t pause_ns(const struct origin *o)
{
	int64_t ms = ORIGIN_WAIT_MS;

	if (o->failures <= ORIGIN_FREE)
		return 0;
	for (unsigned i = ORIGIN_FREE + 1; i < o->failures && ms < ORIGIN_MOST_MS; i++)
		ms *= 2;
	return (ms < ORIGIN_MOST_MS ? ms : ORIGIN_MOST_MS) * NS_PER_MS;
}

/* One of those under way ends, or it is too late for us. */
static MAY_WAIT struct err *wait_for_room(struct origin *o, int64_t deadline)
{
	auto_err e = cond_wait(&o->free, "other logins from there", deadline);

	return e && clock_mono_ns() < deadline ? take(e) : NULL;
}

/* HAS_TURN is false where it would take too long. */
static MAY_WAIT struct err *wait_for_turn(struct origin *o, bool *has_turn)
{
	int64_t deadline = deadline_in(ORIGIN_PATIENCE * NS_PER_S), now;

	while ((now = clock_mono_ns()) < o->next_at || o->running == ORIGIN_AT_ONCE) {
		*has_turn = o->next_at <= deadline && now < deadline;
		if (!*has_turn)
			return NULL;
		if (o->running == ORIGIN_AT_ONCE)
			TRY(wait_for_room(o, deadline));
		else
			TRY(fiber_sleep(o->next_at - now));
	}
	*has_turn = true;
	return NULL;
}

struct err *origin_enter(const char *address, struct origin **out)
{
	struct origin *o = origin_get(address);
	bool has_turn = false;

	*out = NULL;
	if (o->users == ORIGIN_QUEUE)
		return NULL;
	o->users++;
	struct err *e = wait_for_turn(o, &has_turn);
	if (e || !has_turn) {
		o->users--;
		return e;
	}
	forgive(o, clock_mono_ns());
	o->running++;
	o->next_at = clock_mono_ns() + pause_ns(o);
	*out = o;
	return NULL;
}

void origin_leave(struct origin *o, bool has_failed)
{
	int64_t now = clock_mono_ns();

	if (has_failed) {
		o->failures++;
		o->failed_at = now;
		if (o->next_at < now + pause_ns(o))
			o->next_at = now + pause_ns(o);
	}
	o->running--;
	o->users--;
	cond_signal(&o->free);
	if (!o->failures && !o->users)
		origin_free(o);
}

void origins_stop(void)
{
	if (!origins.by_age.next)
		return;
	list_for_each_safe (o, &origins.by_age, struct origin, by_age)
		origin_free(o);
	map_fini(&origins.by_name);
}
