/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit (audit.h). Secrets are masked, and what is long is cut.
 */
#define LOG_MODULE "audit"

#include "xapid/gate/audit.h"

#include "common/codec.h"
#include "common/log.h"

#define MAX_ARGS 1024

static void write_args(const struct job *j, struct sbuf *out)
{
	const struct message *m = j->c.message;
	struct json_writer w;

	json_writer_init(&w, out);
	if (m->method) {
		if (j->in)
			codec_write(m->method->in, j->in, CODEC_MASK_SECRETS, &w);
	} else {
		json_write_array(&w);
		for (size_t i = 0; i < m->n_args && j->args[i]; i++)
			codec_write(m->args[i], j->args[i], CODEC_MASK_SECRETS, &w);
		json_write_array_end(&w);
	}
	if (sbuf_len(out) > MAX_ARGS) {
		sbuf_truncate(out, MAX_ARGS);
		sbuf_adds(out, "…");
	}
}

void audit(const struct job *j, const struct err *e)
{
	static const char *const origins[] = {
		[GATE_TCP] = "tcp", [GATE_TLS] = "tls", [GATE_UNIX] = "unix"};
	auto_sbuf args = {0};

	if (j->c.message->is_read_only)
		return;
	write_args(j, &args);
	log_info("%s user='%s' from=%s:%s task=%s result=%s args=%s", j->c.name, j->c.user,
		origins[j->c.peer.origin], j->c.peer.address, j->c.task, e ? e->code : "ok",
		sbuf_str(&args));
}
