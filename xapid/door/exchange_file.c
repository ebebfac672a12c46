/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bodies that come from files and go to files (door.h). The disk is the pool's to wait for.
 */
#include "common/file.h"
#include "common/mem.h"
#include "common/offload.h"
#include "xapid/door/door.h"

#include <errno.h>
#include <unistd.h>

#define PIECE ((size_t)128 * 1024)

struct piece {
	int fd, error;
	off_t at;
	char *to;
	const char *from;
	size_t n;
};

static void run_read(void *arg)
{
	struct piece *p = arg;
	ssize_t n = pread(p->fd, p->to, p->n, p->at);

	p->error = n < 0 ? errno : 0;
	p->n = n < 0 ? 0 : (size_t)n;
}

static void run_write(void *arg)
{
	struct piece *p = arg;

	p->error = -write_all(p->fd, p->from, p->n);
}

MAY_WAIT struct err *exchange_write_file(struct exchange *x, int fd, uint64_t n)
{
	auto_str block = xmalloc(PIECE);

	for (uint64_t at = 0; at < n;) {
		struct piece p = {.fd = fd,
			.at = (off_t)at,
			.to = block,
			.n = n - at < PIECE ? (size_t)(n - at) : PIECE};

		TRY(offload("reading a file", run_read, &p));
		if (p.error || !p.n)
			return err_errno(p.error ? p.error : EIO, "read a file");
		TRY(exchange_write(x, block, p.n));
		at += p.n;
	}
	return NULL;
}

MAY_WAIT struct err *exchange_read_file(struct exchange *x, int fd)
{
	struct piece p = {.fd = fd};

	for (;;) {
		TRY(exchange_read(x, &p.from, &p.n));
		if (!p.n)
			return NULL;
		TRY(offload("writing a file", run_write, &p));
		if (p.error)
			return err_errno(p.error, "write a file");
	}
}
