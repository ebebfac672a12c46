/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Objects of which a stream has told (link.h). Each is looked at by a fiber beside the stream,
 * which goes on telling: with a thousand VMs on their way up, those who wait for tasks would else
 * wait until the daemon has been asked for every VM before them. One object is looked at by one
 * fiber at a time, and again if it changed meanwhile.
 */
#define LOG_MODULE "link"
#include "xapid/link/link.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include "core.gen.h"

#include <string.h>

struct link_object {
	struct list link; /* in link.due, while nobody looks at it */
	bool is_looked_at;
	bool is_told_again; /* since it is looked at */
	bool deleted;
	char *key; /* owned; "vm\nID" */
};

static void object_free(struct link *l, struct link_object *o)
{
	list_remove(&o->link);
	map_remove(&l->objects, o->key);
	free(o->key);
	free(o);
}

static struct link_object *object_get(struct link *l, const struct core_update *u)
{
	auto_str key = xasprintf("%s\n%s", u->class, u->id);
	struct link_object *o = map_get(&l->objects, key);

	if (o)
		return o;
	o = xnew(struct link_object);
	o->key = take(key);
	map_put(&l->objects, o->key, o);
	return o;
}

/* The stream begins anew, with everything; who is away it notices by itself. */
static MAY_WAIT void compare_everything(struct link *l, struct err *e)
{
	auto_arena arena = {0};
	const struct core_updates_barrier_in in = {.id = "xapid"};

	if (l->trouble || err_is(e, &ERR_SHUTTING_DOWN) || err_is(e, &ERR_CANCELLED) ||
		err_is(e, &ERR_CONNECTION_LOST) || err_is(e, &ERR_CONNECTION_REFUSED)) {
		err_free(e);
		return;
	}
	l->trouble = e;
	/* It waits for news, so there is to be some. */
	err_free(core_updates_barrier(l->client, &in, &arena, deadline_in(LINK_CALL_NS)));
}

static MAY_WAIT void look_at(struct link *l, struct link_object *o)
{
	size_t len = strcspn(o->key, "\n");
	auto_str class = xstrndup(o->key, len);
	auto_str id = xstrdup(o->key + len + 1);
	const struct core_update u = {.class = class, .id = id, .deleted = o->deleted};

	o->is_looked_at = true;
	struct err *e = l->spec->update(&u);
	o->is_looked_at = false;
	if (o->is_told_again) {
		o->is_told_again = false;
		list_push_back(&l->due, &o->link);
	} else {
		object_free(l, o);
	}
	if (e)
		compare_everything(l, e);
}

static MAY_WAIT void look_at_due(void *arg)
{
	struct link *l = arg;
	struct link_object *o;

	while ((o = list_pop_front(&l->due, struct link_object, link)))
		look_at(l, o);
	l->n_looking--;
}

struct err *link_object_changed(struct link *l, const struct core_update *u)
{
	struct link_object *o = object_get(l, u);

	o->deleted = u->deleted;
	if (o->is_looked_at) {
		o->is_told_again = true;
		return NULL;
	}
	if (!list_is_linked(&o->link))
		list_push_back(&l->due, &o->link);
	if (l->n_looking >= (l->spec->at_once ? l->spec->at_once : 1))
		return NULL;
	TRY(fiber_spawn(NULL, look_at_due, l, "%s's news", l->spec->daemon));
	l->n_looking++;
	return NULL;
}

void link_objects_forget(struct link *l)
{
	struct link_object *o;

	while ((o = list_first(&l->due, struct link_object, link)))
		object_free(l, o);
	map_for_each (slot, &l->objects)
		((struct link_object *)slot->value)->is_told_again = false;
	err_free(take(l->trouble));
}
