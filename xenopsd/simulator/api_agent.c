/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest does in its domain when it is asked to: it sleeps and wakes, starts a kernel of its
 * own, and has an agent that runs scripts.
 */
#include "common/codec.h"
#include "common/fiber.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "xenopsd/simulator/simulator.h"

#include <string.h>

static struct err *running(const char *vm, struct domain **out)
{
	TRY(domain_get(vm, out));
	return (*out)->power == SIMULATOR_DOMAIN_POWER_RUNNING ? NULL : err(Domain_not_built);
}

MAY_WAIT struct err *api_domain_set_asleep(
	struct call *c, const struct simulator_domain_set_asleep_in *in)
{
	struct domain *d;

	TRY(running(in->vm, &d));
	if (in->asleep && !d->acknowledges)
		return fiber_sleep(NEVER / 2);
	d->is_asleep = in->asleep;
	return NULL;
}

MAY_WAIT struct err *api_domain_soft_reset(
	struct call *c, const struct simulator_domain_soft_reset_in *in)
{
	struct domain *d;

	TRY(domain_get(in->vm, &d));
	if (!d->is_built || d->devices.n)
		return err(Domain_not_built);
	domain_set_power(d, SIMULATOR_DOMAIN_POWER_PAUSED);
	d->is_held = d->is_asleep = false;
	d->agent = (struct string_map){0};
	console_print(d->console, "a kernel of the guest's own\r\n");
	return NULL;
}

/* ---- the agent ---- */

MAY_WAIT struct err *api_domain_run_script(struct call *c,
	const struct simulator_domain_run_script_in *in, struct xenops_script_result *out)
{
	struct domain *d;

	TRY(running(in->vm, &d));
	if (!d->agent.n)
		return err(Failed_to_run_script, "the guest has no agent");
	if (!d->acknowledges)
		return fiber_sleep(NEVER / 2);
	if (d->script)
		codec_copy(&xenops_type_script_result, d->script, c->arena, out);
	else
		*out = (struct xenops_script_result){.stdout_ = in->script, .stderr_ = ""};
	return NULL;
}

MAY_WAIT struct err *api_domain_set_agent_features(
	struct call *c, const struct simulator_domain_set_agent_features_in *in)
{
	struct domain *d;

	TRY(domain_get(in->vm, &d));
	codec_copy(&type_map_string, &in->features, &d->arena, &d->agent_features);
	return NULL;
}

/* A copy of the agent's keys, with this one. */
static struct string_map with(struct domain *d, const char *key, const char *value)
{
	struct string_map map = {
		.v = arena_calloc(&d->arena, d->agent.n + 1, sizeof(*map.v)), .n = 0};

	for (size_t i = 0; i < d->agent.n; i++)
		if (strcmp(d->agent.v[i].key, key) != 0)
			map.v[map.n++] = d->agent.v[i];
	map.v[map.n++] = (struct string_map_entry){key, value};
	return map;
}

MAY_WAIT struct err *api_domain_request_rdp(
	struct call *c, const struct simulator_domain_request_rdp_in *in)
{
	struct domain *d;

	TRY(running(in->vm, &d));
	d->agent = with(d, "data/ts", in->enabled ? "1" : "0");
	domain_changed(d);
	return NULL;
}
