/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Callers (caller.h). What the database says of them is read when rows of the two classes have
 * changed; which of them a client is, is worked out once and kept until then.
 */
#define LOG_MODULE "caller"

#include "xapid/gate/caller.h"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/vec.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <stdio.h>
#include <string.h>

#define NOTE_EVERY_NS   (60 * NS_PER_S) /* last_access is not written more often */
#define MOST_CLIENTS    1024 /* whose callers are known without looking */
#define MOST_REGISTERED 256 /* rows that clients got by themselves */

/* A Rate_limit. */
struct bucket {
	double burst, rate;
	double level; /* below zero: what those who wait will take */
	int64_t filled; /* when that was so */
	uint64_t round;
};

/* A Caller. */
struct caller {
	char *ref, *agent, *address; /* owned; the last two are patterns */
	size_t weight; /* the more, the more specific */
	struct bucket *bucket; /* NULL: as many as it likes */
	struct caller_usage usage;
	int64_t noted; /* when last_access was written */
	uint64_t round;
};

/* The callers that one client is, the most specific one first. */
struct client {
	vec_of(struct caller *) is;
};

static struct {
	uint64_t seen; /* the newest change of either class that this is made of */
	uint64_t round;
	struct map by_ref; /* of struct caller, owned */
	vec_of(struct caller *) order; /* the most specific one first */
	struct map buckets; /* by the reference of the Rate_limit, owned */
	struct map clients; /* struct client, owned, by "agent\naddress" */
} callers;

/* ---- patterns ---- */

static bool is_prefix(const char *pattern)
{
	size_t len = strlen(pattern);

	return !len || pattern[len - 1] == '*';
}

static bool matches(const char *pattern, const char *text)
{
	size_t len = strlen(pattern);

	if (!is_prefix(pattern))
		return !strcmp(pattern, text);
	return !len || !strncmp(pattern, text, len - 1);
}

/* Exact ones go before prefixes, longer prefixes before shorter ones. */
static size_t weight_of(const char *pattern)
{
	size_t len = strlen(pattern);

	if (!is_prefix(pattern))
		return (size_t)1 << 20;
	return len ? len - 1 : 0;
}

/* ---- what the database says ---- */

static void caller_free(struct caller *c)
{
	free(c->ref);
	free(c->agent);
	free(c->address);
	free(c);
}

static void forget_clients(void)
{
	map_for_each (slot, &callers.clients) {
		struct client *client = slot->value;

		vec_fini(&client->is);
		free(client);
	}
	map_fini(&callers.clients);
}

static struct bucket *load_bucket(const char *ref)
{
	const struct xenapi_rate_limit *row = db_find(rate_limit, ref);
	struct bucket *b = row ? map_get(&callers.buckets, ref) : NULL;

	if (!row)
		return NULL;
	if (!b) {
		b = xnew(struct bucket);
		b->level = row->burst_size;
		b->filled = clock_mono_ns();
		map_put(&callers.buckets, ref, b);
	}
	b->round = callers.round;
	b->burst = row->burst_size;
	b->rate = row->fill_rate;
	if (b->level > b->burst)
		b->level = b->burst;
	return b;
}

static void load_caller(const char *ref, const struct xenapi_caller *row)
{
	struct caller *c = map_get(&callers.by_ref, ref);

	if (!c) {
		c = xnew(struct caller);
		c->ref = xstrdup(ref);
		c->agent = xstrdup(row->user_agent);
		c->address = xstrdup(row->client_ip);
		c->weight = weight_of(c->agent) + weight_of(c->address);
		c->noted = clock_mono_ns() - NOTE_EVERY_NS;
		map_put(&callers.by_ref, ref, c);
	}
	c->round = callers.round;
	c->bucket = load_bucket(row->rate_limit);
	size_t at = callers.order.n;
	vec_push(&callers.order, c);
	for (; at && callers.order.v[at - 1]->weight < c->weight; at--)
		callers.order.v[at] = callers.order.v[at - 1];
	callers.order.v[at] = c;
}

/* What this round did not meet is gone. */
static void drop_old(void)
{
	struct map kept = {0}, kept_buckets = {0};

	map_for_each (slot, &callers.by_ref) {
		struct caller *c = slot->value;

		if (c->round == callers.round)
			map_put(&kept, slot->key, c);
		else
			caller_free(c);
	}
	map_for_each (slot, &callers.buckets) {
		struct bucket *b = slot->value;

		if (b->round == callers.round || db_find(rate_limit, slot->key))
			map_put(&kept_buckets, slot->key, b);
		else
			free(b);
	}
	map_fini(&callers.by_ref);
	map_fini(&callers.buckets);
	callers.by_ref = kept;
	callers.buckets = kept_buckets;
}

static void load(void)
{
	uint64_t a = db_class_generation(&xenapi_class_caller);
	uint64_t b = db_class_generation(&xenapi_class_rate_limit);
	uint64_t newest = a > b ? a : b;

	if (callers.seen == newest)
		return;
	callers.seen = newest;
	callers.round++;
	forget_clients();
	callers.order.n = 0;
	db_for_each (caller, row)
		load_caller(db_ref(row), db_record(row));
	drop_old();
}

static struct client *find_client(const struct gate_peer *peer, struct arena *a)
{
	const char *key = arena_printf(a, "%s\n%s", peer->user_agent, peer->address);
	struct client *client = map_get(&callers.clients, key);

	if (client)
		return client;
	if (callers.clients.n >= MOST_CLIENTS)
		forget_clients();
	client = xnew(struct client);
	vec_for_each (i, &callers.order) {
		struct caller *c = callers.order.v[i];

		if (matches(c->agent, peer->user_agent) && matches(c->address, peer->address))
			vec_push(&client->is, c);
	}
	map_put(&callers.clients, key, client);
	return client;
}

/* ---- a request ---- */

double caller_cost(const struct message *m)
{
	if (m->is_read_only)
		return CALLER_COST_READ;
	return m->is_async ? CALLER_COST_WORK : CALLER_COST_CHANGE;
}

/* How long until the bucket has what the request costs; it is the request's then. Whoever comes
 * later comes behind it. Negative: for too long. */
static int64_t take_tokens(struct bucket *b, double cost)
{
	int64_t now = clock_mono_ns();
	double needed = cost < b->burst ? cost : b->burst;

	b->level += (double)(now - b->filled) / (double)NS_PER_S * b->rate;
	b->filled = now;
	if (b->level > b->burst)
		b->level = b->burst;
	double wait = b->level < needed ? (needed - b->level) / b->rate : 0;
	if (wait * (double)NS_PER_S > (double)xapid_conf.caller_wait_ns)
		return -1;
	b->level -= cost;
	return (int64_t)(wait * (double)NS_PER_S);
}

/* Counts it. Returns the bucket that it takes from, or NULL. */
static struct bucket *count(const struct client *client, double cost)
{
	struct bucket *bucket = NULL;
	int64_t now = clock_mono_ns();

	vec_for_each (i, &client->is) {
		struct caller *c = client->is.v[i];

		c->usage.calls++;
		c->usage.tokens += cost;
		if (!bucket)
			bucket = c->bucket;
		if (now - c->noted < NOTE_EVERY_NS)
			continue;
		c->noted = now;
		/* where nothing can be written, calls that read are served all the same */
		err_free(db_write(caller, c->ref, last_access, clock_real_ns() / NS_PER_S));
	}
	return bucket;
}

struct err *caller_admit(const struct gate_peer *peer, double cost, struct arena *a)
{
	load();
	if (!callers.order.n)
		return NULL;
	struct bucket *b = count(find_client(peer, a), cost);
	if (!b || peer->origin == GATE_UNIX)
		return NULL;
	int64_t wait = take_tokens(b, cost);
	if (wait < 0)
		return err(LIMIT_EXCEEDED, "tokens a second of a caller",
			arena_printf(a, "%g", b->rate));
	return wait ? fiber_sleep(wait) : NULL;
}

struct caller_usage caller_usage(const char *self)
{
	load();
	const struct caller *c = map_get(&callers.by_ref, self);

	return c ? c->usage : (struct caller_usage){0};
}

/* ---- rows by themselves ---- */

const char *caller_find(const char *user_agent, const char *client_ip)
{
	load();
	vec_for_each (i, &callers.order) {
		const struct caller *c = callers.order.v[i];

		if (!strcmp(c->agent, user_agent) && !strcmp(c->address, client_ip))
			return c->ref;
	}
	return NULL;
}

/* The one that was heard of least recently, of those whom nobody has made use of. */
static struct err *make_room(void)
{
	const struct xenapi_caller *oldest = NULL;
	const char *oldest_ref = NULL;
	size_t n = 0;

	db_for_each (caller, row) {
		const struct xenapi_caller *c = db_record(row);

		if (!c->auto_registered)
			continue;
		n++;
		if (!ref_is_null(c->rate_limit) || c->groups.n || *c->name_label)
			continue;
		if (oldest && oldest->last_access <= c->last_access)
			continue;
		oldest = c;
		oldest_ref = db_ref(row);
	}
	return n >= MOST_REGISTERED && oldest ? db_delete(caller, oldest_ref) : NULL;
}

/* A text that would be read as a pattern is none of its own. */
struct err *caller_register(const struct gate_peer *peer)
{
	struct xenapi_caller row = db_blank(caller);

	if (!xapid_conf.register_callers || own_role.is_member || peer->origin == GATE_UNIX)
		return NULL;
	if (is_prefix(peer->user_agent) || is_prefix(peer->address) ||
		caller_find(peer->user_agent, peer->address))
		return NULL;
	TRY(make_room());
	row.user_agent = peer->user_agent;
	row.client_ip = peer->address;
	row.auto_registered = true;
	row.last_access = clock_real_ns() / NS_PER_S;
	log_info("'%s' at %s calls for the first time", row.user_agent, row.client_ip);
	return db_create(caller, &row, NULL);
}

void callers_stop(void)
{
	forget_clients();
	map_for_each (slot, &callers.by_ref)
		caller_free(slot->value);
	map_for_each (slot, &callers.buckets)
		free(slot->value);
	map_fini(&callers.by_ref);
	map_fini(&callers.buckets);
	vec_fini(&callers.order);
	callers = (__typeof__(callers)){0};
}
