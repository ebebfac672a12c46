/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the launcher writes for others: D/env, shell lines for scripts and tests, and a file of
 * settings for a daemon that takes its options.
 */
#include "common/file.h"
#include "common/mem.h"
#include "common/proc.h"
#include "common/sbuf.h"
#include "core.gen.h"
#include "packaging/xenith/supervisor.h"

#include <ctype.h>
#include <string.h>

/* 'text' as a shell takes it literally. */
static void add_quoted(struct sbuf *b, const char *text)
{
	sbuf_addc(b, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			sbuf_adds(b, "'\\''");
		else
			sbuf_addc(b, *text);
	}
	sbuf_adds(b, "'\n");
}

static void add_variable(struct sbuf *b, const char *name, const char *suffix, const char *value)
{
	for (; *name; name++)
		sbuf_addc(b,
			isalnum((unsigned char)*name) ? (char)toupper((unsigned char)*name) : '_');
	sbuf_printf(b, "%s=", suffix);
	add_quoted(b, value);
}

static void add_member(struct sbuf *b, const struct member *member)
{
	add_variable(b, member->name, "_SOCKET", member->socket_path);
	if (member->proc) {
		auto_str pid = xasprintf("%d", (int)member->proc->pid);

		add_variable(b, member->name, "_PID", pid);
	}
}

struct err *env_file_write(void)
{
	const struct options *o = supervisor.options;
	auto_str path = xasprintf("%s/env", o->dir);
	auto_sbuf b = {0};

	add_variable(&b, "XENITH", "_DIR", o->dir);
	add_variable(&b, "XENITH", "_BACKEND", o->backend);
	if (member_find("xapid")) {
		auto_str url = xasprintf("http://%s:%ld", o->address, o->port);

		add_variable(&b, "XAPI", "_URL", url);
		add_variable(&b, "XAPI", "_USER", "root");
		if (supervisor.password)
			add_variable(&b, "XAPI", "_PASSWORD", supervisor.password);
	}
	list_for_each (member, &supervisor.members, struct member, link)
		add_member(&b, member);
	int r = file_write(path, sbuf_data(&b), sbuf_len(&b), 0600, 0);
	return r < 0 ? err_errno(-r, "writing %s", path) : NULL;
}

/* The kernel's network is root's, and a stack that simulates leaves it alone. */
const char *network_backend(const struct options *o)
{
	if (o->network)
		return o->network;
	return geteuid() != 0 || !strcmp(o->backend, "simulator") ? "simulator" : "kernel";
}

struct err *member_conf_write(const char *name)
{
	const struct options *o = supervisor.options;
	auto_str dir = xasprintf("%s/etc/%s.conf.d", o->dir, name);
	auto_str path = xasprintf("%s/50-launcher.conf", dir);
	auto_sbuf b = {0};

	sbuf_adds(&b, "# Written by `xenith up` from its options, anew each time.\n");
	if (!strcmp(name, "xapid"))
		sbuf_printf(&b,
			"address = %s\nport = %ld\ntls_port = %ld\nauth = file\nlogs = %s/log\n",
			o->address, o->port, o->tls_port, o->dir);
	else if (!strcmp(name, "xenopsd"))
		sbuf_printf(&b, "backend = %s\n", o->backend);
	else if (!strcmp(name, "networkd"))
		sbuf_printf(&b, "backend = %s\n", network_backend(o));
	else
		return NULL;
	int r = dir_make(dir, 0750);
	if (r == 0)
		r = file_write(path, sbuf_data(&b), sbuf_len(&b), 0640, 0);
	return r < 0 ? err_errno(-r, "writing %s", path) : NULL;
}
