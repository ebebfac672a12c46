/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where logins come from, and how often they failed there, so that guessing is slow: an address
 * (of IPv6, a network of 64 bits) that failed a few times has to wait between two attempts, longer
 * with each, and has only so many under way. Others do not wait for it. Fibers.
 */
#ifndef XENITH_XAPID_GATE_ORIGIN_H
#define XENITH_XAPID_GATE_ORIGIN_H

#include "common/err.h"

#define ORIGIN_AT_ONCE   4 /* attempts of one origin under way */
#define ORIGIN_FREE      3 /* failures that cost nothing, for those who mistype */
#define ORIGIN_WAIT_MS   500 /* after the first that counts; doubles */
#define ORIGIN_MOST_MS   8000 /* and no longer than this */
#define ORIGIN_PATIENCE  30 /* seconds that an attempt waits for its turn */
#define ORIGIN_QUEUE     64 /* attempts of one origin that wait or are under way */
#define ORIGIN_FORGIVEN  60 /* seconds after which one failure less counts */
#define ORIGIN_MOST_KEPT 4096

struct origin;

/* Waits until an attempt may begin; origin_leave ends it. *OUT is NULL where it may not: there are
 * too many, or the wait would be too long. */
MAY_WAIT must_check struct err *origin_enter(const char *address, struct origin **out);
void origin_leave(struct origin *o, bool has_failed);

void origins_stop(void);

#endif
