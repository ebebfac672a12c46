/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stream of a link: a fiber that asks UPDATES.get again and again, and hands out what it hears.
 */
#define LOG_MODULE "link"
#include "xapid/link/link.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/vec.h"

#include "core.gen.h"

#include <string.h>

#define POLL_S       300 /* of one UPDATES.get: whoever is gone is noticed by the connection */
#define RETRY_MIN_NS (20 * NS_PER_MS)
#define RETRY_MAX_NS (1 * NS_PER_S)
#define UP_NS        (20 * NS_PER_S) /* a daemon that was killed is back by then */

static vec_of(struct link *) links;

static void set_up(struct link *l, bool is_up)
{
	if (l->is_up == is_up)
		return;
	l->is_up = is_up;
	log_info("%s is %s", l->spec->daemon, is_up ? "there" : "gone");
	cond_broadcast(&l->changed);
	if (!is_up)
		link_tasks_look(l);
}

static MAY_WAIT struct err *resync(struct link *l)
{
	l->n_resyncs++;
	link_objects_forget(l);
	if (l->spec->resync)
		TRY(l->spec->resync());
	TRY(link_tasks_resync(l));
	set_up(l, true);
	return NULL;
}

static MAY_WAIT struct err *hand_out(struct link *l, const struct core_updates_answer *answer)
{
	if (answer->complete)
		return resync(l);
	l->n_updates += answer->updates.n;
	for (size_t i = 0; i < answer->updates.n; i++) {
		const struct core_update *u = &answer->updates.v[i];

		if (!strcmp(u->class, "task"))
			link_task_changed(l, u->id);
		else if (l->spec->update)
			TRY(link_object_changed(l, u));
	}
	return take(l->trouble);
}

/* One answer. After a failure nothing is taken for known any more. */
static MAY_WAIT struct err *listen_once(struct link *l)
{
	auto_arena arena = {0};
	const struct core_updates_get_in in = {.since = l->token, .timeout = POLL_S};
	struct core_updates_answer answer;
	struct err *e = core_updates_get(
		l->client, &in, &arena, &answer, deadline_in((POLL_S + 30) * NS_PER_S));

	if (!e)
		e = hand_out(l, &answer);
	free(l->token);
	l->token = e ? NULL : xstrdup(answer.token);
	return e;
}

static void note_state(bool is_connected, void *arg)
{
	struct link *l = arg;

	if (is_connected)
		cond_broadcast(&l->found);
}

/* Until the pause is over or the daemon was found. False: xapid ends. */
static MAY_WAIT bool wait_for_daemon(struct link *l, int64_t pause)
{
	auto_err e = cond_wait(&l->found, l->spec->daemon, deadline_in(pause));

	return !e || err_is(e, &ERR_TIMEOUT);
}

static MAY_WAIT void watch(void *arg)
{
	struct link *l = arg;
	int64_t pause = RETRY_MIN_NS;

	while (!loop_is_stopping()) {
		auto_err e = listen_once(l);
		if (!e) {
			pause = RETRY_MIN_NS;
			continue;
		}
		if (err_is(e, &ERR_SHUTTING_DOWN))
			return;
		if (l->is_up)
			log_err(LOG_INFO_, e, "listening to %s", l->spec->daemon);
		set_up(l, false);
		if (!wait_for_daemon(l, pause))
			return;
		pause = pause * 2 > RETRY_MAX_NS ? RETRY_MAX_NS : pause * 2;
	}
}

struct err *link_open(struct link *l, const char *path)
{
	l->client = rpc_client_new(path, NULL);
	cond_init(&l->changed);
	cond_init(&l->found);
	list_init(&l->due);
	rpc_client_on_state(l->client, note_state, l);
	vec_push(&links, l);
	return fiber_spawn(NULL, watch, l, "link %s", l->spec->daemon);
}

void link_close(struct link *l)
{
	if (!l->client)
		return;
	rpc_client_free(l->client);
	link_objects_forget(l);
	map_fini(&l->objects);
	free(l->token);
	map_fini(&l->tasks);
	cond_fini(&l->changed);
	cond_fini(&l->found);
	*l = (struct link){.spec = l->spec};
}

struct err *links_start(const char *run)
{
	struct link *const all[] = {&link_xenopsd, &link_smd, &link_networkd, &link_rrdd};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		auto_str path = xasprintf("%s/%s.sock", run, all[i]->spec->daemon);

		TRY(link_open(all[i], path));
	}
	return NULL;
}

void links_stop(void)
{
	for (size_t i = 0; i < links.n; i++)
		link_close(links.v[i]);
	vec_fini(&links);
}

void links_give_up(void)
{
	vec_for_each (i, &links)
		cond_broadcast(&links.v[i]->changed);
}

MAY_WAIT struct err *link_wait_up(struct link *l)
{
	int64_t deadline = deadline_in(UP_NS);

	while (!l->is_up) {
		if (loop_is_stopping())
			return err(SHUTTING_DOWN);
		auto_err e = cond_wait(&l->changed, l->spec->daemon, deadline);
		if (!e)
			continue;
		if (err_is(e, &ERR_TIMEOUT))
			return err(CONNECTION_REFUSED, l->spec->daemon, "it is not running");
		return take(e);
	}
	return NULL;
}
