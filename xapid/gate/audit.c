/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of the audit (audit.h). What is long is cut.
 */
#define LOG_MODULE "audit"

#include "xapid/gate/audit.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/datetime.h"
#include "core.gen.h"
#include "xapid/gate/audit_file.h"
#include "xapid/gate/session.h"

#include "xenapi.gen.h"

#include <stdio.h>
#include <string.h>

#define MAX_ARGS 4096
#define MAX_WORD 256 /* of what a client says of itself */
#define MASKED   "***"
#define READER   "read-only"

/* ---- arguments ---- */

/* Whether all that the message has is to be kept to oneself: a session's reference is as good as
 * the password, and an object of class secret is nothing else. */
static bool is_hidden(const struct job *j, size_t i)
{
	const struct message *m = j->c.message;

	if (m->class == &xenapi_class_session)
		return i == 0;
	if (m->class == &xenapi_class_secret)
		return m->kind == MESSAGE_CREATE || i > 0;
	if (i == 0 || m->kind == MESSAGE_CREATE)
		return false;
	if (m->kind == MESSAGE_ADD_TO && i == 2)
		return codec_is_secret_name(*(const char *const *)j->args[1]);
	return m->kind == MESSAGE_SET && codec_is_secret_name(m->field->name);
}

static void write_implicit(const struct job *j, struct json_writer *w)
{
	const struct message *m = j->c.message;

	json_write_object(w);
	for (size_t i = 0; i < m->n_args && j->args[i]; i++) {
		json_write_name(w, args_name(m, i));
		if (is_hidden(j, i))
			json_write_string(w, MASKED);
		else
			codec_write(m->args[i], j->args[i], CODEC_MASK_SECRETS, w);
	}
	json_write_object_end(w);
}

static void write_args(const struct job *j, struct sbuf *out)
{
	const struct message *m = j->c.message;
	struct json_writer w;

	json_writer_init(&w, out);
	if (!m->method)
		write_implicit(j, &w);
	else if (j->in && m->class != &xenapi_class_secret)
		codec_write(m->method->in, j->in, CODEC_MASK_SECRETS, &w);
	else
		json_write_null(&w);
}

/* ---- a request's query ---- */

/* As it came, but for what lets somebody in. */
static void write_query(const char *query, struct sbuf *out)
{
	struct json_writer w;
	char name[64];

	json_writer_init(&w, out);
	json_write_object(&w);
	for (const char *at = query; *at;) {
		size_t len = strcspn(at, "&"), to = strcspn(at, "=&");
		size_t value = to < len ? to + 1 : len;

		snprintf(name, sizeof(name), "%.*s", (int)to, at);
		json_write_name(&w, name);
		if (codec_is_secret_name(name) || !strcmp(name, "session_id"))
			json_write_string(&w, MASKED);
		else
			json_write_string_n(&w, at + value, len - value);
		at += len + (at[len] == '&');
	}
	json_write_object_end(&w);
}

/* ---- a line ---- */

static bool is_refusal(const struct err *e)
{
	return err_is(e, &ERR_RBAC_PERMISSION_DENIED) || err_is(e, &ERR_SESSION_INVALID) ||
		err_is(e, &ERR_SESSION_AUTHENTICATION_FAILED) || err_is(e, &ERR_HOST_IS_SLAVE) ||
		err_is(e, &ERR_LIMIT_EXCEEDED);
}

static void member(struct json_writer *w, const char *name, const char *text)
{
	json_write_name(w, name);
	json_write_string_n(w, text, strnlen(text, MAX_WORD));
}

static const char *ref_or_nothing(const char *ref)
{
	return strcmp(ref, REF_NULL) ? ref : "";
}

static void write_time(struct json_writer *w)
{
	int64_t now = clock_real_ns();
	char seconds[DATETIME_SIZE], text[40];

	datetime_put(now / NS_PER_S, seconds);
	snprintf(text, sizeof(text), "%.19s.%03dZ", seconds, (int)(now / NS_PER_MS % 1000));
	json_member_string(w, "time", text);
}

static void write_caller(struct json_writer *w, const struct xapi_call *c, const char *originator)
{
	static const char *const origins[] = {
		[GATE_TCP] = "tcp", [GATE_TLS] = "tls", [GATE_UNIX] = "unix"};

	member(w, "user", c->user);
	member(w, "subject", ref_or_nothing(c->subject));
	member(w, "role", c->role ? c->role : "");
	member(w, "originator", originator);
	member(w, "from", origins[c->peer.origin]);
	member(w, "address", c->peer.address);
	member(w, "agent", c->peer.user_agent);
	member(w, "task", ref_or_nothing(c->task));
}

static void write_line(const struct xapi_call *c, const char *originator, const char *verdict,
	const char *outcome, struct sbuf *args)
{
	auto_sbuf line = {0};
	struct json_writer w;

	json_writer_init(&w, &line);
	json_write_object(&w);
	write_time(&w);
	member(&w, "verdict", verdict);
	member(&w, "outcome", outcome);
	member(&w, "call", c->name);
	json_write_name(&w, "args");
	if (sbuf_len(args) <= MAX_ARGS) {
		json_write_raw(&w, sbuf_data(args), sbuf_len(args));
	} else { /* as text, so that the line is JSON still */
		sbuf_truncate(args, MAX_ARGS);
		sbuf_adds(args, "…");
		json_write_string(&w, sbuf_str(args));
	}
	write_caller(&w, c, originator);
	json_write_object_end(&w);
	sbuf_addc(&line, '\n');
	audit_file_add(sbuf_data(&line), sbuf_len(&line));
}

static const char *verdict_on(const struct err *e)
{
	return is_refusal(e) ? "DENIED" : "ALLOWED";
}

static void write_call(const struct job *j, const char *verdict, const char *outcome)
{
	auto_sbuf args = {0};

	if (j->c.message->is_read_only)
		return;
	write_args(j, &args);
	write_line(&j->c, j->originator ? j->originator : "", verdict, outcome, &args);
}

void audit_begun(const struct job *j)
{
	write_call(j, "ALLOWED", "BEGUN");
}

void audit_ended(const struct job *j, const struct err *e)
{
	write_call(j, verdict_on(e), e ? e->code : "OK");
}

/* ---- what is no message ---- */

static bool is_audited(const struct gate_entry *entry)
{
	return !entry->role || strcmp(entry->role, READER) != 0;
}

static void write_request(const struct xapi_call *c, const struct gate_entry *entry,
	const char *verdict, const char *outcome)
{
	const struct session *s = session_find(c->session);
	auto_sbuf args = {0};

	write_query(entry->query ? entry->query : "", &args);
	write_line(c, s ? s->originator : "", verdict, outcome, &args);
}

void audit_request_begun(const struct xapi_call *c, const struct gate_entry *entry)
{
	if (is_audited(entry))
		write_request(c, entry, "ALLOWED", "BEGUN");
}

void audit_request_ended(
	const struct xapi_call *c, const struct gate_entry *entry, const struct err *e)
{
	if (is_audited(entry) || is_refusal(e))
		write_request(c, entry, verdict_on(e), e ? e->code : "OK");
}
