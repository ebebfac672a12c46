/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subscriptions (subscription.h): lists, since clients name a few classes or everything.
 */
#include "xapid/api/subscription.h"

#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/gate/message.h"

#include "xenapi.gen.h"

#include <string.h>

static struct err *read_one(const char *text, struct subscription *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);

	if (!strcmp(text, "*")) {
		out->is_to_all = true;
		return NULL;
	}
	if (!len || (slash && (!slash[1] || strchr(slash + 1, '/'))))
		return err(EVENT_SUBSCRIPTION_PARSE_FAILURE, text);
	const struct class *class = message_class(text, len);
	if (class)
		vec_push(&out->to, (struct subscription_to){class, slash ? slash + 1 : NULL});
	return NULL;
}

struct err *subscription_read(const struct string_list *classes, struct subscription *out)
{
	out->is_to_all = false;
	out->to.n = 0;
	for (size_t i = 0; i < classes->n; i++)
		TRY(read_one(classes->v[i], out));
	return NULL;
}

void subscription_fini(struct subscription *s)
{
	vec_fini(&s->to);
}

bool subscription_has(const struct subscription *s, const struct class *class, const char *ref)
{
	if (!(class->flags & CLASS_EVENTS))
		return false;
	if (s->is_to_all)
		return true;
	vec_for_each (i, &s->to)
		if (s->to.v[i].class == class && (!s->to.v[i].ref || !strcmp(s->to.v[i].ref, ref)))
			return true;
	return false;
}

bool subscription_is_same(const struct subscription *s, const struct subscription *other)
{
	if (s->is_to_all || other->is_to_all)
		return s->is_to_all && other->is_to_all;
	if (s->to.n != other->to.n)
		return false;
	vec_for_each (i, &s->to) {
		const struct subscription_to *a = &s->to.v[i], *b = &other->to.v[i];

		if (a->class != b->class || !a->ref != !b->ref ||
			(a->ref && strcmp(a->ref, b->ref) != 0))
			return false;
	}
	return true;
}

void subscription_copy(const struct subscription *from, struct subscription *out)
{
	*out = (struct subscription){.is_to_all = from->is_to_all};
	vec_for_each (i, &from->to) {
		const struct subscription_to *to = &from->to.v[i];

		vec_push(&out->to,
			(struct subscription_to){to->class, to->ref ? xstrdup(to->ref) : NULL});
	}
}

void subscription_drop_copy(struct subscription *s)
{
	vec_for_each (i, &s->to)
		free((char *)s->to.v[i].ref);
	subscription_fini(s);
	*s = (struct subscription){0};
}

bool subscription_has_news(const struct subscription *s, uint64_t since, uint64_t seen)
{
	const struct db_tombstone *t = db_first_tombstone(seen);

	for (struct db_row *row = db_first_change(seen); row; row = db_next_change(row))
		if (subscription_has(s, db_class(row), db_ref(row)))
			return true;
	for (; t; t = db_next_tombstone(t))
		if (t->created <= since && subscription_has(s, t->class, t->ref))
			return true;
	return false;
}
