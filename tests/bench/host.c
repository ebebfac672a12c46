/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts for benches (host.h).
 */
#include "tests/bench/host.h"

#include "common/arena.h"
#include "common/clock.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/log.h"
#include "common/proc.h"
#include "core.gen.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DAEMONS = 5, WAIT_S = 60 };

static char dir[64];
static char run_dir[64]; /* what dir/run leads to, or "" */
static const char *level; /* of the daemons' logs */
static struct {
	const char *name; /* borrowed */
	struct proc *proc;
} daemons[MAX_DAEMONS];
static size_t n_daemons;

void must(struct err *e)
{
	if (!e)
		return;
	fprintf(stderr, "%s\n", err_text(e));
	abort();
}

static void must_sys(bool ok, const char *what)
{
	if (!ok)
		must(err_errno(errno, "%s", what));
}

const char *host_folder(void)
{
	const char *wanted = getenv("BENCH_DIR");

	if (wanted)
		return wanted;
	return access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
}

/* As on a host, where /run is in memory wherever the rest is. */
static void make_run(const char *folder)
{
	auto_arena a = {0};
	const char *memory = "/dev/shm";

	run_dir[0] = 0;
	if (!strcmp(folder, memory) || access(memory, W_OK))
		return;
	snprintf(run_dir, sizeof(run_dir), "%s/xenith-bench-XXXXXX", memory);
	must_sys(mkdtemp(run_dir) && !chmod(run_dir, 0755), "making a folder");
	must_sys(!symlink(run_dir, arena_printf(&a, "%s/run", dir)), "making a link");
}

void host_begin(const char *folder, const char *log_level)
{
	auto_arena a = {0};

	level = log_level;
	log_set_level(NULL, LOG_ERROR_); /* not of turns that scan /proc */
	snprintf(dir, sizeof(dir), "%s/xenith-bench-XXXXXX", folder);
	must_sys(mkdtemp(dir), "making a folder");
	must_sys(!mkdir(arena_printf(&a, "%s/etc", dir), 0755), "making a folder");
	make_run(folder);
}

void host_start(const char *daemon, const char *conf)
{
	auto_arena a = {0};
	const char *program = arena_printf(&a, "build/bin/%s", daemon);
	const char *argv[] = {program, "--dir", dir, "--log-level", level, NULL};
	const char *log = arena_printf(&a, "%s/%s.log", dir, daemon);
	auto_fd log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	const struct proc_spec spec = {.argv = argv, .log_fd = log_fd};

	must_sys(log_fd >= 0, log);
	must(file_store(
		arena_printf(&a, "%s/etc/%s.conf", dir, daemon), conf, strlen(conf), 0644, 0));
	assert(n_daemons < MAX_DAEMONS);
	daemons[n_daemons].name = daemon;
	must(proc_start(&daemons[n_daemons++].proc, &spec, 0));
	rpc_client_free(host_connect(arena_printf(&a, "%s.sock", daemon)));
}

struct rpc_client *host_connect(const char *socket)
{
	auto_arena a = {0};
	struct rpc_client *c = rpc_client_new(arena_printf(&a, "%s/run/%s", dir, socket), NULL);
	int64_t deadline = deadline_in(WAIT_S * NS_PER_S);

	for (;;) { /* it may still be starting */
		struct err *e = rpc_client_connect(c, deadline);

		if (!err_is(e, &ERR_CONNECTION_REFUSED) || clock_mono_ns() > deadline) {
			must(e);
			return c;
		}
		err_free(e);
		must(fiber_sleep(NS_PER_MS));
	}
}

const char *host_path(const char *name, struct arena *a)
{
	return arena_printf(a, "%s/%s", dir, name);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

void host_stop(const char *daemon, int signum)
{
	size_t i = 0;

	while (strcmp(daemons[i].name, daemon) != 0)
		i++;
	struct proc *p = daemons[i].proc;
	daemons[i] = daemons[--n_daemons];
	proc_signal(p, signum);
	must(proc_wait(p, NEVER, NULL));
	proc_free(p);
}

void host_end(void)
{
	pid_t simulator = host_pid("xenopsd-simulator");

	while (n_daemons)
		host_stop(daemons[n_daemons - 1].name, SIGKILL);
	if (simulator)
		kill(simulator, SIGKILL);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (*run_dir)
		nftw(run_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- what the kernel says ---- */

/* Whether the process runs this program on our directory. */
static bool is_ours(pid_t pid, const char *program)
{
	char path[64], line[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	f = fopen(path, "re");
	size_t n = f ? fread(line, 1, sizeof(line) - 1, f) : 0;
	if (f)
		fclose(f);
	const char *name = strrchr(line, '/');
	return name && !strcmp(name + 1, program) && memmem(line, n, dir, strlen(dir));
}

pid_t host_pid(const char *program)
{
	DIR *d = opendir("/proc");
	pid_t found = 0;

	for (struct dirent *entry; d && !found && (entry = readdir(d));) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && is_ours(pid, program))
			found = pid;
	}
	if (d)
		closedir(d);
	return found;
}

static long value_in(const char *path, const char *key)
{
	char line[256];
	long value = 0;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = strtol(line + strlen(key) + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

long host_status(pid_t pid, const char *key)
{
	auto_arena a = {0};
	const char *tasks = arena_printf(&a, "/proc/%d/task", (int)pid);
	DIR *d = opendir(tasks);
	long sum = 0;

	if (!strncmp(key, "Rss", 3)) {
		if (d)
			closedir(d);
		return value_in(arena_printf(&a, "/proc/%d/status", (int)pid), key);
	}
	for (struct dirent *entry; d && (entry = readdir(d));)
		sum += value_in(arena_printf(&a, "%s/%s/status", tasks, entry->d_name), key);
	if (d)
		closedir(d);
	return sum;
}
