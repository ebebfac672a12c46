/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who serves what: by method, then by the longest path that the request's path is or lies below.
 */
#include "common/vec.h"
#include "xapid/door/http_conn.h"

#include <string.h>

static vec_of(const struct route *) routes; /* longest path first; of equal ones the newest */

void door_add_routes(const struct route *more, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(more[i].path), at = 0;

		while (at < routes.n && strlen(routes.v[at]->path) > len)
			at++;
		vec_insert(&routes, at, &more[i]);
	}
}

/* "/a" is a prefix of "/a" and "/a/b", not of "/ab"; "/" is one of everything. */
static bool is_below(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(path, prefix, len) != 0)
		return false;
	return prefix[len - 1] == '/' || !path[len] || path[len] == '/';
}

const struct route *route_find(const char *method, const char *path, bool *knows_method)
{
	if (!strcmp(method, "HEAD"))
		method = "GET";
	vec_for_each (i, &routes) {
		if (strcmp(routes.v[i]->method, method) != 0)
			continue;
		*knows_method = true;
		if (is_below(path, routes.v[i]->path))
			return routes.v[i];
	}
	return NULL;
}

void route_fini(void)
{
	vec_fini(&routes);
}
