/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `xenith console VM`: this terminal as the text console of a VM that runs. xenopsd says where the
 * console is; then the bytes go both ways as they are, without any daemon, until Ctrl-], the end
 * of the console or a signal. A plain loop: no fibers any more by then.
 */
#include "common/arena.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/listen.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "packaging/xenith/remote.h"
#include "packaging/xenith/verbs.h"
#include "xenops.gen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>

#define LEAVE       0x1d /* Ctrl-] */
#define WITHIN      (30 * NS_PER_S)
#define INSTALLED   "/run/xenith/xenopsd.sock"
#define PIECE_BYTES 65536

static char *console_path; /* owned; what the fiber has found */

/* ---- where it is ---- */

static struct err *find_vm(
	const struct xenops_vm_stat_list *all, const char *name, const struct xenops_vm_stat **out)
{
	unsigned n = 0;

	*out = NULL;
	for (size_t i = 0; i < all->n; i++) {
		const struct xenops_vm_stat *s = &all->v[i];

		if (!strcmp(s->vm.vm, name)) {
			*out = s;
			return NULL;
		}
		if (!strcmp(s->vm.name, name) && s->state.consoles.n) {
			*out = s;
			n++;
		}
	}
	if (n > 1)
		return err(INVALID_VALUE, "VM", "several that run are called so; give the uuid");
	return n ? NULL : err(Does_not_exist, "VM that runs", name);
}

static MAY_WAIT struct err *find_console(struct rpc_client *c, const struct options *o)
{
	auto_arena a = {0};
	struct xenops_vm_stat_list all;
	const struct xenops_vm_stat *vm;

	TRY(xenops_vm_list(c, &a, &all, deadline_in(WITHIN)));
	TRY(find_vm(&all, o->operand, &vm));
	for (size_t i = 0; i < vm->state.consoles.n; i++) {
		const struct xenops_console *console = &vm->state.consoles.v[i];

		if (console->protocol == XENOPS_CONSOLE_PROTOCOL_VT100 && console->path) {
			console_path = xstrdup(console->path);
			return NULL;
		}
	}
	return err(Does_not_exist, "text console of VM", o->operand);
}

/* A Unix socket, or a terminal of this host. */
static int open_console(const char *path, int *fd)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISSOCK(st.st_mode))
		return unix_connect(path, fd);
	*fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/* ---- both ways ---- */

static volatile sig_atomic_t is_signalled;

static void on_signal(int signum)
{
	is_signalled = 1;
}

/* Each byte as it is typed, and nothing shown that the guest does not say. */
static void make_raw(const struct termios *before)
{
	struct termios raw = *before;

	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* All of it, to a console that may be slow. 0 or -errno. */
static int put(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(fd, bytes, n);

		if (done >= 0) {
			bytes += done;
			n -= (size_t)done;
		} else if (errno == EAGAIN) {
			struct pollfd one = {fd, POLLOUT, 0};

			poll(&one, 1, -1); /* lint: a plain program, there is no loop here */
		} else if (errno != EINTR || is_signalled) {
			return -errno;
		}
	}
	return 0;
}

/* What was typed. False: the user leaves. */
static bool send_typed(struct pollfd *in, int console, bool is_terminal)
{
	char bytes[PIECE_BYTES];
	ssize_t n = read(in->fd, bytes, sizeof(bytes));
	const char *leave = n > 0 && is_terminal ? memchr(bytes, LEAVE, (size_t)n) : NULL;

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		in->fd = -1; /* nothing more is typed; what the guest says is still shown */
	if (leave)
		n = leave - bytes;
	return (n <= 0 || put(console, bytes, (size_t)n) == 0) && !leave;
}

/* What the guest said. False: the console has ended. */
static bool show_said(int console)
{
	char bytes[PIECE_BYTES];
	ssize_t n = read(console, bytes, sizeof(bytes));

	if (n > 0)
		return write_all(STDOUT_FILENO, bytes, (size_t)n) == 0;
	return n < 0 && (errno == EINTR || errno == EAGAIN);
}

static void relay(int console, bool is_terminal)
{
	struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {console, POLLIN, 0}};
	bool goes_on = true;

	while (goes_on && !is_signalled) {
		/* lint: a plain program, there is no loop here */
		if (poll(fds, ARRAY_LEN(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			goes_on = show_said(console);
		if (goes_on && fds[0].fd >= 0 && fds[0].revents)
			goes_on = send_typed(&fds[0], console, is_terminal);
	}
}

static void converse(int console, const char *name)
{
	const struct sigaction action = {.sa_handler = on_signal};
	struct termios before;
	bool is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	if (is_terminal) {
		fprintf(stderr, "The console of %s. Enter wakes it, Ctrl-] leaves it.\n", name);
		make_raw(&before);
	}
	relay(console, is_terminal);
	if (is_terminal) {
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
		fprintf(stderr, "\nLeft the console of %s.\n", name);
	}
}

int verb_console(const struct options *o)
{
	auto_str socket = o->dir ? xasprintf("%s/run/xenopsd.sock", o->dir) : xstrdup(INSTALLED);
	int status = remote_run_at(socket, o, find_console);
	auto_str path = take(console_path);
	auto_fd fd = -1;

	if (status != EXIT_OK)
		return status;
	int r = open_console(path, &fd);
	if (r < 0) {
		fprintf(stderr, "xenith: %s: %s\n", path, strerrordesc_np(-r));
		return EXIT_FAILED;
	}
	converse(fd, o->operand);
	return EXIT_OK;
}
