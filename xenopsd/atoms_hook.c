/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Atoms that run hooks (hook.h), with the reason of their plan. They run in the VM's turn.
 */
#include "core.gen.h"
#include "xenopsd/atoms.h"
#include "xenopsd/hook.h"

#define HOOK(member, hook) \
	static MAY_WAIT struct err *run_##member(struct plan *p, struct device *device) \
	{ \
		return hook_run(p->vm, hook, p->reason); \
	} \
	const struct atom atom_hook_##member = {.name = "hook-" hook, .run = run_##member}

HOOK(pre_start, "vm-pre-start");
HOOK(pre_shutdown, "vm-pre-shutdown");
HOOK(pre_reboot, "vm-pre-reboot");
HOOK(pre_suspend, "vm-pre-suspend");
HOOK(pre_resume, "vm-pre-resume");
HOOK(post_resume, "vm-post-resume");
HOOK(pre_migrate, "vm-pre-migrate");
HOOK(post_migrate, "vm-post-migrate");

/* It is owed from the first step of the end on. What could not be taken away is taken away later,
 * and it is run then. A hook that fails is told, and keeps nothing from its end. */
static MAY_WAIT struct err *post_destroy(struct plan *p, struct device *device)
{
	if (p->first || p->vm->ends_for == XENOPSD_HOOK_REASON_NONE)
		return NULL;
	struct err *e = hook_run(p->vm, "vm-post-destroy", p->vm->ends_for);
	if (err_is(e, &ERR_SHUTTING_DOWN))
		return e;
	p->vm->ends_for = XENOPSD_HOOK_REASON_NONE;
	err_free(p->late);
	p->late = e;
	return NULL;
}

const struct atom atom_hook_post_destroy = {
	.name = "hook-vm-post-destroy",
	.run = post_destroy,
};
