/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of VMs that cannot be read when xenopsd starts. One is renamed to NAME.damaged, for whoever
 * can make something of it, and told of in the log and by diagnostics; everything else is served:
 *
 * - "config": the VM is not there until it is added again; then its devices and its state are as
 *   they were.
 * - "state": the backend tells whether the VM is up; what is half there is put right.
 * - a device: the VM is there without it until it is added again.
 *
 * Loop thread.
 */
#ifndef XENITH_XENOPSD_DAMAGE_H
#define XENITH_XENOPSD_DAMAGE_H

#include "common/err.h"
#include "common/json.h"

#define DAMAGE_SUFFIX ".damaged"

/* Takes WHY. */
void damage_put_aside(const char *dir, const char *name, struct err *why);
/* Whether NAME is that of a file that was put aside. */
bool damage_is_aside(const char *name);
/* It was, before this start. */
void damage_note(const char *dir, const char *name);
/* For diagnostics: the files that were put aside and are there, each with what is wrong. */
void damage_dump(struct json_writer *w);
void damage_free(void);

#endif
