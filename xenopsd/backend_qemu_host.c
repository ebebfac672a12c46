/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host of the qemu backend: a Linux that has other work too. Its processors are as Linux
 * describes them, and its free memory is what Linux calls available, less what running guests may
 * still come to touch.
 */
#define LOG_MODULE "qemu"
#include "common/companion.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/proc.h"
#include "common/vec.h"
#include "core.gen.h"
#include "xenopsd/backend.h"
#include "xenopsd/backend_qemu.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define MAX_PROC_FILE ((size_t)4 << 20)

static struct {
	char *version; /* owned: "7.2.22" */
} host;

const char *qemu_program(void)
{
	return "qemu-system-x86_64";
}

struct err *qemu_host_begin(void)
{
	const char *const argv[] = {qemu_program(), "--version", NULL};
	struct proc_spec spec = {.argv = argv};
	auto_proc_result result = {0};

	TRY_CTX(proc_run(&spec, &result), "looking for QEMU");
	const char *version = strstr(result.out, "version ");
	version = version ? version + strlen("version ") : "";
	host.version = xstrndup(version, strcspn(version, " \n"));
	log_info("QEMU %s", host.version);
	return NULL;
}

void qemu_host_end(void)
{
	free(take(host.version));
}

/* ---- processors ---- */

/* The value behind "NAME<tabs>: " in TEXT, in the arena; "" when there is none. */
static const char *value_of(const char *text, const char *name, struct arena *a)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) || !strchr("\t ", line[len]))
			continue;
		const char *value = strchr(line, ':');
		if (!value)
			break;
		value += strspn(value, ": ");
		return arena_strndup(a, value, strcspn(value, "\n"));
	}
	return "";
}

static int64_t count_lines(const char *text, const char *start)
{
	int64_t n = 0;

	for (const char *at = text; (at = strstr(at, start)); at += strlen(start))
		n += at == text || at[-1] == '\n';
	return n;
}

static int64_t number_of(const char *text, int64_t otherwise)
{
	int64_t n;

	return number_read_int(text, strlen(text), &n) && n > 0 ? n : otherwise;
}

/* The feature words of the processor, as XenAPI's feature sets are written. */
static const char *features(struct arena *a)
{
	unsigned words[6] = {0};
#if defined(__x86_64__)
	unsigned eax, ebx;

	__get_cpuid(1, &eax, &ebx, &words[1], &words[0]);
	__get_cpuid(0x80000001, &eax, &ebx, &words[3], &words[2]);
	__get_cpuid_count(7, 0, &eax, &words[4], &words[5], &ebx);
#endif
	return arena_printf(a, "%08x-%08x-%08x-%08x-%08x-%08x", words[0], words[1], words[2],
		words[3], words[4], words[5]);
}

struct err *qemu_host_stat(struct arena *a, struct xenops_host_stat *out)
{
	auto_str text = NULL;
	bool is_kvm;

	TRY(file_load("/proc/cpuinfo", MAX_PROC_FILE, &text, NULL));
	TRY(qemu_can_use_kvm(&is_kvm));
	int64_t n = count_lines(text, "processor\t");
	int64_t cores = number_of(value_of(text, "cpu cores", a), 1);
	int64_t siblings = number_of(value_of(text, "siblings", a), cores);
	const char *policy = features(a);
	*out = (struct xenops_host_stat){
		.cpu_info = {.cpu_count = n,
			.socket_count = siblings && n >= siblings ? n / siblings : 1,
			.threads_per_core = siblings >= cores ? siblings / cores : 1,
			.numa_nodes = 1,
			.vendor = value_of(text, "vendor_id", a),
			.speed_mhz = value_of(text, "cpu MHz", a),
			.modelname = value_of(text, "model name", a),
			.family = value_of(text, "cpu family", a),
			.model = value_of(text, "model", a),
			.stepping = value_of(text, "stepping", a),
			.flags = value_of(text, "flags", a),
			.features_hvm = policy,
			.features_pv = policy,
			.features_hvm_host = policy,
			.features_pv_host = policy},
		.hypervisor = "qemu",
		.hypervisor_version = arena_strdup(a, host.version),
		.hypervisor_capabilities = is_kvm ? "hvm-3.0-x86_64 kvm" : "hvm-3.0-x86_64 tcg",
		.hvm = true,
	};
	return NULL;
}

/* ---- memory ---- */

/* In bytes; 0 when it is not there. */
static int64_t kib_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	long long kib = 0;

	if (at && sscanf(at + strlen(name), ": %lld kB", &kib) != 1)
		kib = 0;
	return kib * 1024;
}

/* What the guest of this machine may still come to touch. */
static MAY_WAIT int64_t untouched_bytes(const struct machine *m)
{
	auto_str text = NULL;

	if (!machine_is_up(m))
		return 0;
	/* What its balloon holds it does not touch. */
	int64_t size = m->memory_bytes ? m->memory_bytes : qemu_memory_bytes(&m->vm->config);
	auto_str path = xasprintf("/proc/%d/status", (int)m->process->pid);
	auto_err e = file_load(path, MAX_PROC_FILE, &text, NULL);
	int64_t touched = e ? 0 : kib_of(text, "VmRSS");
	return size > touched ? size - touched : 0;
}

static MAY_WAIT bool balloon_of(struct machine *m, struct vm_memory *out)
{
	if (!machine_is_up(m))
		return false;
	auto_err e = machine_memory(m, &out->actual_bytes);
	if (e)
		log_err(LOG_DEBUG_, e, "vm=%s: its balloon", m->vm->id);
	out->target_bytes = m->memory_target_bytes ? m->memory_target_bytes : out->actual_bytes;
	out->can_balloon = !m->is_paused && m->end == GUEST_RUNS;
	return !e;
}

/* The balloons first: what is free follows from them. */
struct err *qemu_memory_now(struct arena *a, struct memory_now *out)
{
	const char **ids = arena_calloc(a, vms.n, sizeof(*ids));
	struct xenops_host_memory memory;
	size_t n = 0;

	map_for_each (slot, &vms)
		ids[n++] = arena_strdup(a, slot->key);
	out->n = 0;
	out->vms = arena_calloc(a, n, sizeof(*out->vms));
	for (size_t i = 0; i < n; i++) {
		struct vm *found = vm_find(ids[i]);
		if (!found || !found->own)
			continue;
		auto_hold held = vm_hold(found);
		out->vms[out->n].vm = ids[i];
		out->n += balloon_of(held->own, &out->vms[out->n]);
	}
	TRY(qemu_host_memory(&memory));
	out->free_bytes = memory.free_bytes;
	return NULL;
}

struct err *qemu_host_memory(struct xenops_host_memory *out)
{
	auto_str text = NULL;
	vec_of(struct vm *) held = {0};
	int64_t untouched = 0;

	map_for_each (slot, &vms)
		vec_push(&held, vm_hold(slot->value));
	vec_for_each (i, &held) {
		untouched += held.v[i]->own ? untouched_bytes(held.v[i]->own) : 0;
		vm_release(&held.v[i]);
	}
	vec_fini(&held);
	TRY(file_load("/proc/meminfo", MAX_PROC_FILE, &text, NULL));
	int64_t available = kib_of(text, "MemAvailable");
	*out = (struct xenops_host_memory){.total_bytes = kib_of(text, "MemTotal"),
		.free_bytes = available > untouched ? available - untouched : 0,
		.initial_free_bytes = available};
	return NULL;
}

struct err *qemu_host_dmesg(bool clear, struct arena *a, const char **out)
{
	bool is_kvm;

	TRY(qemu_can_use_kvm(&is_kvm));
	*out = arena_printf(
		a, "QEMU %s; guests run %s.\n", host.version, is_kvm ? "on KVM" : "in software");
	return NULL;
}
