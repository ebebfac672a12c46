/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of class session: logging in, in each of the ways there are, and out again.
 */
#include "xapid/db/db.h"
#include "xapid/gate/auth.h"
#include "xapid/gate/call.h"
#include "xapid/gate/session.h"
#include "xapid/host/role.h"

#include "xenapi.gen.h"

#include <string.h>

static struct err *log_in(struct call *c, const struct session_spec *spec, const char **out)
{
	struct session *s;

	TRY(session_new(spec, &s));
	*out = arena_strdup(c->arena, s->ref);
	return NULL;
}

/* A process of root's on this host is root, whatever it says. */
MAY_WAIT struct err *xapi_session_login_with_password(
	struct call *c, const struct xenapi_session_login_with_password_in *in, const char **out)
{
	struct auth_account account = {.role = "pool-admin", .is_root = true};

	if (xapi_call(c)->peer.origin != GATE_UNIX)
		TRY(auth_check(xapi_call(c)->peer.address, in->uname, in->pwd, &account));
	const struct session_spec spec = {
		.user = in->uname,
		.originator = in->originator,
		.role = account.role,
		.is_root = account.is_root,
		.subject = account.subject,
	};
	return log_in(c, &spec, out);
}

static struct err *check_secret(struct secret secret)
{
	if (auth_is_pool_secret(secret.hidden))
		return NULL;
	return err_not_null(err_new(__FILE__, __LINE__, ERR_SESSION_AUTHENTICATION_FAILED.code, 2,
		(const char *const[]){"", "the pool's secret is another"}));
}

MAY_WAIT struct err *xapi_session_slave_login(
	struct call *c, const struct xenapi_session_slave_login_in *in, const char **out)
{
	const struct session_spec spec = {.user = "",
		.originator = "",
		.role = "pool-admin",
		.is_root = true,
		.is_pool = true,
		.is_local = own_role.is_member};

	TRY(check_secret(in->psecret));
	return log_in(c, &spec, out);
}

/* ---- on this host alone, whether there is a pool or not ---- */

static const struct session_spec local = {
	.user = "", .originator = "", .role = "pool-admin", .is_root = true, .is_local = true};

MAY_WAIT struct err *xapi_session_slave_local_login(
	struct call *c, const struct xenapi_session_slave_local_login_in *in, const char **out)
{
	TRY(check_secret(in->psecret));
	return log_in(c, &local, out);
}

MAY_WAIT struct err *xapi_session_slave_local_login_with_password(struct call *c,
	const struct xenapi_session_slave_local_login_with_password_in *in, const char **out)
{
	struct auth_account account = {.is_root = true};

	if (xapi_call(c)->peer.origin != GATE_UNIX)
		TRY(auth_check(xapi_call(c)->peer.address, in->uname, in->pwd, &account));
	if (!account.is_root)
		return err_not_null(
			err_new(__FILE__, __LINE__, ERR_SESSION_AUTHENTICATION_FAILED.code, 2,
				(const char *const[]){in->uname, "this is for root alone"}));
	return log_in(c, &local, out);
}

MAY_WAIT struct err *xapi_session_local_logout(struct call *c)
{
	return xapi_session_logout(c);
}

MAY_WAIT struct err *xapi_session_logout(struct call *c)
{
	struct session *s = session_find(call_session(c));

	if (s)
		session_end(s);
	return NULL;
}

/* Of users of the directory service; local ones have no identifier. */
MAY_WAIT struct err *xapi_session_get_all_subject_identifiers(
	struct call *c, struct string_list *out)
{
	size_t n = 0;

	out->v = arena_calloc(c->arena, db_count(session), sizeof(*out->v));
	db_for_each (session, row) {
		const struct xenapi_session *s = db_record(row);

		if (*s->auth_user_sid)
			out->v[n++] = arena_strdup(c->arena, s->auth_user_sid);
	}
	out->n = n;
	return NULL;
}

MAY_WAIT struct err *xapi_session_logout_subject_identifier(
	struct call *c, const struct xenapi_session_logout_subject_identifier_in *in)
{
	db_for_each (session, row) {
		const struct xenapi_session *s = db_record(row);
		struct session *known = session_find(db_ref(row));

		if (known && *s->auth_user_sid && !strcmp(s->auth_user_sid, in->subject_identifier))
			session_end(known);
	}
	return NULL;
}
