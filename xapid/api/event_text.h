/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events as they go out, in either form: what changed since a generation, each object once; first
 * what was made, then what was changed, then what was deleted.
 */
#ifndef XENITH_XAPID_API_EVENT_TEXT_H
#define XENITH_XAPID_API_EVENT_TEXT_H

#include "common/arena.h"
#include "common/shared.h"
#include "xapid/api/subscription.h"
#include "xapid/gate/gate.h"

/* What event.from answers. */
struct event_batch {
	const struct subscription *to;
	uint64_t since, newest; /* generations that the client has heard of, and now will have */
	enum gate_form form;
};

/* The events, how many objects of each class there are, and the token; the caller's to drop. */
struct shared *event_text_batch(const struct event_batch *batch);
const char *event_text_token(uint64_t at, struct arena *a);
/* The answer of event.next: the events alone. */
struct json_text event_text_list(
	const struct subscription *s, uint64_t since, enum gate_form form, struct arena *a);

#endif
