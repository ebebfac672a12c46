/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running hooks (hook.h). The folder is looked through at each run: it is small, and what its owner
 * puts there counts at once.
 */
#define LOG_MODULE "hook"
#include "xenopsd/hook.h"

#include "common/daemon.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/proc.h"
#include "core.gen.h"
#include "xenopsd/xenopsd.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOG_AND_GO_ON 1 /* an exit code */
#define MAX_OUTPUT    (64 << 10)

/* As scripts of the original know them. */
static const char *const reason_texts[] = {
	[XENOPSD_HOOK_REASON_NONE] = "none",
	[XENOPSD_HOOK_REASON_CLEAN_SHUTDOWN] = "clean-shutdown",
	[XENOPSD_HOOK_REASON_HARD_SHUTDOWN] = "hard-shutdown",
	[XENOPSD_HOOK_REASON_CLEAN_REBOOT] = "clean-reboot",
	[XENOPSD_HOOK_REASON_HARD_REBOOT] = "hard-reboot",
	[XENOPSD_HOOK_REASON_SUSPEND] = "suspend",
	[XENOPSD_HOOK_REASON_SOURCE] = "source",
	[XENOPSD_HOOK_REASON_DESTINATION] = "destination",
};

/* ---- the programs ---- */

struct programs {
	struct dirent **v; /* sorted by name; owned, as each */
	int n;
};

static void programs_fini(struct programs *p)
{
	for (int i = 0; i < p->n; i++)
		free(p->v[i]);
	free(p->v);
}

/* Hidden files and those that an editor has left are none. */
static int is_program(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && entry->d_name[len - 1] != '~';
}

/* In the order of bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static struct err *find(const char *dir, struct programs *out)
{
	int n = scandir(dir, &out->v, is_program, by_name);

	if (n < 0 && errno != ENOENT)
		return err_errno(errno, "looking for hooks in %s", dir);
	out->n = n < 0 ? 0 : n;
	return NULL;
}

/* ---- running ---- */

struct run {
	const struct vm *vm;
	const char *dir, *hook, *reason;
};

static struct err *failed(
	const struct run *run, const char *program, const char *output, const char *exit_code)
{
	auto_str script = xasprintf("%s/%s", run->hook, program);

	return err(Hook_failed, script, run->reason, output, exit_code);
}

/* Why it could not be run to its end, in the place of an exit code. */
static struct err *not_run(const struct run *run, const char *program, struct err *e)
{
	auto_err why = e;

	if (err_is(e, &ERR_TIMEOUT))
		return failed(run, program, "", "it did not end in time");
	if (err_is(e, &ERR_LIMIT_EXCEEDED))
		return failed(run, program, "", "it says too much");
	if (err_is(e, &ERR_SYSTEM_ERROR))
		return failed(run, program, "", "it cannot be run");
	return take(why);
}

static MAY_WAIT struct err *run_program(const struct run *run, const char *program)
{
	auto_str path = xasprintf("%s/%s", run->dir, program);
	auto_str domid = run->vm->domid < 0 ? NULL : xasprintf("%d", run->vm->domid);
	const char *const argv[] = {path, "-vmuuid", run->vm->id, "-reason", run->reason,
		domid ? "-vmdomid" : NULL, domid, NULL};
	const struct proc_spec spec = {.argv = argv,
		.cwd = "/",
		.max_output = MAX_OUTPUT,
		.deadline = deadline_in(xenopsd_conf.hook_timeout_ns),
		.merge_stderr = true,
		.any_status = true};
	auto_proc_result result = {0};
	char status[PROC_STATUS_SIZE];

	log_info("vm=%s runs the hook %s/%s: %s", run->vm->id, run->hook, program, run->reason);
	struct err *e = proc_run(&spec, &result);
	if (e) {
		log_err(LOG_WARN_, e, "vm=%s hook %s/%s", run->vm->id, run->hook, program);
		return not_run(run, program, e);
	}
	if (!result.status.signal && !result.status.exit_code)
		return NULL;
	log_warn("vm=%s hook %s/%s ended with %s: %s", run->vm->id, run->hook, program,
		proc_status_text(result.status, status), result.out);
	if (result.status.exit_code == LOG_AND_GO_ON)
		return NULL;
	auto_str code = xasprintf("%d", result.status.exit_code);
	return failed(run, program, result.out, result.status.signal ? status : code);
}

struct err *hook_run(const struct vm *vm, const char *hook, enum xenopsd_hook_reason reason)
{
	auto_str dir = *xenopsd_conf.hooks
		? xasprintf("%s/%s", xenopsd_conf.hooks, hook)
		: xasprintf("%s/hooks/%s", daemon_paths()->libexec, hook);
	const struct run run = {vm, dir, hook, reason_texts[reason]};
	AUTO(programs_fini) struct programs programs = {0};

	TRY(find(dir, &programs));
	for (int i = 0; i < programs.n; i++)
		TRY(run_program(&run, programs.v[i]->d_name));
	return NULL;
}
