/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of class event: how clients learn of changes. event.from answers with what changed
 * since a token, each object once, and event.next does so for a session that has registered. What
 * is collected goes out as the bytes that the database keeps of each record.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xapid/api/event_text.h"
#include "xapid/api/subscription.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/gate/session.h"

#include "xenapi.gen.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* For a timeout that is no number of seconds to wait. */
#define LONGEST_S 86400.0

/* ---- event.from ---- */

static int64_t deadline_of(double timeout)
{
	if (!(timeout >= 0) || timeout > LONGEST_S)
		timeout = LONGEST_S;
	return deadline_in((int64_t)(timeout * NS_PER_S));
}

/* Up to twenty digits, of which there is at least one; false: something else. */
static bool read_count(const char **at, uint64_t *out)
{
	size_t n = strspn(*at, "0123456789");
	char *end;

	if (!n || n > 20)
		return false;
	*out = strtoull(*at, &end, 10);
	*at = end;
	return true;
}

/* "GENERATION,0", both of twenty digits; "": from the beginning. By hand: what waits for events is
 * to have little on its stack, and scanf alone takes half of a page. */
static struct err *read_token(const char *token, uint64_t *out)
{
	const char *at = token;
	uint64_t unused;

	*out = 0;
	if (!*token)
		return NULL;
	if (!read_count(&at, out) || *at++ != ',' || !read_count(&at, &unused) || *at)
		return err(EVENT_FROM_TOKEN_PARSE_FAILURE, token);
	return NULL;
}

/* Deletions that are not remembered any more may be among what is new to the client. */
static struct err *check_not_lost(uint64_t since)
{
	return since && since < db_tombstones_from() ? err(EVENTS_LOST) : NULL;
}

/* Until there is something, or it is time; *NEWEST is how far was looked. Each change is looked at
 * once, however long the client has heard of nothing. */
static MAY_WAIT struct err *wait_for_events(const char *session, const struct subscription *s,
	uint64_t since, int64_t deadline, uint64_t *newest)
{
	uint64_t seen = since;

	for (;; seen = *newest) {
		TRY(session_check(session));
		TRY(check_not_lost(since));
		*newest = db_generation();
		if (subscription_has_news(s, since, seen))
			return NULL;
		struct err *e = db_wait_change(*newest, deadline);
		if (err_is(e, &ERR_TIMEOUT) && clock_mono_ns() >= deadline) {
			err_free(e);
			return session_check(session);
		}
		TRY(e);
	}
}

MAY_WAIT struct err *xapi_event_from(
	struct call *c, const struct xenapi_event_from_in *in, struct xenapi_event_batch *out)
{
	struct xapi_call *x = xapi_call(c);
	AUTO(subscription_fini) struct subscription s = {0};
	uint64_t since, newest;

	TRY(read_token(in->token, &since));
	TRY(subscription_read(&in->classes, &s));
	TRY(wait_for_events(x->session, &s, since, deadline_of(in->timeout), &newest));
	x->since = db_generation();
	const struct event_batch batch = {&s, since, newest, x->form};
	shared_run_add(&x->long_part, event_text_batch(&batch), 0);
	x->wire = (struct json_text){"", 0};
	return NULL;
}

/* ---- event.inject ---- */

MAY_WAIT struct err *xapi_event_inject(
	struct call *c, const struct xenapi_event_inject_in *in, const char **out)
{
	const struct class *class = db_class_named(in->class, true);
	struct db_row *row = class ? db_row(class, in->ref) : NULL;

	if (!row)
		return err(HANDLE_INVALID, in->class, in->ref);
	*out = event_text_token(db_generation(), c->arena);
	db_touch(row);
	return NULL;
}

MAY_WAIT struct err *xapi_event_get_current_id(struct call *c, int64_t *out)
{
	*out = (int64_t)db_generation();
	return NULL;
}

/* ---- event.register, next, unregister ---- */

static bool is_registered(const struct session *s, const char *class)
{
	vec_for_each (i, &s->registered)
		if (!strcasecmp(s->registered.v[i], class))
			return true;
	return false;
}

MAY_WAIT struct err *xapi_event_register(struct call *c, const struct xenapi_event_register_in *in)
{
	struct session *s = session_find(call_session(c));
	AUTO(subscription_fini) struct subscription checked = {0};

	TRY(subscription_read(&in->classes, &checked));
	TRY(session_check(call_session(c)));
	if (!s->registered.n)
		s->told = db_generation();
	for (size_t i = 0; i < in->classes.n; i++)
		if (!is_registered(s, in->classes.v[i]))
			vec_push(&s->registered, xstrdup(in->classes.v[i]));
	return NULL;
}

MAY_WAIT struct err *xapi_event_unregister(
	struct call *c, const struct xenapi_event_unregister_in *in)
{
	struct session *s = session_find(call_session(c));

	for (size_t i = 0; s && i < in->classes.n; i++) {
		vec_for_each (j, &s->registered) {
			if (!strcasecmp(s->registered.v[j], in->classes.v[i])) {
				free(s->registered.v[j]);
				vec_remove(&s->registered, j);
				break;
			}
		}
	}
	return NULL;
}

/* What the session has registered now; of copies, since it may let go of it while we wait. */
static struct err *read_registered(
	const char *session, struct arena *a, struct subscription *out, uint64_t *since)
{
	const struct session *s = session_find(session);

	if (!s)
		return err(SESSION_INVALID, session);
	if (!s->registered.n)
		return err(SESSION_NOT_REGISTERED, session);
	*since = s->told;
	const struct string_list registered = {
		.v = (const char **)s->registered.v, .n = s->registered.n};
	struct string_list classes;
	codec_copy(&type_list_string, &registered, a, &classes);
	return subscription_read(&classes, out);
}

MAY_WAIT struct err *xapi_event_next(struct call *c, struct xenapi_event_list *out)
{
	struct xapi_call *x = xapi_call(c);
	AUTO(subscription_fini) struct subscription s = {0};
	uint64_t since, newest;

	TRY(read_registered(x->session, c->arena, &s, &since));
	TRY(wait_for_events(x->session, &s, since, NEVER, &newest));
	x->wire = event_text_list(&s, since, x->form, c->arena);
	session_find(x->session)->told = newest;
	return NULL;
}
