/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rrdd/source_*.c: the kernel's files as they are on a host, cut off and wrong; and VMs.
 */
#include "rrdd/sources.h"

#include "tests/unit/common/scratch.h"
#include "tests/unit/test.h"

#include <math.h>

static const struct sample *find(const struct samples *s, const char *name)
{
	vec_for_each (i, &s->v)
		if (!strcmp(s->v.v[i].name, name))
			return &s->v.v[i];
	return NULL;
}

static void check(const struct samples *s, const char *name, enum column_kind kind, double value)
{
	const struct sample *found = find(s, name);

	if (!found)
		fail_msg("no %s", name);
	assert_int_equal(found->kind, kind);
	if (fabs(found->value - value) > 1e-6)
		fail_msg("%s is %f and not %f", name, found->value, value);
}

static void make_dirs(void)
{
	static const char *const dirs[] = {"proc/net", "sys/class/net/eth0/device",
		"sys/class/net/xenbr0", "sys/block/sda/device", "sys/block/loop0"};

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		assert_int_equal(dir_make(dirs[i], 0755), 0);
}

static void put_files(void)
{
	make_dirs();
	put("proc/stat",
		"cpu  30 0 0 100 0 0 0 0 0 0\n"
		"cpu0 100 50 25 1000 500 10 10 5 0 0\n"
		"cpu1 0 0 0 1000 0 0 0 0 0 0\n"
		"intr 1 2 3\n");
	put("proc/loadavg", "0.50 0.40 0.30 1/100 4711\n");
	put("proc/meminfo",
		"MemTotal:       8000000 kB\nMemFree: 1 kB\n"
		"MemAvailable:    6000000 kB\n");
	put("proc/net/dev",
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "
		"errs drop fifo colls carrier compressed\n"
		"    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n"
		"  eth0: 1000 10 3 0 0 0 0 0 2000 20 4 0 0 0 0 0\n"
		"xenbr0: 500 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\n");
	put("proc/diskstats",
		"   7       0 loop0 1 0 2 0 3 0 4 0 0 0 0\n"
		"   8       0 sda 11 1 100 5 22 2 200 6 0 7 8 0 0 0 0\n"
		"   8       1 sda1 1 0 2 0 3 0 4 0 0 0 0\n");
}

static void reads_a_host(void **state)
{
	AUTO(samples_fini) struct samples s = {0};
	double tick = (double)sysconf(_SC_CLK_TCK);

	put_files();
	host_read(".", &s);
	check(&s, "cpu0", COLUMN_COUNTER, 200 / tick);
	check(&s, "cpu1", COLUMN_COUNTER, 0);
	check(&s, "cpu_avg", COLUMN_COUNTER, 100 / tick);
	check(&s, "loadavg", COLUMN_GAUGE, 0.5);
	check(&s, "memory_total_kib", COLUMN_GAUGE, 8000000);
	check(&s, "memory_free_kib", COLUMN_GAUGE, 6000000);
	check(&s, "pif_eth0_rx", COLUMN_COUNTER, 1000);
	check(&s, "pif_eth0_tx", COLUMN_COUNTER, 2000);
	check(&s, "pif_eth0_rx_errors", COLUMN_COUNTER, 3);
	check(&s, "pif_eth0_tx_errors", COLUMN_COUNTER, 4);
	check(&s, "pif_aggr_rx", COLUMN_COUNTER, 1000);
	check(&s, "disk_sda_read", COLUMN_COUNTER, 100 * 512);
	check(&s, "disk_sda_write", COLUMN_COUNTER, 200 * 512);
	check(&s, "disk_sda_iops_read", COLUMN_COUNTER, 11);
	check(&s, "disk_sda_iops_write", COLUMN_COUNTER, 22);
	assert_int_equal(s.v.n, 16);
}

static void the_hypervisor_counts_cpus_where_there_is_one(void **state)
{
	AUTO(samples_fini) struct samples s = {0};
	struct xenops_vm_figures vm = {.vcpus_ns = {(int64_t[]){1, 2}, 2}};
	struct xenops_figures figures = {.vms = {&vm, 1}};
	int64_t cpus_ns[] = {1000000000, 3000000000, 5000000000};

	put_files();
	host_read(".", &s);
	host_add_figures(&figures, &s);
	check(&s, "running_domains", COLUMN_GAUGE, 1);
	check(&s, "running_vcpus", COLUMN_GAUGE, 2);
	assert_non_null(find(&s, "cpu1"));
	figures.cpus_ns.v = cpus_ns;
	figures.cpus_ns.n = 3;
	host_add_figures(&figures, &s);
	check(&s, "cpu0", COLUMN_COUNTER, 1);
	check(&s, "cpu2", COLUMN_COUNTER, 5);
	check(&s, "cpu_avg", COLUMN_COUNTER, 3);
}

static void what_cannot_be_read_is_left_out(void **state)
{
	AUTO(samples_fini) struct samples s = {0};

	host_read("./nowhere", &s);
	assert_int_equal(s.v.n, 0);
	make_dirs();
	put("proc/stat", "cpu0 1 2 3\ncpu\ncpux 1 2 3 4 5 6 7 8\n");
	put("proc/loadavg", "much");
	put("proc/meminfo", "MemTotal: lots kB");
	put("proc/net/dev",
		"eth0: 1 2 3\neth0\n: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
		"../../../x: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
	put("proc/diskstats", "8 0 sda 1 2\n8 0\n");
	host_read(".", &s);
	assert_int_equal(s.v.n, 0);
}

static void reads_a_vm(void **state)
{
	AUTO(samples_fini) struct samples s = {0};
	struct xenops_runstates runstates = {.blocked_ns = 7000000000};
	struct xenops_vif_figures vif = {.position = 0, .rx_bytes = 10, .tx_bytes = 20};
	struct xenops_vbd_figures vbd = {.position = "xvda", .read_bytes = 30, .writes = 4};
	int64_t free_bytes = 2048;
	const struct xenops_vm_figures vm = {
		.vcpus_ns = {(int64_t[]){2000000000, 4000000000}, 2},
		.runstates = &runstates,
		.memory_bytes = 1 << 20,
		.memory_target_bytes = 2 << 20,
		.memory_internal_free_bytes = &free_bytes,
		.vifs = {&vif, 1},
		.vbds = {&vbd, 1},
	};

	vm_read(&vm, &s);
	check(&s, "cpu0", COLUMN_COUNTER, 2);
	check(&s, "cpu1", COLUMN_COUNTER, 4);
	check(&s, "cpu_usage", COLUMN_COUNTER, 3);
	check(&s, "runstate_blocked", COLUMN_COUNTER, 7);
	check(&s, "memory", COLUMN_GAUGE, 1 << 20);
	check(&s, "memory_target", COLUMN_GAUGE, 2 << 20);
	check(&s, "memory_internal_free", COLUMN_GAUGE, 2);
	check(&s, "vif_0_rx", COLUMN_COUNTER, 10);
	check(&s, "vif_0_tx", COLUMN_COUNTER, 20);
	check(&s, "vbd_xvda_read", COLUMN_COUNTER, 30);
	check(&s, "vbd_xvda_iops_write", COLUMN_COUNTER, 4);
}

TEST_MAIN(IN_SCRATCH(reads_a_host), IN_SCRATCH(the_hypervisor_counts_cpus_where_there_is_one),
	IN_SCRATCH(what_cannot_be_read_is_left_out), IN_SCRATCH(reads_a_vm))
