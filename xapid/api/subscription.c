/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subscriptions (subscription.h): lists, since clients name a few classes or everything.
 */
#include "xapid/api/subscription.h"

#include "xapid/api/message_store.h"
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

static bool has_messages(const struct subscription *s, uint64_t since)
{
	const struct class *class = &xenapi_class_message;
	size_t n;
	const struct removed_message *removed = message_store_removed(&n);

	if (message_store_generation() <= since)
		return false;
	for (const struct stored_message *m = NULL; (m = message_store_next(m));)
		if (m->generation > since && subscription_has(s, class, m->ref))
			return true;
	for (size_t i = 0; i < n; i++)
		if (removed[i].removed > since && removed[i].made <= since &&
			subscription_has(s, class, removed[i].ref))
			return true;
	return false;
}

bool subscription_has_news(const struct subscription *s, struct event_point since)
{
	const struct db_tombstone *t = db_first_tombstone(since.generation);

	if (has_messages(s, since.messages))
		return true;
	for (struct db_row *row = db_first_change(since.generation); row; row = db_next_change(row))
		if (subscription_has(s, db_class(row), db_ref(row)))
			return true;
	for (; t; t = db_next_tombstone(t))
		if (t->created <= since.generation && subscription_has(s, t->class, t->ref))
			return true;
	return false;
}
