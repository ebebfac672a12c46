/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images (image.h). The descriptor is used by the pool, one block at a time; all else by the fiber
 * that suspends or resumes the VM.
 */
#include "xenopsd/image.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/sbuf.h"
#include "core.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/channel.h"
#include "xenopsd/xenopsd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define MAGIC       "xenith image 1\n"
#define BLOCK_BYTES ((size_t)1 << 20)

struct image {
	char *path; /* owned */
	char *vm; /* owned */
	int fd;
	uint64_t checksum; /* of the body so far */
	int64_t done; /* bytes of the body */
	int64_t max_bytes; /* of the whole; 0: no bound */
	/* Of one that is read; texts in the arena. Of one that is made, the memory alone. */
	struct xenopsd_image_header header;
	struct arena arena;
	unsigned char *block; /* owned; BLOCK_BYTES */
	struct task *task; /* NULL: nobody asked */
	double from, to;
	int64_t expected_bytes;
	struct channel *channel; /* borrowed; NULL: it is a file */
};

void image_free(struct image *image)
{
	if (!image)
		return;
	if (image->fd >= 0)
		close(image->fd);
	arena_fini(&image->arena);
	free(image->path);
	free(image->vm);
	free(image->block);
	free(image);
}

void image_set_memory_bytes(struct image *image, int64_t bytes)
{
	image->header.memory_bytes = bytes;
}

int64_t image_memory_bytes(const struct image *image)
{
	return image->header.memory_bytes;
}

static void image_freep(struct image **image)
{
	image_free(*image);
}

static struct image *new_image(const struct vm *vm, const char *path)
{
	struct image *image = xnew(struct image);

	image->path = xstrdup(path);
	image->vm = xstrdup(vm->id);
	image->fd = -1;
	image->checksum = UINT64_C(0xcbf29ce484222325);
	image->block = xmalloc(BLOCK_BYTES);
	return image;
}

/* FNV-1a: against damage, not against malice. */
static uint64_t checksum(uint64_t sum, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static char *checksum_text(uint64_t sum)
{
	return xasprintf("%016" PRIx64, sum);
}

static struct err *unusable(const struct image *image, const char *reason)
{
	auto_str text = xasprintf("%s %s", image->path, reason);

	return err(Image_unusable, text);
}

void image_report(
	struct image *image, struct task *task, double from, double to, int64_t expected_bytes)
{
	image->task = task;
	image->from = from;
	image->to = to;
	image->expected_bytes = expected_bytes;
}

static void moved(struct image *image, size_t n)
{
	image->done += (int64_t)n;
	if (!image->task || image->expected_bytes <= 0)
		return;
	double part = (double)image->done / (double)image->expected_bytes;
	if (part < 1)
		task_progress(image->task, image->from + part * (image->to - image->from));
}

struct image *image_of_channel(const struct vm *vm, struct channel *p)
{
	struct image *image = new_image(vm, "");

	image->channel = p;
	return image;
}

/* ---- work of the pool ---- */

enum work_kind { WORK_CREATE, WORK_WRITE, WORK_SYNC, WORK_OPEN, WORK_READ };

struct work {
	enum work_kind kind;
	struct image *image;
	const void *bytes; /* to be written */
	void *room; /* to be read into */
	size_t n; /* of the two; and what was read */
	off_t at;
	int r; /* 0 or -errno */
};

static int write_at(int fd, const char *bytes, size_t n, off_t at)
{
	while (n) {
		ssize_t r = pwrite(fd, bytes, n, at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		bytes += r;
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

/* *N is less where the file ends. */
static int read_at(int fd, char *room, size_t *n, off_t at)
{
	size_t done = 0;

	while (done < *n) {
		ssize_t r = pread(fd, room + done, *n - done, at + (off_t)done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (!r)
			break;
		done += (size_t)r;
	}
	*n = done;
	return 0;
}

static int create(struct image *image)
{
	static const char nothing[IMAGE_BODY];

	image->fd = open(image->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (image->fd < 0)
		return -errno;
	int r = write_at(image->fd, nothing, sizeof(nothing), 0);
	if (r)
		return r;
	return fdatasync(image->fd) ? -errno : 0;
}

static void run(void *arg)
{
	struct work *w = arg;
	struct image *image = w->image;

	switch (w->kind) {
	case WORK_CREATE:
		w->r = create(image);
		return;
	case WORK_OPEN:
		image->fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		w->r = image->fd < 0 ? -errno : 0;
		return;
	case WORK_WRITE:
		w->r = write_at(image->fd, w->bytes, w->n, w->at);
		return;
	case WORK_SYNC:
		w->r = fdatasync(image->fd) ? -errno : 0;
		return;
	case WORK_READ:
		w->r = read_at(image->fd, w->room, &w->n, w->at);
		return;
	}
}

static MAY_WAIT struct err *work(struct work *w, const char *doing)
{
	TRY(offload(doing, run, w));
	return w->r ? err_errno(-w->r, "%s %s", doing, w->image->path) : NULL;
}

/* ---- writing ---- */

MAY_WAIT struct err *image_create(
	const struct vm *vm, const char *path, int64_t max_bytes, struct image **out)
{
	AUTO(image_freep) struct image *image = new_image(vm, path);
	struct work w = {WORK_CREATE, .image = image};

	image->max_bytes = max_bytes;
	TRY(work(&w, "making the image"));
	*out = take(image);
	return NULL;
}

MAY_WAIT struct err *image_write(struct image *image, const void *bytes, size_t n)
{
	struct work w = {WORK_WRITE, image, .bytes = bytes, .n = n, .at = IMAGE_BODY + image->done};

	if (image->channel) {
		TRY(channel_send_memory(image->channel, bytes, n));
		moved(image, n);
		return NULL;
	}
	if (image->max_bytes && w.at + (int64_t)n > image->max_bytes)
		return err_errno(ENOSPC, "writing the image %s", image->path);
	TRY(work(&w, "writing the image"));
	image->checksum = checksum(image->checksum, bytes, n);
	moved(image, n);
	return NULL;
}

MAY_WAIT struct err *image_finish(struct image *image)
{
	auto_str sum = checksum_text(image->checksum);
	const struct xenopsd_image_header header = {xenopsd.backend->name, image->vm, image->done,
		sum, .memory_bytes = image->header.memory_bytes};
	auto_sbuf text = {0};
	struct work sync = {WORK_SYNC, .image = image};

	if (image->channel)
		return channel_end_memory(image->channel);
	sbuf_adds(&text, MAGIC);
	codec_encode(&xenopsd_type_image_header, &header, &text);
	TRY(work(&sync, "writing the image"));
	struct work w = {
		WORK_WRITE, image, .bytes = sbuf_data(&text), .n = sbuf_len(&text), .at = 0};
	TRY(work(&w, "writing the image"));
	return work(&sync, "writing the image");
}

/* ---- reading ---- */

static MAY_WAIT struct err *check_header(struct image *image)
{
	char text[IMAGE_BODY + 1];
	struct work w = {WORK_READ, image, .room = text, .n = IMAGE_BODY, .at = 0};
	size_t magic = strlen(MAGIC);

	TRY(work(&w, "reading the image"));
	text[w.n] = '\0';
	if (strncmp(text, MAGIC, magic) != 0)
		return unusable(image, "is no finished image of a VM");
	auto_err e = codec_decode(&xenopsd_type_image_header, "header", text + magic,
		strlen(text + magic), &image->arena, &image->header);
	if (e)
		return unusable(image, "has a damaged header");
	if (strcmp(image->header.vm, image->vm) != 0)
		return unusable(image, "is the image of another VM");
	if (strcmp(image->header.backend, xenopsd.backend->name) != 0)
		return unusable(image, "was made by another hypervisor");
	image->expected_bytes = image->header.body_bytes;
	return NULL;
}

MAY_WAIT struct err *image_open(const struct vm *vm, const char *path, struct image **out)
{
	AUTO(image_freep) struct image *image = new_image(vm, path);
	struct work w = {WORK_OPEN, .image = image};

	TRY(work(&w, "opening the image"));
	TRY(check_header(image));
	*out = take(image);
	return NULL;
}

static struct err *check_body(struct image *image)
{
	auto_str sum = checksum_text(image->checksum);

	if (strcmp(sum, image->header.body_checksum) != 0)
		return unusable(image, "is damaged: its checksum is wrong");
	return NULL;
}

MAY_WAIT struct err *image_read(struct image *image, void *bytes, size_t size, size_t *n)
{
	int64_t left = image->header.body_bytes - image->done;
	size_t wanted = left < (int64_t)size ? (size_t)(left > 0 ? left : 0) : size;
	struct work w = {
		WORK_READ, image, .room = bytes, .n = wanted, .at = IMAGE_BODY + image->done};

	*n = 0;
	if (image->channel) {
		TRY(channel_read_memory(image->channel, bytes, size, n));
		moved(image, *n);
		return NULL;
	}
	if (!wanted)
		return check_body(image);
	TRY(work(&w, "reading the image"));
	if (w.n < wanted)
		return unusable(image, "is damaged: it is too short");
	image->checksum = checksum(image->checksum, bytes, w.n);
	moved(image, w.n);
	*n = w.n;
	return NULL;
}

/* ---- to and from descriptors ---- */

MAY_WAIT struct err *image_fill(struct image *image, int fd)
{
	for (;;) {
		ssize_t r = read(fd, image->block, BLOCK_BYTES);

		if (!r)
			return NULL;
		if (r > 0)
			TRY(image_write(image, image->block, (size_t)r));
		else if (errno == EAGAIN)
			TRY(fiber_wait_fd(fd, FD_READABLE, "the guest's memory", NEVER));
		else if (errno != EINTR)
			return err_errno(errno, "reading the guest's memory");
	}
}

static MAY_WAIT struct err *send_block(int fd, const unsigned char *bytes, size_t n)
{
	while (n) {
		ssize_t r = write(fd, bytes, n);

		if (r > 0) {
			bytes += r;
			n -= (size_t)r;
		} else if (errno == EAGAIN) {
			TRY(fiber_wait_fd(fd, FD_WRITABLE, "the guest's memory", NEVER));
		} else if (errno != EINTR) {
			return err_errno(errno, "handing over the guest's memory");
		}
	}
	return NULL;
}

MAY_WAIT struct err *image_send(struct image *image, int fd)
{
	size_t n;

	for (;;) {
		TRY(image_read(image, image->block, BLOCK_BYTES, &n));
		if (!n)
			return NULL;
		TRY(send_block(fd, image->block, n));
	}
}
