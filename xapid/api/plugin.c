/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plugins of a host: programs in the folder `plugins` of xapid.conf that clients run by name, as
 * those of the original are. A plugin has one argument, a call of XML-RPC whose method is the
 * function and whose parameters are the caller's session and the arguments, and prints the answer.
 * It runs as xapid's helper: it ends when its call does.
 */
#define LOG_MODULE "plugin"

#include "xapid/api/plugin.h"

#include "common/codec_xmlrpc.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/mem.h"
#include "xapid/api/script.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/xapid.h"

/* The program of this name; XENAPI_MISSING_PLUGIN. */
static struct err *find_plugin(const char *name, struct arena *a, const char **path)
{
	const char *dir = *xapid_conf.plugins
		? xapid_conf.plugins
		: arena_printf(a, "%s/plugins", daemon_paths()->libexec);

	*path = script_find(dir, name, a);
	if (*path)
		return NULL;
	return err(XENAPI_MISSING_PLUGIN, name);
}

/* ---- asking it ---- */

static char *call_text(struct call *c, const struct plugin_call *call)
{
	const char *session = call_session(c);
	auto_sbuf text = {0};

	codec_xmlrpc_begin_call(call->fn, &text);
	codec_xmlrpc_add_param(&type_string, &session, 0, &text);
	codec_xmlrpc_add_param(&type_map_string, &call->args, 0, &text);
	codec_xmlrpc_end_call(&text);
	return arena_strdup(c->arena, sbuf_str(&text));
}

static struct err *failed(const char *status, const struct proc_result *r)
{
	return err(XENAPI_PLUGIN_FAILURE, status, r->out, r->err);
}

/* What it said, or its own error. */
static struct err *read_answer(const struct proc_result *r, struct arena *a, const char **out)
{
	struct script_answer answer = {0};
	auto_err e = script_read(r, a, &answer);

	if (!e)
		TRY(script_error(&answer));
	if (!e)
		e = codec_decode(
			&type_string, "Value", answer.value.text, answer.value.len, a, out);
	return e ? failed("unexpected XMLRPC result", r) : NULL;
}

static MAY_WAIT struct err *run(const char *path, const char *text, struct proc_result *out)
{
	const struct proc_spec spec = {
		.argv = (const char *const[]){path, text, NULL},
		.cwd = "/",
		.max_output = SCRIPT_MAX_OUTPUT,
		.any_status = true,
	};

	return proc_run(&spec, out);
}

MAY_WAIT struct err *plugin_run(struct call *c, const struct plugin_call *call, const char **out)
{
	auto_proc_result r = {0};
	const char *path;

	TRY(find_plugin(call->plugin, c->arena, &path));
	log_info("plugin %s, function %s", call->plugin, call->fn);
	TRY(run(path, call_text(c, call), &r));
	if (r.status.signal)
		return failed(arena_printf(c->arena, "signal: %d", r.status.signal), &r);
	if (r.status.exit_code)
		return failed("non-zero exit", &r);
	return read_answer(&r, c->arena, out);
}

bool plugin_is_there(const char *name)
{
	auto_arena a = {0};
	const char *path;
	auto_err e = find_plugin(name, &a, &path);

	return !e;
}

MAY_WAIT struct err *xapi_host_call_plugin(
	struct call *c, const struct xenapi_host_call_plugin_in *in, const char **out)
{
	const struct plugin_call call = {in->plugin, in->fn, in->args};
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	return plugin_run(c, &call, out);
}
