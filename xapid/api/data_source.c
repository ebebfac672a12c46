/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is measured of hosts, VMs and SRs, as messages: rrdd is asked. Whole archives go over HTTP
 * (rrd.c). All that is measured is recorded: nothing has to begin it, and what was forgotten begins
 * anew.
 */
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"

#include "rrd.gen.h"

#include <math.h>

static void put(struct xenapi_data_source *out, const struct rrd_data_source *from)
{
	*out = (struct xenapi_data_source){
		.name_label = from->name,
		.name_description = from->description,
		.enabled = from->enabled,
		.standard = from->standard,
		.units = from->units,
		.min = from->min ? *from->min : -INFINITY,
		.max = from->max ? *from->max : INFINITY,
		.value = NAN,
	};
}

/* Of what does not run, or was never measured, there is none. */
static MAY_WAIT struct err *list(
	struct call *c, struct rrd_owner owner, struct xenapi_data_source_list *out)
{
	const struct rrd_ds_list_in in = {owner};
	struct rrd_data_source_list found = {0};
	auto_err e = rrd_ds_list(link_rrdd.client, &in, c->arena, &found, plan_soon());

	if (e && !err_is(e, &ERR_No_such_owner))
		return link_error(take(e), NULL);
	*out = (struct xenapi_data_source_list){
		arena_calloc(c->arena, found.n + 1, sizeof(*out->v)), found.n};
	for (size_t i = 0; i < found.n; i++)
		put(&out->v[i], &found.v[i]);
	return NULL;
}

static MAY_WAIT struct err *query(
	struct call *c, struct rrd_owner owner, const char *name, double *out)
{
	const struct rrd_ds_query_in in = {owner, name};
	double *value = NULL;
	auto_err e = rrd_ds_query(link_rrdd.client, &in, c->arena, &value, plan_soon());

	if (err_is(e, &ERR_No_such_owner) || err_is(e, &ERR_Datasource_missing))
		return err(INVALID_VALUE, "data_source", name);
	if (e)
		return link_error(take(e), NULL);
	*out = value ? *value : NAN;
	return NULL;
}

/* It is, if it is there. */
static MAY_WAIT struct err *record(struct call *c, struct rrd_owner owner, const char *name)
{
	double value;

	return query(c, owner, name, &value);
}

static MAY_WAIT struct err *forget(struct call *c, struct rrd_owner owner, const char *name)
{
	const struct rrd_ds_forget_in in = {owner, name};
	auto_err e = rrd_ds_forget(link_rrdd.client, &in, c->arena, plan_soon());

	if (err_is(e, &ERR_No_such_owner) || err_is(e, &ERR_Datasource_missing))
		return err(INVALID_VALUE, "data_source", name);
	return e ? link_error(take(e), NULL) : NULL;
}

/* ---- whose ---- */

static struct err *of_host(const char *ref, struct rrd_owner *out)
{
	const struct xenapi_host *host;

	TRY(db_get(host, ref, &host));
	*out = (struct rrd_owner){.kind = RRD_OWNER_HOST};
	return NULL;
}

static struct err *of_vm(struct call *c, const char *ref, struct rrd_owner *out)
{
	const struct xenapi_vm *vm;

	TRY(db_get(vm, ref, &vm));
	*out = (struct rrd_owner){.kind = RRD_OWNER_VM, .vm = arena_strdup(c->arena, vm->uuid)};
	return NULL;
}

static struct err *of_sr(struct call *c, const char *ref, struct rrd_owner *out)
{
	const struct xenapi_sr *sr;

	TRY(db_get(sr, ref, &sr));
	*out = (struct rrd_owner){.kind = RRD_OWNER_SR, .sr = arena_strdup(c->arena, sr->uuid)};
	return NULL;
}

/* ---- the messages ---- */

MAY_WAIT struct err *xapi_host_get_data_sources(struct call *c,
	const struct xenapi_host_get_data_sources_in *in, struct xenapi_data_source_list *out)
{
	struct rrd_owner owner;

	TRY(of_host(in->host, &owner));
	return list(c, owner, out);
}

MAY_WAIT struct err *xapi_host_query_data_source(
	struct call *c, const struct xenapi_host_query_data_source_in *in, double *out)
{
	struct rrd_owner owner;

	TRY(of_host(in->host, &owner));
	return query(c, owner, in->data_source, out);
}

MAY_WAIT struct err *xapi_vm_get_data_sources(struct call *c,
	const struct xenapi_vm_get_data_sources_in *in, struct xenapi_data_source_list *out)
{
	struct rrd_owner owner;

	TRY(of_vm(c, in->self, &owner));
	return list(c, owner, out);
}

MAY_WAIT struct err *xapi_vm_query_data_source(
	struct call *c, const struct xenapi_vm_query_data_source_in *in, double *out)
{
	struct rrd_owner owner;

	TRY(of_vm(c, in->self, &owner));
	return query(c, owner, in->data_source, out);
}

MAY_WAIT struct err *xapi_sr_get_data_sources(struct call *c,
	const struct xenapi_sr_get_data_sources_in *in, struct xenapi_data_source_list *out)
{
	struct rrd_owner owner;

	TRY(of_sr(c, in->sr, &owner));
	return list(c, owner, out);
}

MAY_WAIT struct err *xapi_sr_query_data_source(
	struct call *c, const struct xenapi_sr_query_data_source_in *in, double *out)
{
	struct rrd_owner owner;

	TRY(of_sr(c, in->sr, &owner));
	return query(c, owner, in->data_source, out);
}

MAY_WAIT struct err *xapi_host_record_data_source(
	struct call *c, const struct xenapi_host_record_data_source_in *in)
{
	struct rrd_owner owner;

	TRY(of_host(in->host, &owner));
	return record(c, owner, in->data_source);
}

MAY_WAIT struct err *xapi_vm_record_data_source(
	struct call *c, const struct xenapi_vm_record_data_source_in *in)
{
	struct rrd_owner owner;

	TRY(of_vm(c, in->self, &owner));
	return record(c, owner, in->data_source);
}

MAY_WAIT struct err *xapi_sr_record_data_source(
	struct call *c, const struct xenapi_sr_record_data_source_in *in)
{
	struct rrd_owner owner;

	TRY(of_sr(c, in->sr, &owner));
	return record(c, owner, in->data_source);
}

MAY_WAIT struct err *xapi_host_forget_data_source_archives(
	struct call *c, const struct xenapi_host_forget_data_source_archives_in *in)
{
	struct rrd_owner owner;

	TRY(of_host(in->host, &owner));
	return forget(c, owner, in->data_source);
}

MAY_WAIT struct err *xapi_vm_forget_data_source_archives(
	struct call *c, const struct xenapi_vm_forget_data_source_archives_in *in)
{
	struct rrd_owner owner;

	TRY(of_vm(c, in->self, &owner));
	return forget(c, owner, in->data_source);
}

MAY_WAIT struct err *xapi_sr_forget_data_source_archives(
	struct call *c, const struct xenapi_sr_forget_data_source_archives_in *in)
{
	struct rrd_owner owner;

	TRY(of_sr(c, in->sr, &owner));
	return forget(c, owner, in->data_source);
}
