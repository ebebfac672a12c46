/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writes of bare_sync.h.
 */
#include "tests/bench/bare_sync.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGES = 2048, PAGE = 4096 };

static int lay_out(const char *folder)
{
	static const char page[PAGE];
	char path[512];

	snprintf(path, sizeof(path), "%s/bench-sync-XXXXXX", folder);
	int fd = mkstemp(path);
	bare_must(fd >= 0 && !unlink(path), path);
	for (int i = 0; i < PAGES; i++)
		bare_must(pwrite(fd, page, PAGE, (off_t)i * PAGE) == PAGE, path);
	bare_must(!fsync(fd), path);
	return fd;
}

void bare_sync(const char *folder, unsigned n, struct bare_figures *out)
{
	static char page[PAGE];
	int fd = lay_out(folder);
	long *ns = calloc(n, sizeof(*ns));

	bare_must(ns, "memory");
	for (unsigned i = 0; i < n; i++) {
		long began = bare_now_ns();

		page[0]++;
		bare_must(
			pwrite(fd, page, PAGE, (off_t)(i % PAGES) * PAGE) == PAGE && !fdatasync(fd),
			"a sync");
		ns[i] = bare_now_ns() - began;
	}
	bare_figures(ns, n, out);
	free(ns);
	close(fd);
}
