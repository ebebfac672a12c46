/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs of `xenith` on a private directory, each in a file of its name; units.c has those on
 * the installed system. Each returns the exit status.
 */
#ifndef XENITH_PACKAGING_XENITH_VERBS_H
#define XENITH_PACKAGING_XENITH_VERBS_H

#include "packaging/xenith/options.h"

/* Each does what its verb says and returns the exit code of the program. */
int verb_up(const struct options *o);
int verb_down(const struct options *o);
int verb_status(const struct options *o);
int verb_restart(const struct options *o);
int verb_logs(const struct options *o);
int verb_console(const struct options *o);
int verb_supervise(const struct options *o);

/* The same verb by systemd, on xenith.target and its services. */
int units_run(const struct options *o);

#endif
