/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs' connection to the supervisor of a private directory.
 */
#ifndef XENITH_PACKAGING_XENITH_REMOTE_H
#define XENITH_PACKAGING_XENITH_REMOTE_H

#include "common/dialect.h"
#include "common/err.h"
#include "packaging/xenith/options.h"

struct rpc_client;

typedef MAY_WAIT struct err *(*remote_fn)(struct rpc_client *c, const struct options *o);

/* Runs FN in a fiber with a client of D's supervisor (it connects at the first call); prints an
 * error; returns the exit status. */
int remote_run(const struct options *o, remote_fn fn);

/* The same with the daemon whose socket PATH is. */
int remote_run_at(const char *path, const struct options *o, remote_fn fn);

/* D's socket of the supervisor; from malloc. */
char *remote_socket(const char *dir);

/* Whether somebody listens there. */
bool remote_is_up(const char *dir);

#endif
