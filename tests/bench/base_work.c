/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of benches of whole daemons: what this machine does now with work of their kind, on two
 * CPUs at once. Two pairs of processes each send a line there and back over a socket, parse it,
 * dump it and replace a file with it. No code of the project.
 *
 *	base_work seconds|rate FOLDER
 *
 * Tells the seconds that it took, or such works a second.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 1150, LINE = 512, PAIRS = 2 };

static void must(int ok)
{
	if (!ok) {
		perror("base_work");
		exit(1);
	}
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_line(char line[LINE])
{
	int n = snprintf(line, LINE, "{\"jsonrpc\": \"2.0\", \"id\": 17, \"params\": {\"vm\": {");

	for (int i = 0; n < LINE - 40; i++)
		n += snprintf(line + n, (size_t)(LINE - n), "\"member_%d\": %d, ", i, i * 12345);
	n += snprintf(line + n, (size_t)(LINE - n), "\"z\": []}}}");
	memset(line + n, ' ', (size_t)(LINE - n));
}

static void get(int fd, char line[LINE])
{
	for (size_t n = 0; n < LINE;) {
		ssize_t got = read(fd, line + n, LINE - n);

		if (!got)
			exit(0);
		must(got > 0);
		n += (size_t)got;
	}
}

static void parse_and_dump(const char line[LINE])
{
	json_t *j = json_loadb(line, LINE, 0, NULL);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	must(text != NULL);
	free(text);
	json_decref(j);
}

static void replace_file(const char *path, const char line[LINE])
{
	char beside[512];

	snprintf(beside, sizeof(beside), "%s.new", path);
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, line, LINE) == LINE && !close(fd) && !rename(beside, path));
}

static void answer(int fd, const char *path)
{
	char line[LINE];

	for (;;) {
		get(fd, line);
		parse_and_dump(line);
		replace_file(path, line);
		must(write(fd, line, LINE) == LINE);
	}
}

static void ask(const char *folder, int i)
{
	char line[LINE], path[256];
	int fds[2];

	snprintf(path, sizeof(path), "%s/xenith-base-work-%d-%d", folder, (int)getpid(), i);
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	pid_t other = fork();
	must(other >= 0);
	close(fds[other ? 1 : 0]);
	if (!other)
		answer(fds[1], path);
	make_line(line);
	for (int k = 0; k < ROUNDS; k++) {
		must(write(fds[0], line, LINE) == LINE);
		get(fds[0], line);
		parse_and_dump(line);
	}
	close(fds[0]);
	waitpid(other, NULL, 0);
	unlink(path);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	double began = now_s();
	for (int i = 0; i < PAIRS; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid) {
			ask(argv[2], i);
			return 0;
		}
	}
	for (int status, i = 0; i < PAIRS; i++)
		must(wait(&status) > 0 && !status);
	double seconds = now_s() - began;
	printf("%g 0 0\n", strcmp(argv[1], "rate") ? seconds : 1 / seconds);
	return 0;
}
