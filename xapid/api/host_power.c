/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host: switched off, begun anew, switched on, and given up. The first two are programs of
 * xapid.conf, run on the host itself when it is disabled and empty. Switching on is the pool's
 * plugin "power-on-host", which is told what host, and looks up in power_on_mode and
 * power_on_config how.
 */
#define LOG_MODULE "host"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/proc.h"
#include "common/vec.h"
#include "xapid/api/plugin.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/call.h"
#include "xapid/link/xenopsd.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"
#include "xapid/xapid.h"

#include "core.gen.h"

#include <string.h>

#define COMMAND_NS (120 * NS_PER_S) /* it only begins what it is for */

/* HOST_IN_USE while a guest is there. */
static struct err *check_is_empty(const char *ref)
{
	const struct xenapi_host *host;

	TRY(db_get(host, ref, &host));
	for (size_t i = 0; i < host->resident_VMs.n; i++) {
		const struct xenapi_vm *vm = db_find(vm, host->resident_VMs.v[i]);

		if (vm && !vm->is_control_domain)
			return err(HOST_IN_USE, ref, "VM", host->resident_VMs.v[i]);
	}
	return NULL;
}

/* Words with blanks between. */
static MAY_WAIT struct err *run(struct arena *a, const char *command)
{
	char *rest = arena_strdup(a, command), *word;
	vec_of(const char *) argv = {0};

	while ((word = strsep(&rest, " ")) != NULL)
		if (*word)
			vec_push(&argv, word);
	if (!argv.n)
		return err(INTERNAL_ERROR, "xapid.conf names no command for it");
	vec_push(&argv, NULL);
	const struct proc_spec spec = {
		.argv = argv.v, .cwd = "/", .deadline = deadline_in(COMMAND_NS)};
	auto_err e = proc_run(&spec, NULL);
	vec_fini(&argv);
	return e ? err(INTERNAL_ERROR, err_text(e)) : NULL;
}

static MAY_WAIT struct err *end(struct call *c, const char *ref, int op, const char *command)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};

	TRY(check_is_empty(ref));
	TRY(plan_op(&ops, &host_rules, ref, op, c));
	TRY(check_is_empty(ref));
	TRY(plan_commit());
	log_info("%s wants it: %s", xapi_call(c)->user, command);
	return run(c->arena, command);
}

MAY_WAIT struct err *xapi_host_shutdown(struct call *c, const struct xenapi_host_shutdown_in *in)
{
	return end(
		c, in->host, XENAPI_HOST_ALLOWED_OPERATIONS_SHUTDOWN, xapid_conf.shutdown_command);
}

MAY_WAIT struct err *xapi_host_reboot(struct call *c, const struct xenapi_host_reboot_in *in)
{
	return end(c, in->host, XENAPI_HOST_ALLOWED_OPERATIONS_REBOOT, xapid_conf.reboot_command);
}

MAY_WAIT struct err *xapi_host_power_on(struct call *c, const struct xenapi_host_power_on_in *in)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	const struct xenapi_host *host;
	const char *said;

	TRY(db_get(host, in->host, &host));
	struct string_map_entry arg = {"remote_host_uuid", arena_strdup(c->arena, host->uuid)};
	TRY(plan_op(&ops, &host_rules, in->host, XENAPI_HOST_ALLOWED_OPERATIONS_POWER_ON, c));
	const struct plugin_call call = {"power-on-host", "main", {&arg, 1}};
	TRY(plugin_run(c, &call, &said));
	if (strcmp(said, "True") != 0)
		return err(XENAPI_PLUGIN_FAILURE, call.plugin, said, "the host stays off");
	return NULL;
}

/* ---- given up ---- */

/* What ran there runs no more, as far as anybody can know: whoever says so has seen to it. */
static struct err *forget_guests(const char *ref)
{
	vec_of(const char *) vms = {0};
	struct err *e = NULL;

	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);

		if (!vm->is_control_domain &&
			(!strcmp(vm->resident_on, ref) ||
				!strcmp(vm->scheduled_to_be_resident_on, ref)))
			vec_push(&vms, db_ref(row));
	}
	for (size_t i = 0; i < vms.n && !e; i++)
		e = vm_state_halted(vms.v[i]);
	vec_fini(&vms);
	return e;
}

MAY_WAIT struct err *xapi_host_declare_dead(
	struct call *c, const struct xenapi_host_declare_dead_in *in)
{
	const struct xenapi_host *host;

	TRY(db_get(host, in->host, &host));
	if (!strcmp(in->host, host_here()) || master_member(in->host))
		return err(HOST_IS_LIVE, in->host);
	if (db_find(host_metrics, host->metrics))
		TRY(db_write(host_metrics, host->metrics, live, false));
	TRY(forget_guests(in->host));
	op_list(&host_rules, in->host);
	return NULL;
}
