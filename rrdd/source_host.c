/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's figures, from the files that the kernel makes of them (sources.h). Any thread.
 */
#include "common/file.h"
#include "common/mem.h"
#include "rrdd/sources.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_BYTES   ((size_t)4 << 20)
#define SECTOR      512 /* of diskstats, whatever the disk's own is */
#define MAX_DEVICES 256

void samples_fini(struct samples *s)
{
	vec_fini(&s->v);
	arena_fini(&s->arena);
}

#define ADD(of_kind) \
	do { \
		struct sample sample = {.kind = (of_kind), \
			.value = value, \
			.max = max, \
			.units = units, \
			.description = description}; \
		va_list ap; \
\
		va_start(ap, name_fmt); \
		sample.name = arena_vprintf(&s->arena, name_fmt, ap); \
		va_end(ap); \
		if (strlen(sample.name) < COLUMN_NAME_SIZE && isfinite(value)) \
			vec_push(&s->v, sample); \
	} while (0)

void sample_gauge(struct samples *s, double value, double max, const char *units,
	const char *description, const char *name_fmt, ...)
{
	ADD(COLUMN_GAUGE);
}

void sample_counter(struct samples *s, double value, double max, const char *units,
	const char *description, const char *name_fmt, ...)
{
	ADD(COLUMN_COUNTER);
}

/* A file's lines, one after the other: *AT is NULL behind the last. */
static char *read_text(const char *root, const char *path)
{
	auto_str whole = xasprintf("%s%s", root, path);
	char *text;

	return file_read(whole, MAX_BYTES, &text, NULL) ? NULL : text;
}

static bool has_path(const char *root, const char *path)
{
	auto_str whole = xasprintf("%s%s", root, path);

	return !access(whole, F_OK);
}

/* ---- processors ---- */

/* The fields of a line of /proc/stat, in clock ticks; iowait is time in which nothing was done. */
static bool read_cpu(const char *line, unsigned *number, double *busy_s)
{
	uint64_t user, nice, system, idle, iowait, irq, softirq, steal;

	/* The line without a number is the sum. */
	if (strncmp(line, "cpu", 3) != 0 || line[3] < '0' || line[3] > '9')
		return false;
	if (sscanf(line,
		    "cpu%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		    " %" SCNu64 " %" SCNu64,
		    number, &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal) != 9)
		return false;
	*busy_s = (double)(user + nice + system + irq + softirq + steal) /
		(double)sysconf(_SC_CLK_TCK);
	return true;
}

static void add_cpu(struct samples *s, size_t number, double busy_s)
{
	sample_counter(s, busy_s, 1, "(fraction)", "Use of a physical CPU", "cpu%zu", number);
}

static void add_cpu_average(struct samples *s, double busy_s, size_t n)
{
	if (n)
		sample_counter(s, busy_s / (double)n, 1, "(fraction)",
			"Use of the physical CPUs, on average", "cpu_avg");
}

static void read_cpus(const char *root, struct samples *s)
{
	auto_str text = read_text(root, "/proc/stat");
	double sum = 0, busy_s;
	unsigned number;
	size_t n = 0;
	char *at = text;

	for (char *line; at && (line = strsep(&at, "\n"));) {
		if (!read_cpu(line, &number, &busy_s))
			continue;
		add_cpu(s, number, busy_s);
		sum += busy_s;
		n++;
	}
	add_cpu_average(s, sum, n);
}

static void read_load(const char *root, struct samples *s)
{
	auto_str text = read_text(root, "/proc/loadavg");
	double load;

	if (text && sscanf(text, "%lf", &load) == 1)
		sample_gauge(s, load, INFINITY, "(fraction)",
			"Load of the control domain in the last minute", "loadavg");
}

/* ---- memory ---- */

static void read_memory(const char *root, struct samples *s)
{
	auto_str text = read_text(root, "/proc/meminfo");
	char *at = text;
	uint64_t kib;

	for (char *line; at && (line = strsep(&at, "\n"));) {
		if (sscanf(line, "MemTotal: %" SCNu64 " kB", &kib) == 1)
			sample_gauge(s, (double)kib, INFINITY, "KiB", "Memory of the host",
				"memory_total_kib");
		else if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
			sample_gauge(s, (double)kib, INFINITY, "KiB",
				"Memory of the host that is free", "memory_free_kib");
	}
}

/* ---- network ---- */

struct traffic {
	uint64_t rx, rx_errors, tx, tx_errors;
};

static void add_traffic(struct samples *s, const char *name, const struct traffic *t)
{
	sample_counter(s, (double)t->rx, INFINITY, "B/s", "Bytes received", "pif_%s_rx", name);
	sample_counter(s, (double)t->tx, INFINITY, "B/s", "Bytes sent", "pif_%s_tx", name);
	sample_counter(s, (double)t->rx_errors, INFINITY, "err/s", "Errors in receiving",
		"pif_%s_rx_errors", name);
	sample_counter(s, (double)t->tx_errors, INFINITY, "err/s", "Errors in sending",
		"pif_%s_tx_errors", name);
}

/* A network card, and no bridge or guest's end. */
static bool is_card(const char *root, const char *name)
{
	auto_str path = xasprintf("/sys/class/net/%s/device", name);

	return !strchr(name, '/') && has_path(root, path);
}

static bool read_card(const char *line, char name[static 32], struct traffic *t)
{
	return sscanf(line,
		       " %31[^: ]: %" SCNu64 " %*u %" SCNu64 " %*u %*u %*u %*u %*u %" SCNu64
		       " %*u %" SCNu64,
		       name, &t->rx, &t->rx_errors, &t->tx, &t->tx_errors) == 5;
}

static void read_network(const char *root, struct samples *s)
{
	auto_str text = read_text(root, "/proc/net/dev");
	struct traffic sum = {0}, t;
	char *at = text;
	char name[32];
	size_t n = 0;

	for (char *line; at && n < MAX_DEVICES && (line = strsep(&at, "\n"));) {
		if (!read_card(line, name, &t) || !is_card(root, name))
			continue;
		add_traffic(s, name, &t);
		sum.rx += t.rx;
		sum.tx += t.tx;
		n++;
	}
	if (!n)
		return;
	sample_counter(
		s, (double)sum.rx, INFINITY, "B/s", "Bytes received by all cards", "pif_aggr_rx");
	sample_counter(
		s, (double)sum.tx, INFINITY, "B/s", "Bytes sent by all cards", "pif_aggr_tx");
}

/* ---- disks ---- */

/* A whole disk of hardware, and no partition, loop device or volume. */
static bool is_disk(const char *root, const char *name)
{
	auto_str path = xasprintf("/sys/block/%s/device", name);

	return !strchr(name, '/') && has_path(root, path);
}

static void read_disks(const char *root, struct samples *s)
{
	auto_str text = read_text(root, "/proc/diskstats");
	char *at = text;
	char name[32];
	uint64_t reads, read_sectors, writes, written_sectors;
	size_t n = 0;

	for (char *line; at && n < MAX_DEVICES && (line = strsep(&at, "\n"));) {
		if (sscanf(line,
			    "%*u %*u %31s %" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64,
			    name, &reads, &read_sectors, &writes, &written_sectors) != 5 ||
			!is_disk(root, name))
			continue;
		sample_counter(s, (double)read_sectors * SECTOR, INFINITY, "B/s",
			"Bytes read from a disk", "disk_%s_read", name);
		sample_counter(s, (double)written_sectors * SECTOR, INFINITY, "B/s",
			"Bytes written to a disk", "disk_%s_write", name);
		sample_counter(s, (double)reads, INFINITY, "requests/s", "Reads from a disk",
			"disk_%s_iops_read", name);
		sample_counter(s, (double)writes, INFINITY, "requests/s", "Writes to a disk",
			"disk_%s_iops_write", name);
		n++;
	}
}

void host_read(const char *root, struct samples *out)
{
	read_cpus(root, out);
	read_load(root, out);
	read_memory(root, out);
	read_network(root, out);
	read_disks(root, out);
}

/* ---- what the hypervisor knows better ---- */

static bool is_cpu(const char *name)
{
	return !strcmp(name, "cpu_avg") ||
		(!strncmp(name, "cpu", 3) && name[3] >= '0' && name[3] <= '9');
}

void host_add_figures(const struct xenops_figures *figures, struct samples *out)
{
	double sum = 0;
	size_t vcpus = 0;

	for (size_t i = 0; i < figures->vms.n; i++)
		vcpus += figures->vms.v[i].vcpus_ns.n;
	sample_gauge(out, (double)figures->vms.n, INFINITY, "count", "Domains that run",
		"running_domains");
	sample_gauge(
		out, (double)vcpus, INFINITY, "count", "VCPUs of these domains", "running_vcpus");
	if (!figures->cpus_ns.n)
		return;
	for (size_t i = out->v.n; i-- > 0;)
		if (is_cpu(out->v.v[i].name))
			vec_remove(&out->v, i);
	for (size_t i = 0; i < figures->cpus_ns.n; i++) {
		add_cpu(out, i, (double)figures->cpus_ns.v[i] / 1e9);
		sum += (double)figures->cpus_ns.v[i] / 1e9;
	}
	add_cpu_average(out, sum, figures->cpus_ns.n);
}
