/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of rows: what a VM with its disks and its interface takes, and that all of it comes
 * back.
 */
#include "tests/unit/test.h"

#include "common/loop.h"
#include "tests/unit/xapid/full_pool.h"

#include <malloc.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OWN_HEAP 1
#endif
#endif

static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* At most 24 KiB a VM, all its rows together. */
static void a_vm_is_small(void **state)
{
	enum { VMS = 500 };
	struct full_pool pool;

#ifdef HAS_OWN_HEAP
	SKIP("a sanitizer has a heap of its own");
#endif
	loop_init();
	full_pool_must(db_open(&(struct db_options){0}));
	full_pool_make(&pool, 1);
	size_t before = heap();
	for (unsigned i = 1; i <= VMS; i++) {
		const char *vm = full_pool_vm(&pool, i);

		full_pool_disk(&pool, vm, 0);
		full_pool_disk(&pool, vm, 1);
		full_pool_nic(&pool, vm, i);
	}
	size_t each = (heap() - before) / VMS;
	printf("# %zu bytes a VM\n", each);
	assert_in_range(each, 4096, 24 * 1024);
	db_close();
	loop_fini();
}

TEST_MAIN(TEST(a_vm_is_small))
