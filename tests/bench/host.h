/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemons of this build on a directory of their own, for benches of whole daemons, and what the
 * kernel counts of them. The directory is in memory where there is /dev/shm, as a host's run
 * directory is, but for who has it synced. Fibers; what goes wrong ends the program.
 */
#ifndef XENITH_TESTS_BENCH_HOST_H
#define XENITH_TESTS_BENCH_HOST_H

#include "common/dialect.h"
#include "common/err.h"
#include "common/rpc.h"

#include <sys/types.h>

/* Ends the program with the error; NULL is fine. */
void must(struct err *e);

/* Of hosts, and of what bases write: $BENCH_DIR, or a folder in memory if there is one. */
const char *host_folder(void);

/* A new one, in a folder. Its daemons log what is of this level ("error") into NAME.log there. */
void host_begin(const char *folder, const char *log_level);
/* Starts the daemon, whose name is constant, with the text as its configuration. */
MAY_WAIT void host_start(const char *daemon, const char *conf);
/* A new connection to a socket below the run directory, "xenopsd.sock". */
MAY_WAIT struct rpc_client *host_connect(const char *socket);
/* A path in the host's folder. */
const char *host_path(const char *name, struct arena *a);
/* Ends one that was started, with this signal. */
MAY_WAIT void host_stop(const char *daemon, int signum);
/* Ends the daemons, and the processes that they left. */
MAY_WAIT void host_end(void);

/* Those of xenopsd and its simulator. */
pid_t host_pid(const char *program);
/* "RssAnon", in KiB, "voluntary_ctxt_switches" of all threads; 0: no such line. */
long host_status(pid_t pid, const char *key);

#endif
