/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions (session.h): a map for each call, a list for what was not used the longest.
 */
#define LOG_MODULE "session"

#include "xapid/gate/session.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/map.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/gate/subject.h"
#include "xapid/host/role.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <stdio.h>
#include <string.h>

/* The row's last_active is not written more often. */
#define NOTE_EVERY_NS (60 * NS_PER_S)

static struct {
	struct map by_ref; /* of struct session, owned */
	struct list by_use;
	struct timer expiry; /* of the first of by_use */
} sessions;

static int64_t now_seconds(void)
{
	return clock_real_ns() / NS_PER_S;
}

/* ---- the end of one ---- */

static void session_free(struct session *s)
{
	list_remove(&s->by_use);
	vec_for_each (i, &s->registered)
		free(s->registered.v[i]);
	vec_fini(&s->registered);
	free(s->ref);
	free(s->user);
	free(s->subject);
	free(s->originator);
	free(s);
}

void session_end(struct session *s)
{
	err_free(db_delete(session, s->ref)); /* that it is gone already is fine */
	map_remove(&sessions.by_ref, s->ref);
	session_free(s);
	db_wake();
}

void session_set_role(const char *subject, const char *role)
{
	list_for_each_safe (s, &sessions.by_use, struct session, by_use) {
		if (strcmp(s->subject, subject) != 0)
			continue;
		s->role = role;
		if (!role)
			session_end(s);
	}
}

static void arm_expiry(void)
{
	struct session *oldest = list_first(&sessions.by_use, struct session, by_use);

	timer_arm(&sessions.expiry, oldest ? oldest->used + SESSION_IDLE_NS : NEVER);
}

static void expire(struct timer *t)
{
	struct session *s;

	while ((s = list_first(&sessions.by_use, struct session, by_use)) &&
		s->used + SESSION_IDLE_NS <= clock_mono_ns()) {
		log_info("the session of '%s' was not used for a day: it ends", s->user);
		session_end(s);
	}
	arm_expiry();
}

/* ---- a new one ---- */

static bool are_alike(const struct session *s, const struct session_spec *spec)
{
	return !strcmp(s->user, spec->user) ||
		(*spec->originator && !strcmp(s->originator, spec->originator));
}

/* The oldest come first, so those that are too many do. */
static void make_room(const struct session_spec *spec)
{
	size_t alike = 1;

	list_for_each (s, &sessions.by_use, struct session, by_use)
		alike += are_alike(s, spec);
	list_for_each_safe (s, &sessions.by_use, struct session, by_use) {
		if (alike <= SESSION_MAX_ALIKE)
			return;
		if (are_alike(s, spec)) {
			alike--;
			log_warn("too many sessions of '%s': the oldest ends", s->user);
			session_end(s);
		}
	}
}

static struct err *make_row(const struct session_spec *spec, const char *ref)
{
	struct xenapi_session row = db_blank(session);

	row.this_host = host_here();
	row.this_user = REF_NULL;
	row.last_active = row.validation_time = now_seconds();
	row.pool = spec->is_pool;
	row.is_local_superuser = spec->is_root;
	row.auth_user_name = spec->user;
	if (spec->subject) {
		row.subject = spec->subject;
		row.auth_user_sid = spec->user;
	}
	row.originator = spec->originator;
	return db_create_as(session, &row, ref);
}

struct err *session_new(const struct session_spec *spec, struct session **out)
{
	char ref[DB_REF_SIZE];

	make_room(spec);
	db_new_ref(ref);
	if (!spec->is_local)
		TRY(make_row(spec, ref));
	struct session *s = xnew(struct session);
	s->ref = xstrdup(ref);
	s->user = xstrdup(spec->user);
	s->subject = xstrdup(spec->subject ? spec->subject : REF_NULL);
	s->originator = xstrdup(spec->originator);
	s->role = spec->role;
	s->is_root = spec->is_root;
	s->is_pool = spec->is_pool;
	s->is_local = spec->is_local;
	s->used = s->noted = clock_mono_ns();
	s->tokens = (double)xapid_conf.session_rate;
	map_put(&sessions.by_ref, s->ref, s);
	list_push_back(&sessions.by_use, &s->by_use);
	if (sessions.expiry.at == NEVER)
		arm_expiry();
	*out = s;
	return NULL;
}

/* ---- its use ---- */

struct session *session_find(const char *ref)
{
	return map_get(&sessions.by_ref, ref);
}

const struct session *session_next(const struct session *s)
{
	const struct list *next = s ? s->by_use.next : sessions.by_use.next;

	return next == &sessions.by_use ? NULL : list_entry(next, struct session, by_use);
}

void session_describe(const struct session *s, struct xapi_call *call)
{
	struct arena *a = call->call.arena;

	call->session = arena_strdup(a, s->ref);
	call->user = arena_strdup(a, s->user);
	call->subject = arena_strdup(a, s->subject);
	call->role = s->role;
	call->is_root = s->is_root;
	call->is_pool = s->is_pool;
}

struct err *session_describe_copied(const char *ref, struct xapi_call *call)
{
	struct arena *a = call->call.arena;
	const struct xenapi_session *row = db_find(session, ref);
	const char *role = row && row->is_local_superuser ? "pool-admin"
		: row                                     ? subject_role(row->subject)
							  : NULL;

	if (!role)
		return err(SESSION_INVALID, ref);
	call->session = arena_strdup(a, ref);
	call->user = arena_strdup(a, row->auth_user_name);
	call->subject = arena_strdup(a, row->subject);
	call->role = role;
	call->is_root = row->is_local_superuser;
	return NULL;
}

struct err *session_check(const char *ref)
{
	return session_find(ref) ? NULL : err(SESSION_INVALID, ref);
}

/* A bucket of a second's calls, which fills at their rate. */
static struct err *take_token(struct session *s, int64_t now)
{
	double rate = (double)xapid_conf.session_rate;

	if (!xapid_conf.session_rate)
		return NULL;
	s->tokens += (double)(now - s->used) / (double)NS_PER_S * rate;
	if (s->tokens > rate)
		s->tokens = rate;
	if (s->tokens < 1) {
		char limit[32];

		snprintf(limit, sizeof(limit), "%lld", (long long)xapid_conf.session_rate);
		return err(LIMIT_EXCEEDED, "calls a second of a session", limit);
	}
	s->tokens--;
	return NULL;
}

struct err *session_use(const char *ref, struct session **out)
{
	struct session *s = session_find(ref);
	int64_t now = clock_mono_ns();

	if (!s)
		return err(SESSION_INVALID, ref);
	struct err *e = take_token(s, now);
	s->used = now;
	TRY(e);
	list_remove(&s->by_use);
	list_push_back(&sessions.by_use, &s->by_use);
	if (!s->is_local && s->used - s->noted >= NOTE_EVERY_NS) {
		s->noted = s->used;
		TRY(db_write(session, ref, last_active, now_seconds()));
	}
	*out = s;
	return NULL;
}

/* ---- start and end ---- */

void session_start(void)
{
	list_init(&sessions.by_use);
	timer_init(&sessions.expiry, expire);
}

void session_stop(void)
{
	struct session *s;

	if (!sessions.by_use.next)
		return;
	while ((s = list_first(&sessions.by_use, struct session, by_use)))
		session_end(s);
	timer_disarm(&sessions.expiry);
	map_fini(&sessions.by_ref);
}
