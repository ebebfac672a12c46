/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the head of a qcow2 image (qcow2.h): big-endian fields at fixed places, extensions behind
 * them, and the name of the backing file, all in the first cluster. Pure; any thread.
 */
#include "smd/qcow2.h"

#include <string.h>

#define MAGIC          0x514649fbU /* "QFI\xfb" */
#define END_OF_EXTS    0U
#define BACKING_FORMAT 0xe2792acaU
#define V2_LENGTH      72
#define V3_LENGTH      104
#define MAX_SIZE       (INT64_C(1) << 56)
#define MAX_BACKING    1023

/* Where each field is. */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 4,
	AT_BACKING_OFFSET = 8,
	AT_BACKING_SIZE = 16,
	AT_CLUSTER_BITS = 20,
	AT_SIZE = 24,
	AT_CRYPT = 32,
	AT_INCOMPATIBLE = 72,
	AT_LENGTH = 100,
};

/* The incompatible features that are fine: dirty, corrupt (QEMU opens neither to write by itself),
 * compression type, extended L2 entries. Not the external data file. */
#define INCOMPATIBLE_DATA_FILE UINT64_C(4)
#define INCOMPATIBLE_KNOWN     (UINT64_C(1) | 2 | 8 | 16)

struct head {
	const unsigned char *bytes;
	size_t n; /* of the file's bytes, and of its first cluster at most */
};

static uint32_t be32(const struct head *h, size_t at)
{
	const unsigned char *p = h->bytes + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t be64(const struct head *h, size_t at)
{
	return (uint64_t)be32(h, at) << 32 | be32(h, at + 4);
}

static bool is_inside(const struct head *h, uint64_t at, uint64_t len)
{
	return at <= h->n && len <= h->n - at;
}

/* A string of LEN bytes at AT, without a NUL in it. */
static const char *copy_text(const struct head *h, size_t at, size_t len, char *out, size_t size)
{
	if (!len || len >= size || memchr(h->bytes + at, '\0', len))
		return "a name in its head is not right";
	memcpy(out, h->bytes + at, len);
	out[len] = '\0';
	return NULL;
}

static const char *read_backing(const struct head *h, struct qcow2_head *out)
{
	uint64_t at = be64(h, AT_BACKING_OFFSET);
	uint32_t len = be32(h, AT_BACKING_SIZE);

	if (!at && !len)
		return NULL;
	if (!at || !len || len > MAX_BACKING || !is_inside(h, at, len))
		return "the name of its backing file is not where it should be";
	return copy_text(h, (size_t)at, len, out->backing, sizeof(out->backing));
}

static const char *read_extensions(const struct head *h, size_t at, struct qcow2_head *out)
{
	while (is_inside(h, at, 8)) {
		uint32_t kind = be32(h, at), len = be32(h, at + 4);

		if (kind == END_OF_EXTS)
			return NULL;
		at += 8;
		if (!is_inside(h, at, len))
			return "an extension of its head does not fit";
		if (kind == BACKING_FORMAT) {
			const char *problem = copy_text(
				h, at, len, out->backing_format, sizeof(out->backing_format));
			if (problem)
				return problem;
		}
		at += ((size_t)len + 7) & ~(size_t)7;
	}
	return NULL;
}

/* What only version 3 has. *LENGTH: where the extensions begin. */
static const char *check_version(const struct head *h, size_t *length)
{
	uint32_t version = be32(h, AT_VERSION);

	*length = V2_LENGTH;
	if (version == 2)
		return NULL;
	if (version != 3)
		return "its version is not known";
	if (!is_inside(h, 0, V3_LENGTH))
		return "its head is cut off";
	uint64_t features = be64(h, AT_INCOMPATIBLE);
	if (features & INCOMPATIBLE_DATA_FILE)
		return "its data is in another file";
	if (features & ~INCOMPATIBLE_KNOWN)
		return "it has features that are not known";
	*length = be32(h, AT_LENGTH);
	if (*length < V3_LENGTH || *length % 8 || !is_inside(h, 0, *length))
		return "the length of its head is not right";
	return NULL;
}

const char *qcow2_read(const void *bytes, size_t n, struct qcow2_head *out)
{
	struct head h = {bytes, n};
	size_t length;

	*out = (struct qcow2_head){0};
	if (n < V2_LENGTH || be32(&h, AT_MAGIC) != MAGIC)
		return "no qcow2 image";
	uint32_t cluster_bits = be32(&h, AT_CLUSTER_BITS);
	if (cluster_bits < 9 || cluster_bits > 21)
		return "its cluster size is not right";
	if (h.n > (size_t)1 << cluster_bits)
		h.n = (size_t)1 << cluster_bits;
	if (be32(&h, AT_CRYPT))
		return "it is encrypted";
	uint64_t size = be64(&h, AT_SIZE);
	if (size > MAX_SIZE)
		return "its size is not right";
	out->virtual_size_bytes = (int64_t)size;
	const char *problem = check_version(&h, &length);
	if (!problem)
		problem = read_extensions(&h, length, out);
	if (!problem)
		problem = read_backing(&h, out);
	return problem;
}
