/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `console`: the terminal becomes that of the guest. What is typed goes there key by key, ^C and ^Z
 * too; ^] leaves. Input that is no terminal may end, and what the guest says is still shown.
 */
#include "common/fiber.h"
#include "common/listen.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xenopsd/cli/cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>

#define LEAVE      0x1d /* ^] */
#define BLOCK      4096
#define MAX_UNSENT (64 * 1024)

struct session {
	struct stream *guest; /* owned */
	struct fiber_group group;
	struct termios before;
	bool is_terminal; /* what is typed on, made raw */
	bool is_over; /* one side has ended it */
};

/* ---- the guest's side ---- */

static int connect_port(int64_t port, int *fd)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	if (connect(*fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return 0;
	int r = -errno;
	close(*fd);
	return r;
}

/* A Unix socket, or a terminal. */
static int open_path(const char *path, int *fd)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (S_ISSOCK(st.st_mode))
		return unix_connect(path, fd);
	*fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

static struct err *open_console(const struct xenops_console *c, struct stream **out)
{
	int fd, r;

	if (c->path)
		r = open_path(c->path, &fd);
	else
		r = c->port ? connect_port(*c->port, &fd) : -ENOENT;
	if (r)
		return err_errno(-r, "opening the console %s", c->path ? c->path : "on its port");
	*out = stream_new(fd);
	return NULL;
}

static MAY_WAIT struct err *find_console(struct cli *cli, const char *vm, struct stream **out)
{
	const struct xenops_vm_stat_in in = {vm};
	struct xenops_vm_stat stat;

	TRY(xenops_vm_stat(cli_client(cli), &in, cli_arena(cli), &stat, cli_deadline(cli)));
	for (size_t i = 0; i < stat.state.consoles.n; i++)
		if (stat.state.consoles.v[i].protocol == XENOPS_CONSOLE_PROTOCOL_VT100)
			return open_console(&stat.state.consoles.v[i], out);
	return err(Does_not_exist, "text console", vm);
}

/* ---- there and back ---- */

static void end(struct session *s)
{
	s->is_over = true;
	fiber_group_cancel(&s->group);
}

static void show(const char *bytes, size_t n)
{
	fwrite(bytes, 1, n, stdout);
	fflush(stdout);
}

/* A terminal whose other side has gone gives an error, not an end. */
static MAY_WAIT struct err *from_guest(void *arg)
{
	struct session *s = arg;
	struct sbuf *in = stream_in(s->guest);

	for (;;) {
		bool is_end = false;
		struct err *e = stream_fill(s->guest, BLOCK, &is_end, NEVER);

		show(sbuf_data(in), sbuf_len(in));
		sbuf_consume(in, sbuf_len(in));
		if (!e && !is_end)
			continue;
		if (is_end || stream_broken(s->guest))
			end(s);
		return e;
	}
}

/* Whether one can wait for it: files are always ready, and cannot be waited for. */
static bool is_waited_for(int fd)
{
	struct stat st;

	return isatty(fd) ||
		(fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)));
}

/* N is 0 at the end. */
static MAY_WAIT struct err *read_keys(char *block, ssize_t *n)
{
	if (is_waited_for(STDIN_FILENO))
		TRY(fiber_wait_fd(STDIN_FILENO, FD_READABLE, "keys", NEVER));
	*n = read(STDIN_FILENO, block, BLOCK);
	return *n < 0 ? err_errno(errno, "reading what is typed") : NULL;
}

static MAY_WAIT struct err *send_keys(struct session *s, const char *keys, size_t n)
{
	sbuf_add(stream_out(s->guest), keys, n);
	stream_flush_later(s->guest);
	return stream_drain(s->guest, MAX_UNSENT, NEVER);
}

static MAY_WAIT struct err *from_user(void *arg)
{
	struct session *s = arg;

	for (;;) {
		char keys[BLOCK];
		ssize_t n;

		TRY(read_keys(keys, &n));
		const char *leave = n && s->is_terminal ? memchr(keys, LEAVE, (size_t)n) : NULL;
		TRY(send_keys(s, keys, leave ? (size_t)(leave - keys) : (size_t)n));
		if (leave || (!n && s->is_terminal))
			end(s);
		if (leave || !n)
			return NULL;
	}
}

/* ---- the terminal ---- */

static void make_raw(struct session *s, const char *name)
{
	struct termios raw;

	s->is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &s->before) == 0;
	if (!s->is_terminal)
		return;
	fprintf(stderr, "The console of %s; ^] leaves it.\n", name);
	raw = s->before;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static void make_as_before(const struct session *s)
{
	if (!s->is_terminal)
		return;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
	fputc('\n', stderr);
}

static MAY_WAIT struct err *converse(struct session *s)
{
	fiber_group_init(&s->group);
	struct err *e = fiber_group_spawn(&s->group, from_guest, s, "from the guest");

	if (!e)
		e = fiber_group_spawn(&s->group, from_user, s, "from the user");
	if (e)
		fiber_group_cancel(&s->group);
	struct err *waited = fiber_group_wait(&s->group);
	if (!e)
		return waited;
	err_free(waited);
	return e;
}

MAY_WAIT struct err *run_console(struct cli *cli, int argc, char **argv)
{
	struct session s = {0};
	const char *vm;

	TRY(vm_argument(cli, argc, argv, 1, &vm));
	TRY(find_console(cli, vm, &s.guest));
	make_raw(&s, argv[0]);
	struct err *e = converse(&s);
	make_as_before(&s);
	stream_flush_now(s.guest);
	stream_free(s.guest);
	if (!s.is_over && !cli_is_interrupted(cli))
		return e;
	err_free(e);
	return NULL;
}
