/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Caller and Rate_limit: who may make how many requests. What they mean is in the gate
 * (xapid/gate/caller.h); here they are made, brought together and read.
 */
#include "xapid/api/hooks.h"
#include "xapid/db/db.h"
#include "xapid/gate/caller.h"

#include <math.h>
#include <string.h>

/* ---- Rate_limit ---- */

static struct err *check_positive(struct xapi_call *c, const char *field, double value)
{
	if (isfinite(value) && value > 0)
		return NULL;
	return err(INVALID_VALUE, field, arena_printf(c->call.arena, "%g", value));
}

MAY_WAIT struct err *hook_rate_limit_create(struct xapi_call *c, const void *const *args, void *out)
{
	const struct xenapi_rate_limit *row = args[0];
	const char *ref;

	TRY(check_positive(c, "burst_size", row->burst_size));
	TRY(check_positive(c, "fill_rate", row->fill_rate));
	TRY(db_create(rate_limit, row, &ref));
	*(const char **)out = arena_strdup(c->call.arena, ref);
	return NULL;
}

/* Its callers may do as they like then. */
MAY_WAIT struct err *hook_rate_limit_destroy(
	struct xapi_call *c, const void *const *args, void *out)
{
	return db_delete(rate_limit, *(const char *const *)args[0]);
}

MAY_WAIT struct err *xapi_rate_limit_set_burst_size(
	struct call *c, const struct xenapi_rate_limit_set_burst_size_in *in)
{
	TRY(check_positive(xapi_call(c), "burst_size", in->value));
	return db_write(rate_limit, in->self, burst_size, in->value);
}

MAY_WAIT struct err *xapi_rate_limit_set_fill_rate(
	struct call *c, const struct xenapi_rate_limit_set_fill_rate_in *in)
{
	TRY(check_positive(xapi_call(c), "fill_rate", in->value));
	return db_write(rate_limit, in->self, fill_rate, in->value);
}

/* One that had another limit leaves that. */
MAY_WAIT struct err *xapi_rate_limit_add_caller(
	struct call *c, const struct xenapi_rate_limit_add_caller_in *in)
{
	const struct xenapi_rate_limit *limit;

	TRY(db_get(rate_limit, in->self, &limit));
	return db_write(caller, in->caller, rate_limit, in->self);
}

MAY_WAIT struct err *xapi_rate_limit_remove_caller(
	struct call *c, const struct xenapi_rate_limit_remove_caller_in *in)
{
	const struct xenapi_rate_limit *limit;
	const struct xenapi_caller *caller;

	TRY(db_get(rate_limit, in->self, &limit));
	TRY(db_get(caller, in->caller, &caller));
	if (strcmp(caller->rate_limit, in->self) != 0)
		return NULL;
	return db_write(caller, in->caller, rate_limit, REF_NULL);
}

/* ---- Caller ---- */

static bool is_anything(const char *pattern)
{
	return !*pattern || !strcmp(pattern, "*");
}

/* Of those that are there already, with these patterns, the names change. */
static struct err *rename_one(const char *ref, const struct xenapi_caller *row)
{
	TRY(db_write(caller, ref, name_label, row->name_label));
	return db_write(caller, ref, name_description, row->name_description);
}

MAY_WAIT struct err *hook_caller_create(struct xapi_call *c, const void *const *args, void *out)
{
	const struct xenapi_caller *row = args[0];
	const char *ref = caller_find(row->user_agent, row->client_ip);

	if (is_anything(row->user_agent) && is_anything(row->client_ip))
		return err(
			INVALID_VALUE, "user_agent/client_ip", "one of them has to say something");
	TRY(ref ? rename_one(ref, row) : db_create(caller, row, &ref));
	*(const char **)out = arena_strdup(c->call.arena, ref);
	return NULL;
}

MAY_WAIT struct err *hook_caller_destroy(struct xapi_call *c, const void *const *args, void *out)
{
	return db_delete(caller, *(const char *const *)args[0]);
}

static struct err *check_group(const char *group)
{
	return *group ? NULL : err(INVALID_VALUE, "group", group);
}

MAY_WAIT struct err *xapi_caller_add_group(
	struct call *c, const struct xenapi_caller_add_group_in *in)
{
	TRY(check_group(in->group));
	return db_set_add(caller, in->self, groups, in->group);
}

MAY_WAIT struct err *xapi_caller_remove_group(
	struct call *c, const struct xenapi_caller_remove_group_in *in)
{
	return db_set_remove(caller, in->self, groups, in->group);
}

/* ---- what they used ---- */

MAY_WAIT struct err *xapi_caller_query_token_usage(
	struct call *c, const struct xenapi_caller_query_token_usage_in *in, double *out)
{
	const struct xenapi_caller *row;

	TRY(db_get(caller, in->self, &row));
	*out = caller_usage(in->self).tokens;
	return NULL;
}

MAY_WAIT struct err *xapi_caller_query_call_count(
	struct call *c, const struct xenapi_caller_query_call_count_in *in, int64_t *out)
{
	const struct xenapi_caller *row;

	TRY(db_get(caller, in->self, &row));
	*out = caller_usage(in->self).calls;
	return NULL;
}

static bool has_group(const struct xenapi_caller *row, const char *group)
{
	for (size_t i = 0; i < row->groups.n; i++)
		if (!strcmp(row->groups.v[i], group))
			return true;
	return false;
}

static struct err *group_usage(const char *group, struct caller_usage *out)
{
	*out = (struct caller_usage){0};
	TRY(check_group(group));
	db_for_each (caller, row) {
		struct caller_usage usage = caller_usage(db_ref(row));

		if (!has_group(db_record(row), group))
			continue;
		out->calls += usage.calls;
		out->tokens += usage.tokens;
	}
	return NULL;
}

MAY_WAIT struct err *xapi_caller_query_group_token_usage(
	struct call *c, const struct xenapi_caller_query_group_token_usage_in *in, double *out)
{
	struct caller_usage usage;

	TRY(group_usage(in->group, &usage));
	*out = usage.tokens;
	return NULL;
}

MAY_WAIT struct err *xapi_caller_query_group_call_count(
	struct call *c, const struct xenapi_caller_query_group_call_count_in *in, int64_t *out)
{
	struct caller_usage usage;

	TRY(group_usage(in->group, &usage));
	*out = usage.calls;
	return NULL;
}

/* Each as its uuid, name, tokens and calls. */
struct used {
	const struct xenapi_caller *row;
	struct caller_usage usage;
};

static int by_tokens(const void *a, const void *b)
{
	double x = ((const struct used *)a)->usage.tokens,
	       y = ((const struct used *)b)->usage.tokens;

	return x > y ? -1 : x < y;
}

static struct string_list describe(const struct used *u, struct arena *a)
{
	struct string_list out = {arena_calloc(a, 4, sizeof(*out.v)), 4};

	out.v[0] = arena_strdup(a, u->row->uuid);
	out.v[1] = arena_strdup(a, u->row->name_label);
	out.v[2] = arena_printf(a, "%.3f", u->usage.tokens);
	out.v[3] = arena_printf(a, "%lld", (long long)u->usage.calls);
	return out;
}

MAY_WAIT struct err *xapi_caller_query_all_usage(
	struct call *c, struct xenapi_string_list_list *out)
{
	struct used *all = arena_calloc(c->arena, db_count(caller) + 1, sizeof(*all));
	size_t n = 0;

	db_for_each (caller, row)
		all[n++] = (struct used){db_record(row), caller_usage(db_ref(row))};
	qsort(all, n, sizeof(*all), by_tokens);
	out->v = arena_calloc(c->arena, n + 1, sizeof(*out->v));
	for (out->n = 0; out->n < n; out->n++)
		out->v[out->n] = describe(&all[out->n], c->arena);
	return NULL;
}
