/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VM: what a running guest is asked to do. VM.call_plugin has the one plugin of the original,
 * "guest-agent-operation"; a script is run for those alone who could as well change the VM, for
 * the guest lets it do anything.
 */
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"

#include <string.h>

#define MAX_SCRIPT_BYTES 1024

MAY_WAIT struct err *xapi_vm_s3_suspend(struct call *c, const struct xenapi_vm_s3_suspend_in *in)
{
	return plan_vm_s3suspend(c, in->vm);
}

MAY_WAIT struct err *xapi_vm_s3_resume(struct call *c, const struct xenapi_vm_s3_resume_in *in)
{
	return plan_vm_s3resume(c, in->vm);
}

MAY_WAIT struct err *xapi_vm_set_vcpus_number_live(
	struct call *c, const struct xenapi_vm_set_vcpus_number_live_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	if (in->nvcpu < 1 || in->nvcpu > vm->VCPUs_max)
		return err(INVALID_VALUE, "VCPU values must satisfy: 0 < VCPUs ≤ VCPUs_max",
			arena_printf(c->arena, "%lld", (long long)in->nvcpu));
	return plan_vm_set_vcpus(c, in->self, in->nvcpu);
}

MAY_WAIT struct err *xapi_vm_set_shadow_multiplier_live(
	struct call *c, const struct xenapi_vm_set_shadow_multiplier_live_in *in)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, in->self, &vm));
	if (!(in->multiplier >= 1))
		return err(INVALID_VALUE, "multiplier", "not 1 or more");
	return plan_vm_set_shadow(c, in->self, in->multiplier);
}

static MAY_WAIT struct err *run_script(
	struct call *c, const struct xenapi_vm_call_plugin_in *in, const char **out)
{
	const char *script = string_map_get(&in->args, "script");

	if (!call_has_role(c, "vm-admin"))
		return err(RBAC_PERMISSION_DENIED, "vm.call_plugin/run-script",
			"No permission in user session");
	if (!script)
		return err(XENAPI_PLUGIN_FAILURE, "missing argument", "", "script");
	if (strlen(script) > MAX_SCRIPT_BYTES)
		return err(XENAPI_PLUGIN_FAILURE, "length restriction", "",
			"the script is longer than 1024 bytes");
	return plan_vm_run_script(c, in->vm, script, out);
}

MAY_WAIT struct err *xapi_vm_call_plugin(
	struct call *c, const struct xenapi_vm_call_plugin_in *in, const char **out)
{
	*out = "";
	if (strcmp(in->plugin, "guest-agent-operation") != 0)
		return err(XENAPI_MISSING_PLUGIN, in->plugin);
	if (!strcmp(in->fn, "request-rdp-on"))
		return plan_vm_request_rdp(c, in->vm, true);
	if (!strcmp(in->fn, "request-rdp-off"))
		return plan_vm_request_rdp(c, in->vm, false);
	if (!strcmp(in->fn, "run-script"))
		return run_script(c, in, out);
	return err(XENAPI_PLUGIN_FAILURE, "no such function", "", in->fn);
}

MAY_WAIT struct err *xapi_vm_restart_device_models(
	struct call *c, const struct xenapi_vm_restart_device_models_in *in)
{
	return plan_vm_restart_models(c, in->self);
}
