/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class DS: data sources, and their past. Every source is archived, so DS.add has
 * nothing to do and is not built.
 */
#include "common/rpc.h"
#include "rrdd/owner.h"

#include <math.h>

static const double *bound(double v, struct arena *a)
{
	double *out = arena_new(a, double);

	*out = v;
	return isinf(v) ? NULL : out;
}

MAY_WAIT struct err *api_ds_list(
	struct call *c, const struct rrd_ds_list_in *in, struct rrd_data_source_list *out)
{
	struct owner *o;

	TRY(owner_find(&in->owner, &o));
	out->n = series_n_columns(o->series);
	out->v = arena_calloc(c->arena, out->n, sizeof(*out->v));
	for (size_t i = 0; i < out->n; i++) {
		const struct column *column = series_column(o->series, i);

		out->v[i] = (struct rrd_data_source){
			.name = arena_strdup(c->arena, column->name),
			.description = arena_strdup(c->arena, column->description),
			.units = arena_strdup(c->arena, column->units),
			.enabled = true,
			.standard = true,
			.max = (double *)bound(column->max, c->arena),
		};
	}
	return NULL;
}

MAY_WAIT struct err *api_ds_query(struct call *c, const struct rrd_ds_query_in *in, double **out)
{
	struct owner *o;

	TRY(owner_find(&in->owner, &o));
	int at = series_find(o->series, in->name);
	if (at < 0)
		return err(Datasource_missing, in->name);
	double v = series_value(o->series, series_last(o->series), (size_t)at);
	*out = NULL;
	if (!isnan(v) && o->is_live) {
		*out = arena_new(c->arena, double);
		**out = v;
	}
	return NULL;
}

MAY_WAIT struct err *api_ds_forget(struct call *c, const struct rrd_ds_forget_in *in)
{
	struct owner *o;

	TRY(owner_find(&in->owner, &o));
	if (series_find(o->series, in->name) < 0)
		return err(Datasource_missing, in->name);
	return owner_forget(o, in->name);
}
