/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All state of the supervisor that `xenith up` leaves behind: the daemons of one private directory.
 * Loop thread only.
 */
#ifndef XENITH_PACKAGING_XENITH_SUPERVISOR_H
#define XENITH_PACKAGING_XENITH_SUPERVISOR_H

#include "common/dialect.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "packaging/xenith/options.h"

#include "launcher.gen.h"

struct proc;

/* One daemon. A fiber of its own starts it, waits for its end and starts it again (member.c). */
struct member {
	struct list link;
	char *name;
	char *program;
	char *socket_path;
	char *log_path;
	enum launcher_daemon_state state;
	struct proc *proc; /* NULL while none runs */
	int64_t since_s;
	int64_t restarts;
	uint64_t starts; /* counts each start, asked for or not */
	bool has_failed_to_start; /* the last start ended before it was ready */
	bool is_restart_asked;
	char last_end[96];
};

struct supervisor {
	const struct options *options;
	struct list members;
	struct cond changed; /* the state of some member */
	bool is_stopping;
	char *password; /* of root, for clients; NULL: there is no xapid */
	char *notify_path;
	int notify_fd;
};

extern struct supervisor supervisor;

/* ---- member.c ---- */

/* Where the daemon of this name lies: beside the running program. From malloc. */
char *member_program(const char *name);
must_check struct err *member_add(const char *program);
void member_free(struct member *member);
struct member *member_find(const char *name);
/* Runs the member until the stack stops: a fiber. */
MAY_WAIT void member_fiber(void *arg);
/* Some member has said that it is ready. */
void member_is_ready(pid_t pid);
void member_signal(struct member *member, int signum);
/* Waits until the member is ready in a start after START; DAEMON_FAILED when that start fails. */
MAY_WAIT must_check struct err *member_wait_ready(struct member *member, uint64_t start);

/* ---- supervisor.c ---- */

/* Ends every member; returns when all have ended. */
MAY_WAIT void supervisor_stop(void);
/* To be called when something that D/env tells has changed. */
void supervisor_changed(void);

/* ---- account.c ---- */

/* Chooses the password, and writes xapid's accounts. */
must_check struct err *account_write(void);

/* ---- env_file.c ---- */

/* Writes D/env. */
must_check struct err *env_file_write(void);
/* What networkd works on: "kernel" or "simulator". */
const char *network_backend(const struct options *o);
/* Hands the launcher's options to the daemons: NAME.conf.d/50-launcher.conf. */
must_check struct err *member_conf_write(const char *name);

#endif
