/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Heads of requests: where they end, what is in them, and which are refused. What hostile clients
 * send is tested from outside (tests/behave/test_door.py).
 */
#include "tests/unit/test.h"

#include "xapid/door/http.h"

#include <string.h>

static unsigned read_text(const char *text, struct arena *a, struct http_request *r)
{
	size_t scanned = 0, n = http_head_size(text, strlen(text), &scanned);
	const char *why = NULL;

	assert_int_equal(n, strlen(text));
	unsigned status = http_read_head(text, n, a, r, &why);
	assert_int_equal(!status, !why);
	return status;
}

static void finds_the_end(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nA: b\r\n\r\n",
			  more[] = "GET / HTTP/1.1\n\nrest";
	size_t scanned = 0;

	for (size_t n = 0; n < sizeof(head) - 1; n++)
		assert_int_equal(http_head_size(head, n, &scanned), 0);
	assert_int_equal(http_head_size(head, sizeof(head) - 1, &scanned), sizeof(head) - 1);
	scanned = 0;
	assert_int_equal(http_head_size(more, strlen(more), &scanned), strlen(more) - 4);
}

static void reads_everything(void **state)
{
	auto_arena a = {0};
	struct http_request r;

	assert_int_equal(
		read_text("PUT /a%20b/c?x=1%26+2&y&z=%zz HTTP/1.1\r\nHost: h\r\n"
			  "Content-Length:  12 \r\nCookie: k=v; session_id=a%2Fb\r\n"
			  "Connection: keep-alive, Upgrade\r\nexpect: 100-Continue\r\n\r\n",
			&a, &r),
		0);
	assert_string_equal(r.method, "PUT");
	assert_string_equal(r.path, "/a b/c");
	assert_string_equal(http_query(&r, &a, "x"), "1& 2");
	assert_string_equal(http_query(&r, &a, "y"), "");
	assert_null(http_query(&r, &a, "z"));
	assert_null(http_query(&r, &a, "xy"));
	assert_int_equal(http_query_all(&r, &a, "z").n, 0);
	assert_string_equal(http_cookie(&r, &a, "session_id"), "a/b");
	assert_null(http_cookie(&r, &a, "session"));
	assert_string_equal(http_header(&r, "host"), "h");
	assert_null(http_header(&r, "hos"));
	assert_true(http_header_has(&r, "connection", "upgrade"));
	assert_false(http_header_has(&r, "connection", "up"));
	assert_true(r.has_length && r.length == 12);
	assert_true(r.expects_continue && r.keeps_alive && !r.is_1_0);
}

static void reads_a_key_that_comes_often(void **state)
{
	auto_arena a = {0};
	struct http_request r;

	assert_int_equal(
		read_text("GET /x?k=1&kk=2&k=a%20b&k&z=3&k=%zz&k=4 HTTP/1.1\r\nHost: h\r\n\r\n", &a,
			&r),
		0);
	struct string_list all = http_query_all(&r, &a, "k");
	assert_int_equal(all.n, 4);
	assert_string_equal(all.v[0], "1");
	assert_string_equal(all.v[1], "a b");
	assert_string_equal(all.v[2], "");
	assert_string_equal(all.v[3], "4");
}

static void knows_who_stays(void **state)
{
	static const struct {
		const char *head;
		bool stays;
	} heads[] = {{"GET / HTTP/1.1\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
		{"POST /cli HTTP/1.0\r\ncontent-length: 0\r\n\r\n", false}};

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		auto_arena a = {0};
		struct http_request r;

		assert_int_equal(read_text(heads[i].head, &a, &r), 0);
		assert_int_equal(r.keeps_alive, heads[i].stays);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *head;
		unsigned status;
	} heads[] = {{"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400},
		{"GET / HTTP/1.1\nA: b\n\n", 400}, {"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400},
		{"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
		{"PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		{"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", 400}, {"GET / HTTP/3.0\r\n\r\n", 505},
		{"GET /%00 HTTP/1.1\r\n\r\n", 400}, {"GET a.b HTTP/1.1\r\n\r\n", 400},
		{"PUT / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n", 417}};

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		auto_arena a = {0};
		struct http_request r;

		assert_int_equal(read_text(heads[i].head, &a, &r), heads[i].status);
	}
}

TEST_MAIN(TEST(finds_the_end), TEST(reads_everything), TEST(reads_a_key_that_comes_often),
	TEST(knows_who_stays), TEST(refuses))
