/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host is: its CPUs, its memory, the hypervisor and what that has said.
 */
#include "common/mem.h"
#include "common/sbuf.h"
#include "common/utf8.h"
#include "core.gen.h"
#include "xenopsd/backend_xenlight.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define KIB               1024
#define MAX_DMESG_BYTES   (1024 * 1024)
#define CPUINFO_MAX_LINES 64

struct host_call {
	libxl_physinfo physinfo;
	char *version, *capabilities; /* owned */
	int page_bytes;
	libxl_dominfo dom0;
	char cpuinfo[8192]; /* of the first CPU */
};

/* ---- in the pool ---- */

static void read_cpuinfo(struct host_call *h)
{
	FILE *file = fopen("/proc/cpuinfo", "re");

	if (!file)
		return;
	size_t n = fread(h->cpuinfo, 1, sizeof(h->cpuinfo) - 1, file);
	h->cpuinfo[n] = '\0';
	fclose(file);
}

static int look(void *arg)
{
	struct host_call *h = arg;
	const libxl_version_info *version = libxl_get_version_info(xenlight_ctx);
	int rc = libxl_get_physinfo(xenlight_ctx, &h->physinfo);

	if (rc || !version)
		return rc ? rc : ERROR_FAIL;
	h->version = xasprintf("%d.%d%s", version->xen_version_major, version->xen_version_minor,
		version->xen_version_extra);
	h->capabilities = xstrdup(version->capabilities);
	h->page_bytes = version->pagesize;
	read_cpuinfo(h);
	return libxl_domain_info(xenlight_ctx, &h->dom0, 0);
}

static void host_call_fini(struct host_call *h)
{
	libxl_physinfo_dispose(&h->physinfo);
	libxl_dominfo_dispose(&h->dom0);
	free(h->version);
	free(h->capabilities);
}

static MAY_WAIT struct err *look_at_host(struct host_call *h)
{
	*h = (struct host_call){0};
	libxl_physinfo_init(&h->physinfo);
	libxl_dominfo_init(&h->dom0);
	return xenlight_run("looking at the host", look, h);
}

/* ---- HOST.stat ---- */

/* What /proc/cpuinfo has under NAME. */
static const char *cpuinfo(const struct host_call *h, struct arena *a, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = h->cpuinfo; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		const char *end = line + strcspn(line, "\n");
		const char *colon = memchr(line, ':', (size_t)(end - line));
		if (strncmp(line, name, len) || !colon || !isspace((unsigned char)line[len]))
			continue;
		const char *value = colon + 1 + strspn(colon + 1, " \t");
		return value < end ? arena_strndup(a, value, (size_t)(end - value)) : "";
	}
	return "";
}

static void put_cpus(const struct host_call *h, struct arena *a, struct xenops_cpu_info *out)
{
	const libxl_physinfo *p = &h->physinfo;
	uint32_t a_socket = p->threads_per_core * p->cores_per_socket;

	*out = (struct xenops_cpu_info){
		.cpu_count = p->nr_cpus,
		.socket_count = a_socket ? (p->nr_cpus + a_socket - 1) / a_socket : 1,
		.threads_per_core = p->threads_per_core,
		.numa_nodes = p->nr_nodes,
		.vendor = cpuinfo(h, a, "vendor_id"),
		.speed_mhz = arena_printf(a, "%u.%03u", p->cpu_khz / 1000, p->cpu_khz % 1000),
		.modelname = cpuinfo(h, a, "model name"),
		.family = cpuinfo(h, a, "cpu family"),
		.model = cpuinfo(h, a, "model"),
		.stepping = cpuinfo(h, a, "stepping"),
		.flags = cpuinfo(h, a, "flags"),
		/* FIXME: the policies, by libxenctrl's featureset calls. */
		.features_hvm = "",
		.features_pv = "",
		.features_hvm_host = "",
		.features_pv_host = "",
	};
}

struct err *xenlight_host_stat(struct arena *a, struct xenops_host_stat *out)
{
	AUTO(host_call_fini) struct host_call h;

	TRY(look_at_host(&h));
	*out = (struct xenops_host_stat){
		.hypervisor = "xen",
		.hypervisor_version = arena_strdup(a, h.version),
		.hypervisor_capabilities = arena_strdup(a, h.capabilities),
		.iommu = h.physinfo.cap_hvm_directio,
		.hvm = h.physinfo.cap_hvm,
	};
	put_cpus(&h, a, &out->cpu_info);
	return NULL;
}

/* ---- HOST.memory ---- */

struct err *xenlight_host_memory(struct xenops_host_memory *out)
{
	AUTO(host_call_fini) struct host_call h;

	TRY(look_at_host(&h));
	int64_t total = (int64_t)h.physinfo.total_pages * h.page_bytes;
	int64_t dom0 = (int64_t)h.dom0.current_memkb * KIB;
	*out = (struct xenops_host_memory){
		.total_bytes = total,
		/* What waits to be scrubbed is scrubbed when it is wanted. */
		.free_bytes =
			(int64_t)(h.physinfo.free_pages + h.physinfo.scrub_pages) * h.page_bytes,
		.initial_free_bytes = total - dom0,
		.dom0_min_bytes = dom0,
		.dom0_max_bytes = dom0,
	};
	return NULL;
}

/* ---- the hypervisor's console ---- */

struct dmesg_call {
	bool clear;
	struct sbuf text;
};

static int read_dmesg(void *arg)
{
	struct dmesg_call *d = arg;
	libxl_xen_console_reader *reader = libxl_xen_console_read_start(xenlight_ctx, d->clear);
	char *line;
	int rc;

	if (!reader)
		return ERROR_FAIL;
	/* libxl keeps the line's memory. */
	while ((rc = libxl_xen_console_read_line(xenlight_ctx, reader, &line)) > 0)
		if (sbuf_len(&d->text) < MAX_DMESG_BYTES)
			sbuf_adds(&d->text, line);
	libxl_xen_console_read_finish(xenlight_ctx, reader);
	return rc;
}

struct err *xenlight_host_dmesg(bool clear, struct arena *a, const char **out)
{
	struct dmesg_call d = {.clear = clear};
	struct err *e = xenlight_run("reading Xen's messages", read_dmesg, &d);

	/* Guests can write there as well. */
	if (!e && !utf8_is_valid(sbuf_data(&d.text), sbuf_len(&d.text)))
		e = err(INTERNAL_ERROR, "Xen's messages are no text");
	if (!e)
		*out = arena_strndup(a, sbuf_data(&d.text), sbuf_len(&d.text));
	sbuf_fini(&d.text);
	return e;
}

static int send_keys(void *arg)
{
	return libxl_send_debug_keys(xenlight_ctx, arg);
}

struct err *xenlight_host_debug_keys(const char *keys)
{
	auto_str copy = xstrdup(keys);

	return xenlight_run("sending debug keys", send_keys, copy);
}
