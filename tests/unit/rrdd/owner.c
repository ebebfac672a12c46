/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rrdd/owner.c: an owner that is removed while somebody has it in hand. Skipped where there is no
 * librrd.
 */
#include "tests/unit/common/runtime.h"
#include "tests/unit/common/scratch.h"

#if __has_include(<rrd.h>)

#include "core.gen.h"
#include "rrd.gen.h"
#include "rrdd/owner.h"
#include "rrdd/rrdd.h"

#define VM "7d6c4a5e-0f3b-4f8e-9c53-3a4f6d2b1c00"

static char here[] = ".";

struct rrdd rrdd = {.series_dir = here, .archive_dir = here};

/* Whoever reads the archives one after the other waits in between. */
static void remove_amid(void *arg)
{
	static const int64_t finest[] = {STEP_S, HOUR_S};
	auto_arena a = {0};
	struct owner *o;

	CHECK_OK(owner_get(VM, &o));
	owner_ref(o);
	for (size_t i = 0; i < ARRAY_LEN(finest); i++) {
		struct table t = {0};

		CHECK_OK(owner_rows(o, finest[i], 0, HOUR_S, &a, &t));
		table_fini(&t);
	}
	CHECK_OK(owner_remove(o));
	for (size_t i = 0; i < ARRAY_LEN(finest); i++) {
		struct table t = {0};

		CHECK_ERR(owner_rows(o, finest[i], 0, HOUR_S, &a, &t), No_such_owner);
	}
	owner_unref(o);
	owners_close();
}

static void one_that_is_gone_has_no_rows(void **state)
{
	run_in_fiber(remove_amid, NULL);
}

TEST_MAIN(IN_SCRATCH(one_that_is_gone_has_no_rows))

#else

static void owners(void **state)
{
	SKIP("there is no librrd");
}

TEST_MAIN(IN_SCRATCH(owners))

#endif
