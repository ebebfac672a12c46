/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests of the simulator that are saved, to an image or to another host. A guest's memory is but a
 * number there; of each page that is copied its number goes out, so that bytes move as they do for
 * a real one. What is written are rounds of pages, and last the domain:
 *
 *	kind and length, 64 bits each, little endian; pages: 64 bits each, or the domain as JSON
 *
 * A migration has a round of all pages and then of those that changed, a suspended guest none.
 */
#include "common/codec.h"
#include "common/mem.h"
#include "core.gen.h"
#include "simulator.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/backend_simulator.h"
#include "xenopsd/image.h"

#include <endian.h>
#include <string.h>

#define PAGES  1 /* kinds */
#define DOMAIN 2

#define FEW_PAGES   64 /* so many are copied while the guest stands */
#define BLOCK_PAGES 8192
#define BLOCK_BYTES (BLOCK_PAGES * sizeof(uint64_t))
#define MAX_BYTES   ((size_t)1 << 30)

/* ---- writing ---- */

static MAY_WAIT struct err *put_head(struct image *image, uint64_t kind, uint64_t n)
{
	const uint64_t head[2] = {htole64(kind), htole64(n)};

	return image_write(image, head, sizeof(head));
}

static MAY_WAIT struct err *put_pages(struct image *image, uint64_t n)
{
	auto_str room = xmalloc(BLOCK_BYTES);
	uint64_t *pages = (uint64_t *)(void *)room;

	TRY(put_head(image, PAGES, n * sizeof(uint64_t)));
	for (uint64_t at = 0; at < n;) {
		size_t part = n - at < BLOCK_PAGES ? (size_t)(n - at) : BLOCK_PAGES;

		for (size_t i = 0; i < part; i++)
			pages[i] = htole64(at + i);
		TRY(image_write(image, pages, part * sizeof(uint64_t)));
		at += part;
	}
	return NULL;
}

static MAY_WAIT struct err *copy_round(
	const struct vm *vm, struct image *image, bool first, int64_t *n)
{
	const struct simulator_domain_copy_round_in in = {.vm = vm->id, .first = first};
	auto_arena a = {0};

	TRY(simulator_domain_copy_round(simulator_client(), &in, &a, n, NEVER));
	return *n ? put_pages(image, (uint64_t)*n) : NULL;
}

struct err *simulator_save_running(struct vm *vm, struct image *image)
{
	int64_t n;

	TRY(copy_round(vm, image, true, &n));
	while (n > FEW_PAGES)
		TRY(copy_round(vm, image, false, &n));
	return NULL;
}

struct err *simulator_save(struct vm *vm, struct image *image)
{
	const struct simulator_domain_save_in in = {.vm = vm->id};
	struct simulator_saved_domain saved;
	auto_arena a = {0};
	auto_sbuf text = {0};
	int64_t n;

	TRY(copy_round(vm, image, false, &n));
	TRY(simulator_domain_save(simulator_client(), &in, &a, &saved, NEVER));
	codec_encode(&simulator_type_saved_domain, &saved, &text);
	TRY(put_head(image, DOMAIN, sbuf_len(&text)));
	return image_write(image, sbuf_data(&text), sbuf_len(&text));
}

/* ---- reading ---- */

static struct err *damaged(void)
{
	return err(Image_unusable, "is not of a simulated guest");
}

static MAY_WAIT struct err *load(struct image *image, struct sbuf *out)
{
	auto_str block = xmalloc(BLOCK_BYTES);
	size_t n;

	do {
		TRY(image_read(image, block, BLOCK_BYTES, &n));
		sbuf_add(out, block, n);
		if (sbuf_len(out) > MAX_BYTES)
			return damaged();
	} while (n);
	return NULL;
}

static struct err *check_pages(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n / sizeof(uint64_t); i++) {
		uint64_t page;

		memcpy(&page, bytes + i * sizeof(page), sizeof(page));
		if (le64toh(page) != i)
			return damaged();
	}
	return n % sizeof(uint64_t) ? damaged() : NULL;
}

/* Passes over the pages; what is left is the domain's text. */
static struct err *find_domain(struct sbuf *in)
{
	for (;;) {
		uint64_t head[2];

		if (sbuf_len(in) < sizeof(head))
			return damaged();
		memcpy(head, sbuf_data(in), sizeof(head));
		sbuf_consume(in, sizeof(head));
		uint64_t n = le64toh(head[1]);
		if (n > sbuf_len(in))
			return damaged();
		if (le64toh(head[0]) == DOMAIN)
			return n == sbuf_len(in) ? NULL : damaged();
		if (le64toh(head[0]) != PAGES)
			return damaged();
		TRY(check_pages(sbuf_data(in), (size_t)n));
		sbuf_consume(in, (size_t)n);
	}
}

struct err *simulator_restore(struct vm *vm, struct image *image)
{
	struct simulator_domain_restore_in in = {.vm = vm->id};
	auto_arena a = {0};
	auto_sbuf bytes = {0};

	TRY(load(image, &bytes));
	TRY(find_domain(&bytes));
	auto_err e = codec_decode(&simulator_type_saved_domain, "domain", sbuf_data(&bytes),
		sbuf_len(&bytes), &a, &in.saved);
	if (e)
		return damaged();
	return simulator_domain_restore(simulator_client(), &in, &a, NEVER);
}
