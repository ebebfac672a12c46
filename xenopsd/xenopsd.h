/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all of xenopsd knows of each other: its backend, and where its files are. The VMs are in
 * vm.h. Only fibers touch it.
 */
#ifndef XENITH_XENOPSD_XENOPSD_H
#define XENITH_XENOPSD_XENOPSD_H

#include "common/err.h"

struct backend_ops;

struct xenopsd {
	const struct backend_ops *backend;
	char *dir; /* owned; RUN/xenopsd/BACKEND: the VMs' files, and the backend's */
};

extern struct xenopsd xenopsd;

/* xenopsd.conf. */
struct xenopsd_conf {
	int backend; /* of the names in main.c */
	int64_t workers;
	char *hooks; /* the folder of the hooks; "": hooks, in libexec */
	int64_t hook_timeout_ns;
	char *coredumps; /* the folder of what crashed guests had in memory; "": in state */
	int64_t reboot_delay_ns;
	int64_t short_run_ns; /* 0: the backend's */
};

extern struct xenopsd_conf xenopsd_conf;

/* The folder of the running program, without a slash at the end; to be freed. */
char *program_folder(void);

/* Loads the shared object of this name; it stays until the process ends. CONFIGURATION_INVALID
 * when there is none, or it is of another build. */
must_check struct err *backend_load(const char *name, const struct backend_ops **out);

#endif
