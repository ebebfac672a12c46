/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes documents (document.h). Fibers.
 */
#include "rrdd/document.h"

#include "common/fiber.h"
#include "common/json.h"

#include <inttypes.h>
#include <math.h>

#define YIELD_BYTES ((size_t)256 << 10) /* a few milliseconds of writing */

void document_number(double v, struct sbuf *out)
{
	if (isnan(v))
		sbuf_adds(out, "NaN");
	else if (isinf(v))
		sbuf_adds(out, v > 0 ? "Infinity" : "-Infinity");
	else if (v == 0)
		sbuf_adds(out, "0.0");
	else
		sbuf_printf(out, "%.4f", v);
}

/* Text within XML: names of data sources are ours, but hold what guests and hosts call things. */
static void xml_text(const char *s, struct sbuf *out)
{
	for (; *s; s++) {
		if (*s == '<')
			sbuf_adds(out, "&lt;");
		else if (*s == '>')
			sbuf_adds(out, "&gt;");
		else if (*s == '&')
			sbuf_adds(out, "&amp;");
		else if ((unsigned char)*s >= ' ')
			sbuf_addc(out, *s);
	}
}

static MAY_WAIT struct err *breathe(const struct sbuf *out, size_t *from)
{
	if (sbuf_len(out) - *from < YIELD_BYTES)
		return NULL;
	*from = sbuf_len(out);
	return fiber_yield();
}

/* ---- updates ---- */

static size_t n_columns(const struct updates *u)
{
	size_t n = 0;

	vec_for_each (i, &u->parts)
		n += u->parts.v[i].table.n_columns;
	return n;
}

static int64_t end_of(const struct updates *u)
{
	return u->first_s + ((int64_t)u->n_rows - 1) * u->row_s;
}

static void legend(
	const struct updates *u, const struct updates_part *p, size_t i, struct sbuf *out)
{
	sbuf_printf(out, "%s:%s:%s:%s", u->consolidation, p->kind, p->uuid, p->table.names[i]);
}

static void updates_xml_meta(const struct updates *u, struct sbuf *out)
{
	sbuf_printf(out,
		"<meta><start>%lld</start><step>%lld</step><end>%lld</end><rows>%zu</rows>"
		"<columns>%zu</columns><legend>",
		(long long)u->first_s, (long long)u->row_s, (long long)end_of(u), u->n_rows,
		n_columns(u));
	vec_for_each (p, &u->parts) {
		for (size_t i = 0; i < u->parts.v[p].table.n_columns; i++) {
			auto_sbuf text = {0};

			legend(u, &u->parts.v[p], i, &text);
			sbuf_adds(out, "<entry>");
			xml_text(sbuf_str(&text), out);
			sbuf_adds(out, "</entry>");
		}
	}
	sbuf_adds(out, "</legend></meta>");
}

/* Newest row first. */
static MAY_WAIT struct err *updates_xml(const struct updates *u, struct sbuf *out)
{
	size_t written = 0;

	sbuf_adds(out, "<?xml version=\"1.0\"?><xport>");
	updates_xml_meta(u, out);
	sbuf_adds(out, "<data>");
	for (size_t row = u->n_rows; row-- > 0;) {
		sbuf_printf(out, "<row><t>%" PRId64 "</t>", u->first_s + (int64_t)row * u->row_s);
		vec_for_each (p, &u->parts) {
			const struct table *t = &u->parts.v[p].table;

			for (size_t i = 0; i < t->n_columns; i++) {
				sbuf_adds(out, "<v>");
				document_number(table_row(t, row)[i], out);
				sbuf_adds(out, "</v>");
			}
		}
		sbuf_adds(out, "</row>");
		TRY(breathe(out, &written));
	}
	sbuf_adds(out, "</data></xport>");
	return NULL;
}

/* Numbers are text of digits and letters: nothing to be escaped. */
static void json_number(double v, bool *is_first, struct sbuf *out)
{
	sbuf_adds(out, *is_first ? "\"" : ",\"");
	document_number(v, out);
	sbuf_addc(out, '"');
	*is_first = false;
}

static void json_text(const char *text, struct sbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_write_string(&w, text);
}

static void updates_json_meta(const struct updates *u, struct sbuf *out)
{
	const char *comma = "";

	sbuf_printf(out,
		"\"meta\":{\"start\":%lld,\"step\":%lld,\"end\":%lld,\"rows\":%zu,"
		"\"columns\":%zu,\"legend\":[",
		(long long)u->first_s, (long long)u->row_s, (long long)end_of(u), u->n_rows,
		n_columns(u));
	vec_for_each (p, &u->parts) {
		for (size_t i = 0; i < u->parts.v[p].table.n_columns; i++) {
			auto_sbuf text = {0};

			legend(u, &u->parts.v[p], i, &text);
			sbuf_adds(out, comma);
			json_text(sbuf_str(&text), out);
			comma = ",";
		}
	}
	sbuf_adds(out, "]}");
}

static MAY_WAIT struct err *updates_json(const struct updates *u, struct sbuf *out)
{
	size_t written = 0;

	sbuf_addc(out, '{');
	updates_json_meta(u, out);
	sbuf_adds(out, ",\"data\":[");
	for (size_t row = u->n_rows; row-- > 0;) {
		bool is_first = true;

		sbuf_printf(out, "{\"t\":%" PRId64 ",\"values\":[",
			u->first_s + (int64_t)row * u->row_s);
		vec_for_each (p, &u->parts) {
			const struct table *t = &u->parts.v[p].table;

			for (size_t i = 0; i < t->n_columns; i++)
				json_number(table_row(t, row)[i], &is_first, out);
		}
		sbuf_adds(out, row ? "]}," : "]}");
		TRY(breathe(out, &written));
	}
	sbuf_adds(out, "]}");
	return NULL;
}

MAY_WAIT struct err *document_updates(
	const struct updates *u, enum rrd_format format, struct sbuf *out)
{
	switch (format) {
	case RRD_FORMAT_XML:
		return updates_xml(u, out);
	case RRD_FORMAT_JSON:
		return updates_json(u, out);
	}
	abort();
}

/* ---- a whole RRD ---- */

static const char *type_of(const struct column *c)
{
	return c->kind == COLUMN_COUNTER ? "DERIVE" : "GAUGE";
}

static void xml_member(const char *name, double v, struct sbuf *out)
{
	sbuf_printf(out, "<%s>", name);
	document_number(v, out);
	sbuf_printf(out, "</%s>", name);
}

static void dump_xml_sources(const struct dump *d, struct sbuf *out)
{
	for (size_t i = 0; i < d->n_columns; i++) {
		const struct column *c = &d->columns[i];

		sbuf_adds(out, "<ds><name>");
		xml_text(c->name, out);
		sbuf_printf(out,
			"</name><type>%s</type><minimal_heartbeat>%d.0000</minimal_heartbeat>",
			type_of(c), HEARTBEAT_S);
		xml_member("min", c->kind == COLUMN_COUNTER ? 0 : -INFINITY, out);
		xml_member("max", c->max, out);
		xml_member("last_ds", d->raw[i], out);
		sbuf_adds(out, "<value>0.0</value><unknown_sec>0</unknown_sec></ds>");
	}
}

static void dump_xml_prep(size_t n, struct sbuf *out)
{
	sbuf_adds(out, "<cdp_prep>");
	for (size_t i = 0; i < n; i++)
		sbuf_adds(out,
			"<ds><primary_value>0.0</primary_value>"
			"<secondary_value>0.0</secondary_value><value>0.0</value>"
			"<unknown_datapoints>0</unknown_datapoints></ds>");
	sbuf_adds(out, "</cdp_prep>");
}

static MAY_WAIT struct err *dump_xml(const struct dump *d, struct sbuf *out)
{
	size_t written = 0;

	sbuf_printf(out,
		"<?xml version=\"1.0\"?><rrd><version>0003</version><step>%d</step>"
		"<lastupdate>%lld</lastupdate>",
		STEP_S, (long long)d->last_s);
	dump_xml_sources(d, out);
	for (size_t a = 0; a < ARRAY_LEN(d->archives); a++) {
		const struct table *t = &d->archives[a];

		sbuf_printf(out,
			"<rra><cf>AVERAGE</cf><pdp_per_row>%lld</pdp_per_row>"
			"<params><xff>0.5000</xff></params>",
			(long long)(t->row_s / STEP_S));
		dump_xml_prep(d->n_columns, out);
		sbuf_adds(out, "<database>");
		for (size_t row = 0; row < t->n_rows; row++) {
			sbuf_adds(out, "<row>");
			for (size_t i = 0; i < t->n_columns; i++)
				xml_member("v", table_row(t, row)[i], out);
			sbuf_adds(out, "</row>");
			TRY(breathe(out, &written));
		}
		sbuf_adds(out, "</database></rra>");
	}
	sbuf_adds(out, "</rrd>");
	return NULL;
}

static void json_member(const char *name, double v, struct sbuf *out)
{
	bool is_first = true;

	sbuf_printf(out, ",\"%s\":", name);
	json_number(v, &is_first, out);
}

static void dump_json_sources(const struct dump *d, struct sbuf *out)
{
	for (size_t i = 0; i < d->n_columns; i++) {
		const struct column *c = &d->columns[i];

		sbuf_adds(out, i ? ",{\"name\":" : "{\"name\":");
		json_text(c->name, out);
		sbuf_printf(out, ",\"type\":\"%s\",\"minimal_heartbeat\":\"%d.0000\"", type_of(c),
			HEARTBEAT_S);
		json_member("min", c->kind == COLUMN_COUNTER ? 0 : -INFINITY, out);
		json_member("max", c->max, out);
		json_member("last_ds", d->raw[i], out);
		sbuf_adds(out, ",\"value\":\"0.0\",\"unknown_sec\":\"0\"}");
	}
}

static void dump_json_prep(size_t n, struct sbuf *out)
{
	sbuf_adds(out, "\"cdp_prep\":{\"ds\":[");
	for (size_t i = 0; i < n; i++)
		sbuf_printf(out,
			"%s{\"primary_value\":\"0.0\",\"secondary_value\":\"0.0\","
			"\"value\":\"0.0\",\"unknown_datapoints\":\"0\"}",
			i ? "," : "");
	sbuf_adds(out, "]}");
}

static MAY_WAIT struct err *dump_json(const struct dump *d, struct sbuf *out)
{
	size_t written = 0;

	sbuf_printf(out, "{\"version\":\"0003\",\"step\":\"%d\",\"lastupdate\":\"%lld\",\"ds\":[",
		STEP_S, (long long)d->last_s);
	dump_json_sources(d, out);
	sbuf_adds(out, "],\"rra\":[");
	for (size_t a = 0; a < ARRAY_LEN(d->archives); a++) {
		const struct table *t = &d->archives[a];

		sbuf_printf(out,
			"%s{\"cf\":\"AVERAGE\",\"pdp_per_row\":\"%lld\","
			"\"params\":{\"xff\":\"0.5000\"},",
			a ? "," : "", (long long)(t->row_s / STEP_S));
		dump_json_prep(d->n_columns, out);
		sbuf_adds(out, ",\"database\":[");
		for (size_t row = 0; row < t->n_rows; row++) {
			bool is_first = true;

			sbuf_adds(out, row ? ",[" : "[");
			for (size_t i = 0; i < t->n_columns; i++)
				json_number(table_row(t, row)[i], &is_first, out);
			sbuf_addc(out, ']');
			TRY(breathe(out, &written));
		}
		sbuf_adds(out, "]}");
	}
	sbuf_adds(out, "]}");
	return NULL;
}

MAY_WAIT struct err *document_dump(const struct dump *d, enum rrd_format format, struct sbuf *out)
{
	switch (format) {
	case RRD_FORMAT_XML:
		return dump_xml(d, out);
	case RRD_FORMAT_JSON:
		return dump_json(d, out);
	}
	abort();
}
