/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of the calls of bench_xapid: libevent's HTTP server, which looks at nothing, answers the
 * same request with the same bytes. No code of the project.
 *
 *	base_evhttp CONNECTIONS
 */
#include "tests/bench/bare_evhttp.h"
#include "tests/bench/bare_http.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { ALONE = 20000, TOGETHER = 60000 };

int main(int argc, char **argv)
{
	struct bare_load load = {0};
	struct bare_figures f;
	pid_t server;

	if (argc != 2)
		return 2;
	load.n_conns = (unsigned)strtoul(argv[1], NULL, 10);
	load.n = load.n_conns > 1 ? TOGETHER : ALONE;
	load.request = bare_http_post(bare_hello_body, &load.len);
	load.port = bare_evhttp_start(&server);
	bare_http_load(&load, &f);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	printf("%g %g %g\n", f.rate, f.p50, f.p99);
	return 0;
}
