/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a browser gets: the files below <share>/www, and /healthz for whoever watches the host.
 * Files are read by the offload pool; names that begin with a dot are nobody's business.
 */
#include "common/file.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xapid/door/http_conn.h"
#include "xapid/door/range.h"

#include <string.h>

#define FILE_MAX ((size_t)32 * 1024 * 1024)

static char *root; /* owned; without a slash at its end */

void files_set_root(const char *www)
{
	free(root);
	root = www ? xstrdup(www) : NULL;
}

static const char *type_of(const char *path)
{
	static const struct {
		const char *suffix, *type;
	} types[] = {
		{".html", "text/html; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".json", "application/json"},
		{".txt", "text/plain; charset=utf-8"},
		{".svg", "image/svg+xml"},
		{".png", "image/png"},
		{".ico", "image/vnd.microsoft.icon"},
		{".woff2", "font/woff2"},
		{".wasm", "application/wasm"},
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < ARRAY_LEN(types); i++)
		if (!strcmp(dot, types[i].suffix))
			return types[i].type;
	return "application/octet-stream";
}

/* No part of the path may begin with a dot, so none leads upwards. */
static bool is_servable(const char *path)
{
	return *path == '/' && !strstr(path, "/.") && !strchr(path, '\\');
}

/* All of it, or the part that is wanted. */
static void reply(struct exchange *x, const char *type, const char *bytes, size_t size)
{
	unsigned long long all = size;
	uint64_t first = 0, n = size;

	exchange_header(x, "accept-ranges", "bytes");
	switch (range_wanted(&x->request, size, &first, &n)) {
	case RANGE_ALL:
		exchange_reply(x, 200, type, bytes, size);
		return;
	case RANGE_BEYOND:
		exchange_header(x, "content-range", arena_printf(x->arena, "bytes */%llu", all));
		exchange_refuse(x, 416, "there are %llu bytes", all);
		return;
	case RANGE_PART:
		exchange_header(x, "content-range",
			arena_printf(x->arena, "bytes %llu-%llu/%llu", (unsigned long long)first,
				(unsigned long long)(first + n - 1), all));
		exchange_reply(x, 206, type, bytes + first, n);
		return;
	}
}

static MAY_WAIT struct err *serve_file(struct exchange *x)
{
	const char *path = x->request.path;
	char *bytes = NULL;
	size_t n = 0;

	if (!is_servable(path) || !root) {
		exchange_refuse(x, 404, "there is nothing here");
		return NULL;
	}
	if (path[strlen(path) - 1] == '/')
		path = arena_printf(x->arena, "%sindex.html", path);
	const char *file = arena_printf(x->arena, "%s%s", root, path);
	auto_err e = file_load(file, FILE_MAX, &bytes, &n);
	if (e) {
		exchange_refuse(x, 404, "there is nothing here");
		return NULL;
	}
	auto_str owned = bytes;
	exchange_header(x, "cache-control", "no-cache");
	exchange_header(x, "x-content-type-options", "nosniff");
	exchange_header(x, "x-frame-options", "SAMEORIGIN");
	exchange_header(x, "content-security-policy",
		"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
		"connect-src 'self' ws: wss:");
	reply(x, type_of(path), owned, n);
	return NULL;
}

static MAY_WAIT struct err *serve_health(struct exchange *x)
{
	exchange_header(x, "cache-control", "no-store");
	exchange_reply(x, 200, "text/plain", "ok\n", 3);
	return NULL;
}

const struct route file_routes[] = {
	{.method = "GET", .path = "/", .fn = serve_file},
	{.method = "GET", .path = "/healthz", .fn = serve_health},
};
const size_t n_file_routes = ARRAY_LEN(file_routes);
