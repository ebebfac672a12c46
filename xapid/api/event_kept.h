/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers of event.from that others may get too: many clients wait for the same, and a change is
 * written down for the first of them alone. An answer is good until the next change.
 */
#ifndef XENITH_XAPID_API_EVENT_KEPT_H
#define XENITH_XAPID_API_EVENT_KEPT_H

#include "xapid/api/event_text.h"

/* The caller's to drop; NULL: there is none. */
struct shared *event_kept_find(const struct event_batch *batch);
/* Who has heard of more than the batch's client, but of no change from UNTIL on, is told the same.
 */
void event_kept_add(const struct event_batch *batch, uint64_t until, struct shared *text);
/* At the daemon's end. */
void event_kept_forget(void);

#endif
