/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Diagnostics: how much memory and how many objects xapid has. The original tells of its collector
 * of garbage; here that is the allocator, and the names are its own.
 */
#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"

#include "xenapi.gen.h"

#include <malloc.h>

struct figure {
	const char *name;
	uint64_t value;
};

static void tell(struct call *c, const struct figure *v, size_t n, struct string_map *out)
{
	*out = (struct string_map){arena_calloc(c->arena, n, sizeof(*out->v)), n};
	for (size_t i = 0; i < n; i++)
		out->v[i] = (struct string_map_entry){
			v[i].name, arena_printf(c->arena, "%llu", (unsigned long long)v[i].value)};
}

static struct err *check_host(const char *ref)
{
	const struct xenapi_host *host;

	return db_get(host, ref, &host);
}

/* Gives back to the kernel what is free. */
MAY_WAIT struct err *xapi_diagnostics_gc_compact(
	struct call *c, const struct xenapi_diagnostics_gc_compact_in *in)
{
	TRY(check_host(in->host));
	malloc_trim(0);
	return NULL;
}

MAY_WAIT struct err *xapi_diagnostics_gc_stats(
	struct call *c, const struct xenapi_diagnostics_gc_stats_in *in, struct string_map *out)
{
	struct mallinfo2 now = mallinfo2();
	const struct figure figures[] = {
		{"arena_bytes", now.arena},
		{"mapped_bytes", now.hblkhd},
		{"used_bytes", now.uordblks},
		{"free_bytes", now.fordblks},
		{"free_chunks", now.ordblks},
	};

	TRY(check_host(in->host));
	tell(c, figures, ARRAY_LEN(figures), out);
	return NULL;
}

MAY_WAIT struct err *xapi_diagnostics_db_stats(struct call *c, struct string_map *out)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < xenapi_interface.n_classes; i++)
		rows += db_count_of(xenapi_interface.classes[i]);
	const struct figure figures[] = {
		{"generation", db_generation()},
		{"rows", rows},
		{"remembered_deletions_since", db_tombstones_from()},
	};
	tell(c, figures, ARRAY_LEN(figures), out);
	return NULL;
}
