/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class RRD: documents, and what becomes of archives. Not built yet: loading and
 * migrating them, archives on the master, least and greatest values.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/mem.h"
#include "common/rpc.h"
#include "core.gen.h"
#include "rrdd/document.h"
#include "rrdd/rrdd.h"

#include <math.h>
#include <string.h>

/* Every archive: how long a row is, and how many there are. */
static const struct {
	int64_t row_s, n_rows;
} archives[] = {{STEP_S, ROWS}, {MINUTE_S, ROWS}, {HOUR_S, 168}, {DAY_S, 366}};

MAY_WAIT struct err *api_rrd_exists(struct call *c, const struct rrd_rrd_exists_in *in, bool *out)
{
	struct owner *o;
	auto_err e = owner_find(&in->owner, &o);

	*out = !e;
	return NULL;
}

static MAY_WAIT struct err *make_dump(struct owner *o, struct arena *a, struct dump *d)
{
	size_t n = series_n_columns(o->series);
	struct column *columns = arena_calloc(a, n, sizeof(*columns));
	double *raw = arena_calloc(a, n, sizeof(*raw));

	for (size_t i = 0; i < n; i++) {
		columns[i] = *series_column(o->series, i);
		raw[i] = series_raw(o->series, i);
	}
	d->last_s = series_last(o->series) * STEP_S;
	d->n_columns = n;
	d->columns = columns;
	d->raw = raw;
	for (size_t i = 0; i < ARRAY_LEN(archives); i++) {
		int64_t row_s = archives[i].row_s, end_s = d->last_s / row_s * row_s;

		TRY(owner_rows(
			o, row_s, end_s - archives[i].n_rows * row_s, end_s, a, &d->archives[i]));
		/* A source that came while the archives were read has no place in this one. */
		if (d->archives[i].n_columns != n)
			return err(INTERNAL_ERROR, "the data sources changed meanwhile");
	}
	return NULL;
}

static void dump_fini(struct dump *d)
{
	for (size_t i = 0; i < ARRAY_LEN(d->archives); i++)
		table_fini(&d->archives[i]);
}

MAY_WAIT struct err *api_rrd_dump(
	struct call *c, const struct rrd_rrd_dump_in *in, const char **out)
{
	AUTO(dump_fini) struct dump dump = {0};
	auto_sbuf text = {0};
	struct owner *o;

	TRY(owner_find(&in->owner, &o));
	owner_ref(o);
	struct err *e = make_dump(o, c->arena, &dump);
	owner_unref(o);
	TRY(e);
	TRY(document_dump(&dump, in->format, &text));
	*out = arena_strndup(c->arena, sbuf_data(&text), sbuf_len(&text));
	return NULL;
}

/* ---- updates ---- */

static bool is_wanted(const struct owner *o, const struct rrd_rrd_updates_in *in)
{
	if (!o->is_live)
		return false;
	if (!strcmp(o->kind, "host"))
		return in->host;
	if (!in->vms)
		return true;
	for (size_t i = 0; i < in->vms->n; i++)
		if (!strcmp(in->vms->v[i], o->uuid))
			return true;
	return false;
}

/* The finest archive that reaches back to START_S and whose rows are long enough. */
static int64_t choose_row(int64_t now_s, int64_t start_s, int64_t interval_s)
{
	size_t last = ARRAY_LEN(archives) - 1;

	for (size_t i = 0; i < last; i++)
		if (archives[i].row_s >= interval_s &&
			start_s >= now_s - archives[i].n_rows * archives[i].row_s)
			return archives[i].row_s;
	return archives[last].row_s;
}

/* The newest row of any wanted owner. */
static int64_t newest(const struct rrd_rrd_updates_in *in)
{
	int64_t last = 0;

	map_for_each (slot, &rrdd.owners) {
		struct owner *o = slot->value;

		if (is_wanted(o, in) && series_last(o->series) > last)
			last = series_last(o->series);
	}
	return last * STEP_S;
}

typedef vec_of(struct owner *) owner_vec;

/* UUID: as its columns are to be called. */
static MAY_WAIT struct err *add_part(struct owner *o, const char *uuid, int64_t from_s,
	int64_t to_s, struct arena *a, struct updates *u)
{
	struct updates_part part = {.kind = o->kind, .uuid = uuid};

	if (o->is_gone)
		return NULL;
	TRY(owner_rows(o, u->row_s, from_s, to_s, a, &part.table));
	vec_push(&u->parts, part);
	return NULL;
}

static MAY_WAIT struct err *collect(const struct rrd_rrd_updates_in *in, int64_t from_s,
	int64_t to_s, struct arena *a, struct updates *u)
{
	owner_vec owners = {0};
	struct err *e = NULL;

	map_for_each (slot, &rrdd.owners) {
		struct owner *o = slot->value;

		if (is_wanted(o, in)) {
			owner_ref(o);
			vec_push(&owners, o);
		}
	}
	vec_for_each (i, &owners) {
		struct owner *o = owners.v[i];

		if (!e)
			e = add_part(o, *o->uuid ? arena_strdup(a, o->uuid) : in->host_uuid, from_s,
				to_s, a, u);
		owner_unref(o);
	}
	vec_fini(&owners);
	return e;
}

static void updates_fini(struct updates *u)
{
	vec_for_each (i, &u->parts)
		table_fini(&u->parts.v[i].table);
	vec_fini(&u->parts);
}

/* A time before 1970 is one before the last row. */
static MAY_WAIT struct err *make_updates(
	const struct rrd_rrd_updates_in *in, struct arena *a, struct updates *u)
{
	int64_t last_s = newest(in);
	int64_t start_s = in->start_s < 0 ? last_s + in->start_s : in->start_s;

	u->consolidation = "AVERAGE";
	u->row_s = choose_row(last_s, start_s, in->interval_s);
	int64_t to_s = last_s / u->row_s * u->row_s;
	int64_t oldest_s = to_s;
	for (size_t i = 0; i < ARRAY_LEN(archives); i++)
		if (archives[i].row_s == u->row_s)
			oldest_s = to_s - archives[i].n_rows * u->row_s;
	int64_t from_s = start_s > oldest_s ? start_s : oldest_s;
	if (from_s > to_s)
		from_s = to_s;
	u->first_s = (from_s / u->row_s + 1) * u->row_s;
	u->n_rows = to_s < u->first_s ? 0 : (size_t)((to_s - u->first_s) / u->row_s) + 1;
	/* Only averages are kept. */
	return in->consolidation == RRD_CONSOLIDATION_AVERAGE ? collect(in, from_s, to_s, a, u)
							      : NULL;
}

MAY_WAIT struct err *api_rrd_updates(
	struct call *c, const struct rrd_rrd_updates_in *in, const char **out)
{
	AUTO(updates_fini) struct updates updates = {0};
	auto_sbuf text = {0};

	TRY(make_updates(in, c->arena, &updates));
	TRY(document_updates(&updates, in->format, &text));
	*out = arena_strndup(c->arena, sbuf_data(&text), sbuf_len(&text));
	return NULL;
}

/* ---- what becomes of them ---- */

MAY_WAIT struct err *api_rrd_remove(struct call *c, const struct rrd_rrd_remove_in *in)
{
	struct owner *o;

	TRY(owner_find(&in->owner, &o));
	return owner_remove(o);
}

MAY_WAIT struct err *api_rrd_backup(struct call *c, const struct rrd_rrd_backup_in *in)
{
	if (in->address)
		return err(NOT_IMPLEMENTED, "RRD.backup to the master");
	return owners_feed_all();
}

/* ---- OpenMetrics ---- */

/* Letters, digits and underscores: "vif_0_rx" of every VM is one metric with a label. */
static void metric_name(const struct column *c, struct sbuf *out)
{
	sbuf_adds(out, "xenith_");
	for (const char *p = c->name; *p; p++)
		sbuf_addc(out,
			(*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
					(*p >= 'A' && *p <= 'Z')
				? *p
				: '_');
}

static void metrics_of(const struct owner *o, struct sbuf *out)
{
	int64_t last = series_last(o->series);

	for (size_t i = 0; i < series_n_columns(o->series); i++) {
		double v = series_value(o->series, last, i);

		if (isnan(v))
			continue;
		metric_name(series_column(o->series, i), out);
		sbuf_printf(out, "{owner=\"%s\",uuid=\"%s\"} %.9g %lld\n", o->kind, o->uuid, v,
			(long long)last * STEP_S);
	}
}

MAY_WAIT struct err *api_rrd_metrics(struct call *c, const char **out)
{
	auto_sbuf text = {0};

	map_for_each (slot, &rrdd.owners) {
		const struct owner *o = slot->value;

		if (o->is_live)
			metrics_of(o, &text);
	}
	sbuf_adds(&text, "# EOF\n");
	*out = arena_strndup(c->arena, sbuf_data(&text), sbuf_len(&text));
	return NULL;
}
