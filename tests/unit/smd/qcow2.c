/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smd/qcow2.c: heads as QEMU writes them, and as somebody might who wishes us ill.
 */
#include "smd/qcow2.h"

#include "tests/unit/test.h"

#include <string.h>

#define BACKING_AT 512
#define HEAD_SIZE  4096

static unsigned char head[HEAD_SIZE];

static void put32(size_t at, uint32_t v)
{
	for (size_t i = 0; i < 4; i++)
		head[at + i] = (unsigned char)(v >> (24 - 8 * i));
}

static void put64(size_t at, uint64_t v)
{
	put32(at, (uint32_t)(v >> 32));
	put32(at + 4, (uint32_t)v);
}

/* Version 3, clusters of 64 KiB, 1 GiB, no backing file. */
static void begin(void)
{
	memset(head, 0, sizeof(head));
	put32(0, 0x514649fb);
	put32(4, 3);
	put32(20, 16);
	put64(24, 1 << 30);
	put32(100, 104);
}

static void put_extension(size_t at, uint32_t kind, const char *text)
{
	put32(at, kind);
	put32(at + 4, (uint32_t)strlen(text));
	memcpy(head + at + 8, text, strlen(text));
}

static void put_backing(const char *name)
{
	put64(8, BACKING_AT);
	put32(16, (uint32_t)strlen(name));
	memcpy(head + BACKING_AT, name, strlen(name));
}

#define CHECK_GOOD(n) \
	({ \
		struct qcow2_head out_; \
		const char *problem_ = qcow2_read(head, n, &out_); \
		assert_null(problem_); \
		out_; \
	})
#define CHECK_BAD() \
	do { \
		struct qcow2_head out_; \
		assert_non_null(qcow2_read(head, HEAD_SIZE, &out_)); \
	} while (0)

static void reads_a_plain_one(void **state)
{
	begin();
	struct qcow2_head out = CHECK_GOOD(HEAD_SIZE);

	assert_int_equal(out.virtual_size_bytes, 1 << 30);
	assert_string_equal(out.backing, "");
	assert_string_equal(out.backing_format, "");
}

static void reads_what_is_behind_it(void **state)
{
	begin();
	put_extension(104, 0x6803f857, "features, which nobody here needs");
	put_extension(104 + 8 + 40, 0xe2792aca, "raw");
	put_backing("node-1.raw");
	struct qcow2_head out = CHECK_GOOD(HEAD_SIZE);

	assert_string_equal(out.backing, "node-1.raw");
	assert_string_equal(out.backing_format, "raw");
}

static void reads_version_2(void **state)
{
	begin();
	put32(4, 2);
	put32(100, 0);
	CHECK_GOOD(72);
	put_extension(72, 0xe2792aca, "qcow2");
	put_backing("a.qcow2");
	assert_string_equal(CHECK_GOOD(HEAD_SIZE).backing_format, "qcow2");
}

static void refuses_what_is_no_image(void **state)
{
	struct qcow2_head out;

	begin();
	for (size_t n = 0; n < 104; n++)
		assert_non_null(qcow2_read(head, n, &out));
	head[0] = 'X';
	CHECK_BAD();
	begin();
	put32(4, 4);
	CHECK_BAD();
	begin();
	put32(4, 1);
	CHECK_BAD();
}

static void refuses_numbers_that_cannot_be(void **state)
{
	static const uint32_t cluster_bits[] = {0, 8, 22, 64, 0xffffffff};
	static const uint32_t lengths[] = {0, 72, 96, 105, HEAD_SIZE + 8, 0xfffffff8};

	for (size_t i = 0; i < 5; i++) {
		begin();
		put32(20, cluster_bits[i]);
		CHECK_BAD();
	}
	for (size_t i = 0; i < 6; i++) {
		begin();
		put32(100, lengths[i]);
		CHECK_BAD();
	}
	begin();
	put64(24, UINT64_MAX);
	CHECK_BAD();
}

static void refuses_what_we_do_not_open(void **state)
{
	begin();
	put32(32, 2); /* encrypted */
	CHECK_BAD();
	begin();
	put64(72, 4); /* an external data file */
	CHECK_BAD();
	begin();
	put64(72, UINT64_C(1) << 40);
	CHECK_BAD();
	begin();
	put64(72, 1 | 8); /* dirty, another compression */
	CHECK_GOOD(HEAD_SIZE);
}

static void refuses_a_name_out_of_bounds(void **state)
{
	static const struct {
		uint64_t at;
		uint32_t len;
	} names[] = {{HEAD_SIZE, 1}, {HEAD_SIZE - 1, 2}, {UINT64_MAX, 1}, {UINT64_MAX - 3, 8},
		{512, 0}, {0, 8}, {512, 1024}, {512, UINT32_MAX}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		begin();
		put64(8, names[i].at);
		put32(16, names[i].len);
		memset(head + 512, 'a', HEAD_SIZE - 512);
		CHECK_BAD();
	}
	begin();
	put_backing("a.qcow2");
	head[BACKING_AT + 1] = '\0'; /* another name for C than for QEMU */
	CHECK_BAD();
	begin();
	put32(20, 9); /* behind the first cluster of 512 bytes */
	put_backing("a.qcow2");
	CHECK_BAD();
}

static void refuses_an_extension_out_of_bounds(void **state)
{
	static const uint32_t lengths[] = {HEAD_SIZE, 0x7fffffff, 0xfffffff9, 0xffffffff};

	for (size_t i = 0; i < 4; i++) {
		begin();
		put32(104, 0x12345678);
		put32(108, lengths[i]);
		CHECK_BAD();
	}
	begin();
	put_extension(104, 0xe2792aca, "a format whose name is far too long to be one");
	CHECK_BAD();
	begin();
	put_extension(104, 0xe2792aca, "");
	CHECK_BAD();
}

TEST_MAIN(TEST(reads_a_plain_one), TEST(reads_what_is_behind_it), TEST(reads_version_2),
	TEST(refuses_what_is_no_image), TEST(refuses_numbers_that_cannot_be),
	TEST(refuses_what_we_do_not_open), TEST(refuses_a_name_out_of_bounds),
	TEST(refuses_an_extension_out_of_bounds))
