/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A qemu-nbd for one image (nbd.h). Its socket lies in the run directory, which it gets as a
 * descriptor, since a path there may be longer than the address of a socket.
 */
#define LOG_MODULE "nbd"
#include "smd/nbd.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/proc.h"
#include "core.gen.h"
#include "smd/backend.h"
#include "smd/smd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#define READY_WITHIN (30 * NS_PER_S)
#define LOOK_EACH    (5 * NS_PER_MS)
#define TELL_EACH    (100 * NS_PER_MS)
#define GRACE        (60 * NS_PER_S) /* what was written may have to reach a slow disk */

struct nbd_server {
	struct proc *proc;
	char *socket;
};

static struct err *start(
	struct nbd_server *s, const struct storage_image_file *image, bool writes, unsigned number)
{
	auto_str socket_arg = xasprintf("--socket=/proc/self/fd/3/nbd-%u", number);
	auto_str format_arg = xasprintf("--format=%s", image->format);
	auto_fd run_fd = open(daemon_paths()->run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *argv[] = {smd_conf.qemu_nbd, "--persistent", "--shared=4", "--discard=unmap",
		"--detect-zeroes=unmap", socket_arg, format_arg, image->path,
		writes ? NULL : "--read-only", NULL};
	const struct proc_spec spec = {
		.argv = argv, .log_fd = STDERR_FILENO, .fds = &run_fd, .n_fds = 1};

	if (run_fd < 0)
		return err_errno(errno, "opening %s", daemon_paths()->run);
	int r = file_remove(s->socket, 0);
	if (r < 0)
		return err_errno(-r, "removing %s", s->socket);
	return proc_start(&s->proc, &spec, 0);
}

/* Until it listens. It says nothing when it does, but it ends when it cannot. */
static MAY_WAIT struct err *await_socket(struct nbd_server *s)
{
	int64_t until = deadline_in(READY_WITHIN);
	char text[PROC_STATUS_SIZE];
	struct proc_status status;

	for (;;) {
		auto_fd fd = -1;

		if (unix_connect(s->socket, &fd) == 0)
			return NULL;
		auto_err e = proc_wait(s->proc, deadline_in(LOOK_EACH), &status);
		if (!e)
			return backend_error(FAULT_VDI_ATTACH, "%s ended (%s)", smd_conf.qemu_nbd,
				proc_status_text(status, text));
		if (!err_is(e, &ERR_TIMEOUT) || clock_mono_ns() > until)
			return take(e);
	}
}

MAY_WAIT struct err *nbd_start(
	struct nbd_server **out, const struct storage_image_file *image, bool writes)
{
	static unsigned last;
	struct nbd_server *s = xnew(struct nbd_server);
	unsigned number = ++last;

	s->socket = xasprintf("%s/nbd-%u", daemon_paths()->run, number);
	struct err *e = start(s, image, writes, number);
	if (!e)
		e = await_socket(s);
	if (e) {
		nbd_stop(s);
		return e;
	}
	log_info("%s is served at %s", image->path, s->socket);
	*out = s;
	return NULL;
}

/* qemu-nbd listens before it minds SIGTERM: one that comes in between is lost, so it is told
 * again. */
static MAY_WAIT void end(struct proc *p)
{
	int64_t until = deadline_in(GRACE);
	bool is_there = true;
	struct proc_status status;

	fiber_cancel_mask();
	while (is_there && clock_mono_ns() < until) {
		proc_signal(p, SIGTERM);
		auto_err e = proc_wait(p, deadline_in(TELL_EACH), &status);
		is_there = err_is(e, &ERR_TIMEOUT);
	}
	fiber_cancel_unmask();
	proc_stop(p, 0);
}

MAY_WAIT void nbd_stop(struct nbd_server *s)
{
	if (s && s->proc)
		end(s->proc);
	nbd_free(s);
}

void nbd_free(struct nbd_server *s)
{
	if (!s)
		return;
	proc_free(s->proc);
	unlink(s->socket);
	free(s->socket);
	free(s);
}

const char *nbd_socket(const struct nbd_server *s)
{
	return s->socket;
}

bool nbd_has_ended(const struct nbd_server *s)
{
	return s->proc->has_ended;
}
