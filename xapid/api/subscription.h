/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client wants to hear of: classes ("vm", in any case), single objects ("vm/OpaqueRef:…"),
 * or everything ("*").
 */
#ifndef XENITH_XAPID_API_SUBSCRIPTION_H
#define XENITH_XAPID_API_SUBSCRIPTION_H

#include "common/err.h"
#include "common/schema.h"
#include "common/vec.h"

struct subscription_to {
	const struct class *class;
	const char *ref; /* NULL: all of the class; borrowed from what was read */
};

/* A zeroed one is to nothing. */
struct subscription {
	bool is_to_all;
	vec_of(struct subscription_to) to;
};

/* EVENT_SUBSCRIPTION_PARSE_FAILURE. A class that is not there is no error: nothing comes of it. OUT
 * begins anew; it borrows the texts. */
must_check struct err *subscription_read(
	const struct string_list *classes, struct subscription *out);
void subscription_fini(struct subscription *s);

/* Whether a change of the object is told. */
bool subscription_has(const struct subscription *s, const struct class *class, const char *ref);
/* Whether both are to the same, named in the same order. */
bool subscription_is_same(const struct subscription *s, const struct subscription *other);
/* With copies of the texts, which subscription_drop_copy frees too. */
void subscription_copy(const struct subscription *from, struct subscription *out);
void subscription_drop_copy(struct subscription *s);

/* Whether there is anything to tell to who has heard of all up to the generation SINCE; up to SEEN
 * there was nothing. */
bool subscription_has_news(const struct subscription *s, uint64_t since, uint64_t seen);

#endif
