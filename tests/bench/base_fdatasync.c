/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base of bench_store: a page of a file that was laid out before, overwritten and synced. The file
 * stands in the working directory, as the store of the bench does. No code of the project.
 */
#include "tests/bench/bare_sync.h"

#include <stdio.h>

int main(void)
{
	struct bare_figures f;

	bare_sync(".", 1000, &f);
	printf("%g %g %g\n", f.p50, f.p50, f.p99);
	return 0;
}
