/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine that a VM is, as arguments of QEMU. Nothing of it comes from QEMU's own defaults.
 * What a client chose goes into arguments of its own or into JSON, where no comma or blank of it
 * means anything.
 */
#include "common/mem.h"
#include "common/uuid.h"
#include "common/vec.h"
#include "xenopsd/backend_qemu.h"

#include <string.h>

#define MIB ((int64_t)1 << 20)

struct args {
	struct arena *arena;
	vec_of(const char *) list;
};

static void add(struct args *a, const char *name, const char *value)
{
	vec_push(&a->list, name);
	if (value)
		vec_push(&a->list, value);
}

static const struct xenops_pv_guest *pv_of(const struct xenops_guest *guest)
{
	switch (guest->kind) {
	case XENOPS_GUEST_HVM:
		break;
	case XENOPS_GUEST_PVH:
		return &guest->pvh;
	case XENOPS_GUEST_PV:
		return &guest->pv;
	case XENOPS_GUEST_PV_IN_PVH:
		return &guest->pv_in_pvh;
	}
	return NULL;
}

int64_t qemu_memory_bytes(const struct xenops_vm *config)
{
	return (config->memory_static_max_bytes + MIB - 1) / MIB * MIB;
}

bool qemu_has_screen(const struct xenops_vm *config)
{
	return config->guest.kind == XENOPS_GUEST_HVM;
}

/* TEXT with what means something to QEMU's parser of options made harmless. */
static const char *plain(const char *text, struct arena *a)
{
	char *out = arena_strdup(a, text);

	for (char *at = out; (at = strchr(at, ',')); at++)
		*at = '_';
	return out;
}

static void add_machine(struct args *a, const struct xenops_vm *config, bool use_kvm)
{
	/* By which a person finds it among the processes. */
	add(a, "-name",
		arena_printf(a->arena, "guest=%s,debug-threads=on", plain(config->vm, a->arena)));
	if (!uuid_from_text(&(struct uuid){0}, config->vm))
		add(a, "-uuid", config->vm);
	add(a, "-nodefaults", "-no-user-config");
	add(a, "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	add(a, "-machine", "pc,usb=off,vmport=off,hpet=off,dump-guest-core=off");
	add(a, "-accel", use_kvm ? "kvm" : "tcg,tb-size=128");
	/* In software a processor that today's distributions accept, and no AVX, which is slow. */
	add(a, "-cpu", use_kvm ? "host" : "Nehalem");
	add(a, "-smp",
		arena_printf(a->arena, "cpus=%lld,maxcpus=%lld", (long long)config->vcpus,
			(long long)config->vcpus_max));
	add(a, "-m", arena_printf(a->arena, "%lldM", (long long)(qemu_memory_bytes(config) / MIB)));
	add(a, "-rtc", "base=utc");
	/* It stands still when the guest has ended, so that we see how; -S: and before we want. */
	add(a, "-action", "shutdown=pause,panic=pause");
	add(a, "-S", NULL);
}

static void add_consoles(struct args *a, const struct xenops_vm *config)
{
	add(a, "-chardev", "socket,id=qmp,fd=3,server=on,wait=off");
	add(a, "-mon", "chardev=qmp,mode=control");
	add(a, "-chardev", "socket,id=serial,fd=4,server=on,wait=off");
	add(a, "-serial", "chardev:serial");
	add(a, "-display", "none");
	if (!qemu_has_screen(config))
		return;
	add(a, "-vnc", "unix:backend.vnc");
	add(a, "-device", config->guest.hvm.video == XENOPS_VIDEO_CARD_STD ? "VGA" : "cirrus-vga");
	add(a, "-device", "piix3-usb-uhci,id=usb");
	add(a, "-device", "usb-tablet,bus=usb.0");
}

/* The console of the same guest under Xen is hvc0; here it is the serial line. */
static void add_kernel(struct args *a, const struct xenops_direct_boot *boot)
{
	bool has_console = strstr(boot->cmdline, "console=ttyS0");

	add(a, "-kernel", boot->kernel);
	if (boot->ramdisk)
		add(a, "-initrd", boot->ramdisk);
	add(a, "-append",
		has_console ? boot->cmdline
			    : arena_printf(a->arena, "%s console=ttyS0", boot->cmdline));
}

static void add_parts(struct args *a, const struct machine *m, enum device_class class)
{
	const char *add_host = class == DEVICE_VBD ? "-blockdev" : "-netdev";

	vm_for_each (d, m->vm, class) {
		const char *id;
		auto_err e = qemu_device_id(d, a->arena, &id);
		const struct part *part = e ? NULL : map_get(&m->parts, id);
		if (!part)
			continue;
		if (part->host)
			add(a, add_host, arena_strdup(a->arena, part->host));
		add(a, "-device", arena_strdup(a->arena, part->device));
	}
}

const char **qemu_args(
	const struct machine *m, const char *program, bool use_kvm, struct arena *arena)
{
	struct args a = {.arena = arena};
	const struct xenops_vm *config = &m->vm->config;
	const struct xenops_pv_guest *pv = pv_of(&config->guest);

	add(&a, program, NULL);
	add_machine(&a, config, use_kvm);
	/* It is told later where its memory comes from. */
	if (m->incoming)
		add(&a, "-incoming", "defer");
	add_consoles(&a, config);
	if (pv && pv->boot.kind == XENOPS_BOOT_DIRECT)
		add_kernel(&a, &pv->boot.direct);
	add(&a, "-device", "virtio-balloon-pci,id=balloon");
	add(&a, "-device", "pvpanic");
	add_parts(&a, m, DEVICE_VIF);
	add_parts(&a, m, DEVICE_VBD);
	vec_push(&a.list, NULL);
	const char **out = arena_calloc(arena, a.list.n, sizeof(*out));
	memcpy(out, a.list.v, a.list.n * sizeof(*out));
	vec_fini(&a.list);
	return out;
}
