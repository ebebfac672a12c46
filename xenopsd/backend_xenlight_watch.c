/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to domains by itself, told by xenstore's watches: a fiber reads them from the
 * library's descriptor, so that no thread waits in libxl for its events. @releaseDomain comes when
 * any domain ends or goes, then all are looked at and the changed ones told of; what a guest writes
 * into its own part is told by the VM's id, which is the watch's token.
 */
#define LOG_MODULE "xenlight"
#include "common/log.h"
#include "core.gen.h"
#include "xenopsd/backend_xenlight.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of one turn: a guest that writes all the time must not keep the loop. */
#define EVENTS_A_TURN 64
#define TOKEN_SCAN    "scan"

/* What is looked at of a guest's part; a write below any of them is a change. */
static const char *const guest_paths[] = {"control/shutdown", "attr", "data", "drivers"};

/* ---- domains that came, ended or went ---- */

struct domains {
	libxl_dominfo *all;
	int n;
};

static int list(void *arg)
{
	struct domains *d = arg;

	d->all = libxl_list_domain(xenlight_ctx, &d->n);
	return d->all ? 0 : ERROR_FAIL;
}

static const libxl_dominfo *domain_of(const struct domains *d, const struct vm *vm)
{
	struct xenlight_domain wanted;

	if (!xenlight_domain_init(&wanted, vm))
		return NULL;
	for (int i = 0; i < d->n; i++)
		if (!libxl_uuid_compare(&d->all[i].uuid, &wanted.uuid) && !d->all[i].dying)
			return &d->all[i];
	return NULL;
}

/* Whether the VM is otherwise than when it was last looked at. */
static bool note(struct vm *vm, const libxl_dominfo *info)
{
	struct xenlight_vm *own = xenlight_vm(vm);
	bool has_ended = info && info->shutdown;
	bool is_new = (info != NULL) != own->was_there || has_ended != own->had_ended;

	own->was_there = info != NULL;
	own->had_ended = has_ended;
	if (info)
		own->domid = (int)info->domid;
	if (is_new)
		own->n_changes++;
	return is_new;
}

static MAY_WAIT struct err *scan(void)
{
	struct domains d;

	TRY(xenlight_run("listing domains", list, &d));
	map_for_each (entry, &vms) {
		struct vm *vm = entry->value;

		if (note(vm, domain_of(&d, vm)))
			backend_changed(vm->id);
	}
	libxl_dominfo_list_free(d.all, d.n);
	return NULL;
}

/* ---- reading watches ---- */

/* True: all domains are to be looked at. */
static bool take_event(char **event)
{
	const char *token = event[XS_WATCH_TOKEN];

	if (!strcmp(token, TOKEN_SCAN))
		return true;
	struct vm *vm = vm_find(token);
	if (vm) {
		xenlight_vm(vm)->n_changes++;
		backend_changed(vm->id);
	}
	return false;
}

/* ENDED: xenstored is gone, and with it all that is known. */
static MAY_WAIT struct err *take_events(bool *ended)
{
	bool is_scan = false;

	for (int i = 0; i < EVENTS_A_TURN; i++) {
		errno = 0;
		char **event = xs_check_watch(xenlight_xs);
		if (!event) {
			*ended = errno != EAGAIN;
			break;
		}
		is_scan |= take_event(event);
		free(event);
	}
	return is_scan ? scan() : NULL;
}

static MAY_WAIT struct err *watch_loop(void)
{
	bool ended = false;

	while (!ended) {
		TRY(fiber_wait_fd(
			xs_fileno(xenlight_xs), FD_READABLE, "xenstore's watches", NEVER));
		TRY(take_events(&ended));
		TRY(fiber_yield());
	}
	return err(CONNECTION_LOST, "xenstored");
}

static MAY_WAIT void watch_fiber(void *arg)
{
	auto_err e = watch_loop();

	if (!err_is(e, &ERR_SHUTTING_DOWN))
		log_err(LOG_ERROR_, e, "guests are no longer watched");
}

/* ---- setting watches ---- */

static int set_global(void *arg)
{
	return xs_watch(xenlight_xs, "@releaseDomain", TOKEN_SCAN) &&
			xs_watch(xenlight_xs, "@introduceDomain", TOKEN_SCAN)
		? 0
		: ERROR_FAIL;
}

/* The watches of one domain. */
struct guest_watches {
	char token[64];
	int domid;
	bool (*set)(struct xs_handle *xs, const char *path, const char *token);
};

static int change_watches(void *arg)
{
	struct guest_watches *w = arg;
	char path[96];

	for (size_t i = 0; i < ARRAY_LEN(guest_paths); i++) {
		snprintf(path, sizeof(path), "/local/domain/%d/%s", w->domid, guest_paths[i]);
		if (!w->set(xenlight_xs, path, w->token) && errno != EEXIST && errno != ENOENT)
			return ERROR_FAIL;
	}
	return 0;
}

static MAY_WAIT struct err *set_watches(
	const struct vm *vm, int domid, bool (*set)(struct xs_handle *, const char *, const char *))
{
	struct guest_watches w = {.domid = domid, .set = set};

	snprintf(w.token, sizeof(w.token), "%s", vm->id);
	return xenlight_run("watching a guest", change_watches, &w);
}

struct err *xenlight_watch_domain(struct vm *vm, int domid)
{
	struct xenlight_vm *own = xenlight_vm(vm);
	int before = own->watched_domid;

	own->watched_domid = domid;
	if (before && before != domid)
		TRY(set_watches(vm, before, xs_unwatch));
	return domid && domid != before ? set_watches(vm, domid, xs_watch) : NULL;
}

struct err *xenlight_watch_begin(void)
{
	TRY(xenlight_run("watching for domains", set_global, NULL));
	TRY(scan());
	/* Nobody adds or removes a VM before the socket is open. */
	map_for_each (entry, &vms) {
		struct vm *vm = entry->value;

		if (xenlight_vm(vm)->was_there)
			TRY(xenlight_watch_domain(vm, xenlight_vm(vm)->domid));
	}
	return fiber_spawn(NULL, watch_fiber, NULL, "xenstore watches");
}
