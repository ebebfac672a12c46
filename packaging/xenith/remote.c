/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs one verb in a fiber, connected to the supervisor (remote.h).
 */
#include "packaging/xenith/remote.h"

#include "common/fiber.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct run {
	const struct options *options;
	const char *path;
	remote_fn fn;
	int status;
};

char *remote_socket(const char *dir)
{
	return xasprintf("%s/run/xenith.sock", dir);
}

bool remote_is_up(const char *dir)
{
	auto_str path = remote_socket(dir);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sa.sun_path))
		return false;
	memcpy(sa.sun_path, path, strlen(path));
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

static int say(const struct options *o, struct err *e)
{
	if (err_is(e, &ERR_CONNECTION_REFUSED)) {
		fprintf(stderr, "xenith: nothing runs %s%s\n", o->dir ? "in " : "here",
			o->dir ? o->dir : "");
		return EXIT_NOT_RUNNING;
	}
	fprintf(stderr, "xenith: %s: %s\n", o->verb, err_text(e));
	return EXIT_FAILED;
}

static MAY_WAIT void run_fiber(void *arg)
{
	struct run *run = arg;
	struct rpc_client *c = rpc_client_new(run->path, NULL);
	auto_err e = run->fn(c, run->options);

	if (e)
		run->status = say(run->options, e);
	rpc_client_free(c);
	loop_stop();
}

int remote_run(const struct options *o, remote_fn fn)
{
	auto_str path = remote_socket(o->dir);

	return remote_run_at(path, o, fn);
}

int remote_run_at(const char *path, const struct options *o, remote_fn fn)
{
	struct run run = {.options = o, .path = path, .fn = fn, .status = EXIT_OK};

	loop_init();
	auto_err e = fiber_spawn(NULL, run_fiber, &run, "%s", o->verb);
	if (e)
		return say(o, e);
	loop_run(NS_PER_S);
	loop_fini();
	return run.status;
}
