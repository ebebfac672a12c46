/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest that tells whether an accelerator runs guests: in software it always runs; one that is
 * none does not.
 */
#include "common/mem.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"
#include "xenopsd/backend_qemu.h"
#include "xenopsd/xenopsd.h"

struct xenopsd xenopsd;

const char *qemu_program(void)
{
	return "qemu-system-x86_64";
}

static void probe(void *arg)
{
	bool runs = false;
	auto_str path = xasprintf("%s/probe", scratch);

	CHECK_OK(qemu_probe("tcg", "Nehalem", path, &runs));
	assert_true(runs);
	assert_int_equal(access(path, F_OK), -1);
	CHECK_OK(qemu_probe("tcg", "486", path, &runs));
	assert_false(runs);
	CHECK_OK(qemu_probe("nothing", "Nehalem", path, &runs));
	assert_false(runs);
}

static void runs_in_software(void **state)
{
	if (system("command -v qemu-system-x86_64 >/dev/null")) /* lint: a test */
		SKIP("no %s", qemu_program());
	run_in_fiber(probe, NULL);
}

/* Whatever the machine is like, the answer comes, and once more from the file. */
static void kvm_or_not(void *arg)
{
	bool first, second;

	xenopsd.dir = scratch;
	qemu_accel_begin();
	CHECK_OK(qemu_can_use_kvm(&first));
	CHECK_OK(qemu_can_use_kvm(&second));
	assert_int_equal(first, second);
	printf("# guests run %s\n", first ? "on KVM" : "in software");
	qemu_accel_end();
}

static void finds_out(void **state)
{
	run_in_fiber(kvm_or_not, NULL);
}

TEST_MAIN(IN_SCRATCH(runs_in_software), IN_SCRATCH(finds_out))
