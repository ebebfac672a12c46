/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of bench_store: 4 KiB overwritten in place in a file that was laid out before, and synced.
 * The file stands in the working directory, as the store of the bench does. No code of the project.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PAGES = 2048, PAGE = 4096, SYNCS = 1000 };

static long samples[SYNCS];

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	static char page[PAGE];
	char path[] = "bench-fdatasync.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || unlink(path))
		abort();
	for (int i = 0; i < PAGES; i++)
		if (pwrite(fd, page, PAGE, (off_t)i * PAGE) != PAGE)
			abort();
	if (fsync(fd))
		abort();
	for (int i = 0; i < SYNCS; i++) {
		long began = now_ns();

		page[0]++;
		if (pwrite(fd, page, PAGE, (off_t)(i % PAGES) * PAGE) != PAGE || fdatasync(fd))
			abort();
		samples[i] = now_ns() - began;
	}
	qsort(samples, SYNCS, sizeof(*samples), by_size);
	double p50 = (double)samples[SYNCS / 2] / 1e3,
	       p99 = (double)samples[SYNCS * 99 / 100] / 1e3;
	printf("%g %g %g\n", p50, p50, p99);
	return 0;
}
