/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: the heads of HTTP requests from anybody. What is taken for a head has an end that
 * does not depend on the pieces it came in, and written again it reads as the same.
 */
#include "common/sbuf.h"
#include "xapid/door/http.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t size_in_pieces(const char *text, size_t size)
{
	size_t scanned = 0, end = 0;

	for (size_t n = 0; n <= size && !end; n++)
		end = http_head_size(text, n, &scanned);
	return end;
}

static void check_request(const struct http_request *r, struct arena *a)
{
	assert(r->method && *r->method && r->target && r->path && r->query);
	assert(*r->path == '/' || !strcmp(r->path, "*"));
	assert(r->n_headers <= HTTP_HEADERS_MAX);
	assert(r->has_length || !r->length);
	for (size_t i = 0; i < r->n_headers; i++) {
		assert(!strpbrk(r->headers[i].value, "\r\n"));
		for (const char *c = r->headers[i].name; *c; c++)
			assert(!isupper((unsigned char)*c));
	}
	http_query(r, a, "session_id");
	http_cookie(r, a, "session_id");
	http_header_has(r, "connection", "upgrade");
}

static void check_again(const struct http_request *r, struct arena *a)
{
	auto_sbuf text = {0};
	struct http_request again;
	const char *why = "";

	sbuf_printf(&text, "%s %s HTTP/1.%d\r\n", r->method, r->target, r->is_1_0 ? 0 : 1);
	for (size_t i = 0; i < r->n_headers; i++)
		sbuf_printf(&text, "%s: %s\r\n", r->headers[i].name, r->headers[i].value);
	sbuf_adds(&text, "\r\n");
	unsigned status = http_read_head(sbuf_data(&text), sbuf_len(&text), a, &again, &why);
	assert(!status);
	assert(again.n_headers == r->n_headers && again.length == r->length &&
		again.keeps_alive == r->keeps_alive && !strcmp(again.path, r->path));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	auto_arena a = {0};
	const char *text = (const char *)bytes, *why = NULL;
	struct http_request r;
	size_t scanned = 0;

	size_t head = http_head_size(text, size, &scanned);
	assert(head <= size && scanned <= size);
	if (size < 2000)
		assert(size_in_pieces(text, size) == head);
	if (!head)
		return 0;
	unsigned status = http_read_head(text, head, &a, &r, &why);
	assert(!status == !why);
	if (!status) {
		check_request(&r, &a);
		check_again(&r, &a);
	}
	return 0;
}
