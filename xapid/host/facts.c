/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What there is to know of the machine (facts.h), but for its network devices, which are nics.c's.
 * Read on the pool, into an arena that is handed over.
 */
#include "xapid/host/facts.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/offload.h"
#include "xapid/host/hostname.h"
#include "xapid/host/nics.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MAX_FILE (4 << 20)
#define KIB      1024

/* ---- files ---- */

/* "" when it cannot be read. */
static char *read_text(struct arena *a, const char *path)
{
	auto_str text = NULL;

	if (file_read(path, MAX_FILE, &text, NULL) < 0)
		return arena_strdup(a, "");
	return arena_strdup(a, text);
}

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	size_t n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

static int64_t to_int(const char *s)
{
	int64_t v;

	return number_read_int(s, strspn(s, "-0123456789"), &v) ? v : 0;
}

/* Cuts "name : value" in two; false: there is no colon. */
static bool split(char *line, char **name, char **value)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return false;
	*colon = '\0';
	*name = trim(line);
	*value = trim(colon + 1);
	return true;
}

/* ---- processors ---- */

static void set_cpu(struct cpu_facts *cpu, const char *name, const char *value)
{
	if (!strcmp(name, "vendor_id"))
		cpu->vendor = value;
	else if (!strcmp(name, "cpu family"))
		cpu->family = to_int(value);
	else if (!strcmp(name, "model"))
		cpu->model = to_int(value);
	else if (!strcmp(name, "model name"))
		cpu->model_name = value;
	else if (!strcmp(name, "stepping"))
		cpu->stepping = value;
	else if (!strcmp(name, "cpu MHz"))
		cpu->mhz = to_int(value);
	else if (!strcmp(name, "flags") || !strcmp(name, "Features"))
		cpu->flags = value;
}

static size_t count_cpus(const char *text)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, "processor")); at++)
		n += at == text || at[-1] == '\n';
	return n;
}

static void read_cpus(struct arena *a, struct host_facts *out)
{
	char *text = read_text(a, "/proc/cpuinfo"), *name, *value;
	size_t space = count_cpus(text);
	int64_t last_socket = 0, siblings = 0, cores = 0;
	struct cpu_facts *cpu = NULL;

	out->cpus.v = arena_calloc(a, space ? space : 1, sizeof(*cpu));
	for (char *line; (line = strsep(&text, "\n"));) {
		if (!split(line, &name, &value))
			continue;
		if (!strcmp(name, "processor") && out->cpus.n < space) {
			cpu = &out->cpus.v[out->cpus.n++];
			*cpu = (struct cpu_facts){.number = to_int(value),
				.vendor = "unknown",
				.model_name = "",
				.stepping = "",
				.flags = ""};
		}
		if (cpu)
			set_cpu(cpu, name, value);
		if (!strcmp(name, "physical id") && to_int(value) > last_socket)
			last_socket = to_int(value);
		if (!strcmp(name, "siblings"))
			siblings = to_int(value);
		if (!strcmp(name, "cpu cores"))
			cores = to_int(value);
	}
	out->n_sockets = last_socket + 1;
	out->threads_per_core = cores > 0 && siblings > cores ? siblings / cores : 1;
}

static int64_t count_nodes(void)
{
	DIR *dir = opendir("/sys/devices/system/node");
	int64_t n = 0;

	if (!dir)
		return 1;
	for (struct dirent *entry; (entry = readdir(dir));)
		n += !strncmp(entry->d_name, "node", 4) && isdigit((unsigned char)entry->d_name[4]);
	closedir(dir);
	return n ? n : 1;
}

/* ---- memory, time, names ---- */

static int64_t meminfo(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at)
		return 0;
	at += strcspn(at, "0123456789\n");
	return to_int(at) * KIB;
}

static void read_memory(struct arena *a, struct host_facts *out)
{
	const char *text = read_text(a, "/proc/meminfo");

	out->memory_total = meminfo(text, "MemTotal:");
	out->memory_free = meminfo(text, "MemAvailable:");
}

/* What the C library takes for local time: a link into its list of time zones. */
static const char *read_timezone(struct arena *a)
{
	char target[256];
	ssize_t n = readlink("/etc/localtime", target, sizeof(target) - 1);

	target[n < 0 ? 0 : n] = '\0';
	const char *name = strstr(target, "zoneinfo/");
	return name ? arena_strdup(a, name + strlen("zoneinfo/")) : "UTC";
}

static void read_names(struct arena *a, struct host_facts *out)
{
	const char *stat = read_text(a, "/proc/stat");
	const char *at = strstr(stat, "btime ");
	struct utsname uts;

	out->boot_time = at ? to_int(at + strlen("btime ")) : 0;
	out->hostname = hostname_read(a);
	out->timezone = read_timezone(a);
	out->kernel = arena_strdup(a, uname(&uts) == 0 ? uts.release : "");
}

/* ---- firmware ---- */

static void read_bios(struct arena *a, struct host_facts *out)
{
	static const char *const files[][2] = {
		{"bios-vendor", "bios_vendor"},
		{"bios-version", "bios_version"},
		{"system-manufacturer", "sys_vendor"},
		{"system-product-name", "product_name"},
		{"system-version", "product_version"},
		{"system-serial-number", "product_serial"},
		{"baseboard-manufacturer", "board_vendor"},
		{"baseboard-product-name", "board_name"},
		{"baseboard-version", "board_version"},
		{"baseboard-serial-number", "board_serial"},
	};

	out->bios.v = arena_calloc(a, ARRAY_LEN(files), sizeof(*out->bios.v));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		const char *path = arena_printf(a, "/sys/class/dmi/id/%s", files[i][1]);

		out->bios.v[out->bios.n++] =
			(struct string_map_entry){files[i][0], trim(read_text(a, path))};
	}
}

static bool has_entries(const char *path)
{
	DIR *dir = opendir(path);
	bool found = false;

	if (!dir)
		return false;
	for (struct dirent *entry; !found && (entry = readdir(dir));)
		found = entry->d_name[0] != '.';
	closedir(dir);
	return found;
}

/* ---- all ---- */

struct reading {
	struct arena *arena;
	struct host_facts *out;
};

static void read_all(void *arg)
{
	struct reading *r = arg;

	read_cpus(r->arena, r->out);
	read_memory(r->arena, r->out);
	read_names(r->arena, r->out);
	read_bios(r->arena, r->out);
	r->out->n_nodes = count_nodes();
	r->out->has_iommu = has_entries("/sys/class/iommu");
	host_nics_read(r->arena, r->out);
}

struct err *host_facts_read(struct arena *a, struct host_facts *out)
{
	struct reading r = {.arena = a, .out = out};

	*out = (struct host_facts){0};
	return offload("reading the host's facts", read_all, &r);
}
