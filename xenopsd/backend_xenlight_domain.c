/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's domain: found by the VM's uuid, which the hypervisor keeps and no guest can change, made,
 * let run, stopped and destroyed.
 */
#define LOG_MODULE "xenlight"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/number.h"
#include "core.gen.h"
#include "xenopsd/backend_xenlight.h"
#include "xenopsd/xenopsd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- finding it ---- */

struct xenlight_vm *xenlight_vm(struct vm *vm)
{
	if (!vm->own) {
		struct xenlight_vm *own = xnew(struct xenlight_vm);

		own->domid = -1;
		vm->own = own;
	}
	return vm->own;
}

void xenlight_vm_forget(struct vm *vm)
{
	free(vm->own);
	vm->own = NULL;
}

bool xenlight_domain_init(struct xenlight_domain *d, const struct vm *vm)
{
	*d = (struct xenlight_domain){0};
	return libxl_uuid_from_string(&d->uuid, vm->id) == 0;
}

int xenlight_domain_find(struct xenlight_domain *d)
{
	int n;
	libxl_dominfo *all = libxl_list_domain(xenlight_ctx, &n);

	if (!all)
		return ERROR_FAIL;
	d->is_there = false;
	/* One that is dying has nothing left but pages that others hold. */
	for (int i = 0; i < n && !d->is_there; i++)
		if (!libxl_uuid_compare(&all[i].uuid, &d->uuid) && !all[i].dying) {
			d->is_there = true;
			d->info = all[i];
			d->info.ssid_label = NULL;
		}
	libxl_dominfo_list_free(all, n);
	return 0;
}

static int find(void *arg)
{
	return xenlight_domain_find(arg);
}

struct err *xenlight_domain_get(struct vm *vm, struct xenlight_domain *d)
{
	if (!xenlight_domain_init(d, vm))
		return err(Domain_not_built);
	TRY(xenlight_run("looking for a domain", find, d));
	return d->is_there ? NULL : err(Domain_not_built);
}

/* ---- looking at it ---- */

static enum guest_end end_of(const libxl_dominfo *info)
{
	if (!info->shutdown)
		return GUEST_RUNS;
	switch (info->shutdown_reason) {
	case LIBXL_SHUTDOWN_REASON_POWEROFF:
		return GUEST_HALTED;
	case LIBXL_SHUTDOWN_REASON_REBOOT:
		return GUEST_REBOOTED;
	case LIBXL_SHUTDOWN_REASON_SUSPEND:
		return GUEST_SUSPENDED;
	case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
		return GUEST_SOFT_REBOOTED;
	case LIBXL_SHUTDOWN_REASON_UNKNOWN:
	case LIBXL_SHUTDOWN_REASON_CRASH:
	case LIBXL_SHUTDOWN_REASON_WATCHDOG:
		break;
	}
	return GUEST_CRASHED;
}

struct err *xenlight_vm_look(struct vm *vm, struct domain_look *out)
{
	struct xenlight_domain d;

	*out = (struct domain_look){.domid = -1};
	if (!xenlight_domain_init(&d, vm))
		return NULL;
	TRY(xenlight_run("looking at a domain", find, &d));
	if (!d.is_there)
		return NULL;
	*out = (struct domain_look){.is_there = true,
		.domid = (int)d.info.domid,
		.is_paused = d.info.paused,
		.end = end_of(&d.info)};
	return NULL;
}

/* ---- making it ---- */

/* The number of the newest domain. Kept in a file, for libxl refuses one that was used a moment
 * ago, and a restarted xenopsd would begin with it. */
static int newest_domid;
#define DOMID_FILE "xenlight-domid"
#define DOMID_MAX  0x7ff0 /* below Xen's special ones */

MAY_WAIT struct err *xenlight_domid_load(void)
{
	auto_str path = xasprintf("%s/" DOMID_FILE, xenopsd.dir);
	auto_str text = NULL;
	size_t len;
	int64_t n;
	int r = file_read(path, 64, &text, &len);

	if (r == 0 && number_read_int(text, len, &n) && n > 0 && n < DOMID_MAX)
		newest_domid = (int)n;
	return r < 0 && r != -ENOENT ? err_errno(-r, "reading %s", path) : NULL;
}

struct domids {
	libxl_dominfo *all;
	int n;
};

static int list(void *arg)
{
	struct domids *d = arg;

	d->all = libxl_list_domain(xenlight_ctx, &d->n);
	return d->all ? 0 : ERROR_FAIL;
}

static bool is_taken(const struct domids *d, int domid)
{
	for (int i = 0; i < d->n; i++)
		if ((int)d->all[i].domid == domid)
			return true;
	return false;
}

struct err *xenlight_vm_create(struct vm *vm, int *domid)
{
	auto_str path = xasprintf("%s/" DOMID_FILE, xenopsd.dir);
	struct domids d;
	char text[16];

	TRY(xenlight_run("listing domains", list, &d));
	do
		newest_domid = newest_domid % DOMID_MAX + 1;
	while (is_taken(&d, newest_domid));
	libxl_dominfo_list_free(d.all, d.n);
	*domid = xenlight_vm(vm)->domid = newest_domid;
	int len = snprintf(text, sizeof(text), "%d", newest_domid);
	return file_store(path, text, (size_t)len, 0600, 0);
}

static int create(void *arg)
{
	libxl_domain_config *config = arg;
	uint32_t domid = config->c_info.domid;

	return libxl_domain_create_new(xenlight_ctx, config, &domid, NULL, NULL);
}

struct err *xenlight_vm_build(struct vm *vm, struct task *task)
{
	AUTO(libxl_domain_config_dispose) libxl_domain_config config;
	int domid = xenlight_vm(vm)->domid;

	TRY(xenlight_config(vm, domid, &config));
	TRY(xenlight_run("making a domain", create, &config));
	return xenlight_watch_domain(vm, domid);
}

/* ---- its end ---- */

static int destroy(void *arg)
{
	struct xenlight_domain *d = arg;
	int rc = xenlight_domain_find(d);

	return rc || !d->is_there ? rc : libxl_domain_destroy(xenlight_ctx, d->info.domid, NULL);
}

struct err *xenlight_vm_destroy(struct vm *vm)
{
	struct xenlight_domain d;

	if (!xenlight_domain_init(&d, vm))
		return NULL;
	TRY(xenlight_run("destroying a domain", destroy, &d));
	return xenlight_watch_domain(vm, 0);
}

/* What a guest finds in control/shutdown. */
static const char *wish_of(enum guest_end how)
{
	switch (how) {
	case GUEST_REBOOTED:
		return "reboot";
	case GUEST_SUSPENDED:
		return "suspend";
	case GUEST_RUNS:
	case GUEST_HALTED:
	case GUEST_CRASHED:
	case GUEST_SOFT_REBOOTED:
		break;
	}
	return "poweroff";
}

struct wish {
	struct xenlight_domain domain;
	const char *text; /* what is wished */
	bool is_known; /* the guest took notice: it took the wish away, or has ended */
};

static int make_wish(void *arg)
{
	struct wish *wish = arg;
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", wish->domain.info.domid);
	return xs_write(xenlight_xs, XBT_NULL, path, wish->text, (unsigned)strlen(wish->text))
		? 0
		: ERROR_FAIL;
}

static int look_at_wish(void *arg)
{
	struct wish *wish = arg;
	char path[64];
	unsigned len;
	int rc = xenlight_domain_find(&wish->domain);

	if (rc)
		return rc;
	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", wish->domain.info.domid);
	char *now = xs_read(xenlight_xs, XBT_NULL, path, &len);
	wish->is_known = !wish->domain.is_there || wish->domain.info.shutdown || !now || !len;
	free(now);
	return 0;
}

struct err *xenlight_vm_request_end(struct vm *vm, enum guest_end how, int64_t deadline)
{
	struct xenlight_vm *own = xenlight_vm(vm);
	struct wish wish = {.text = wish_of(how)};

	TRY(xenlight_domain_get(vm, &wish.domain));
	TRY(xenlight_run("asking a guest to end", make_wish, &wish));
	for (;;) {
		unsigned seen = own->n_changes;

		TRY(xenlight_run("looking whether a guest listens", look_at_wish, &wish));
		if (wish.is_known)
			return NULL;
		if (own->n_changes != seen)
			continue;
		struct err *e = cond_wait(&vm->changed, "a guest that was asked to end", deadline);
		if (err_is(e, &ERR_TIMEOUT)) {
			err_free(e);
			return how == GUEST_SUSPENDED ? err(Failed_to_acknowledge_suspend_request)
						      : err(Failed_to_acknowledge_shutdown_request);
		}
		TRY(e);
	}
}

/* ---- its VCPUs ---- */

static int pause_domain(void *arg)
{
	struct xenlight_domain *d = arg;

	return d->info.paused ? 0 : libxl_domain_pause(xenlight_ctx, d->info.domid, NULL);
}

static int unpause_domain(void *arg)
{
	struct xenlight_domain *d = arg;

	return d->info.paused ? libxl_domain_unpause(xenlight_ctx, d->info.domid, NULL) : 0;
}

struct err *xenlight_vm_pause(struct vm *vm)
{
	struct xenlight_domain d;

	TRY(xenlight_domain_get(vm, &d));
	return xenlight_run("pausing a domain", pause_domain, &d);
}

struct err *xenlight_vm_unpause(struct vm *vm)
{
	struct xenlight_domain d;

	TRY(xenlight_domain_get(vm, &d));
	return xenlight_run("unpausing a domain", unpause_domain, &d);
}
