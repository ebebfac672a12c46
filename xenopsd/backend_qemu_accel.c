/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether KVM runs guests here. That /dev/kvm opens says little: under some hypervisors it opens,
 * and guests die or stand still as soon as their kernel starts. So a guest of one sector is run: it
 * goes into 64-bit mode with paging, as a kernel does, executes what emulators tend to lack, and
 * ends QEMU by a status that nothing else has.
 */
#define LOG_MODULE "qemu"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/proc.h"
#include "core.gen.h"
#include "xenopsd/backend_qemu.h"
#include "xenopsd/xenopsd.h"

#include <errno.h>
#include <string.h>

#define PROBE_NS     (10 * NS_PER_S)
#define DISK_SIZE    (1 << 20) /* the BIOS boots from none that is less than a cylinder */
#define PROBE_STATUS 33 /* what isa-debug-exit makes of 16: twice it, and one */

extern const char probe_start[] __attribute__((__visibility__("hidden")));
extern const char probe_end[] __attribute__((__visibility__("hidden")));

/* The boot sector; the BIOS loads it to 0x7c00. Page tables at 0x1000, 0x2000 and 0x3000. */
__asm__(".pushsection .rodata\n"
	".globl probe_start, probe_end\n"
	".hidden probe_start, probe_end\n"
	".code16\n"
	"probe_start:\n"
	"	cli\n"
	"	xorw %ax, %ax\n"
	"	movw %ax, %ds\n"
	"	movw %ax, %es\n"
	"	movw %ax, %ss\n"
	"	movw $0x7c00, %sp\n"
	"	cld\n"
	"	movw $0x1000, %di\n"
	"	movw $0xc00, %cx\n"
	"	xorl %eax, %eax\n"
	"	rep stosl\n"
	"	movl $0x2003, 0x1000\n"
	"	movl $0x3003, 0x2000\n"
	"	movl $0x0083, 0x3000\n"
	"	movl $0x220, %eax\n" /* PAE, OSFXSR */
	"	movl %eax, %cr4\n"
	"	movl $0x1000, %eax\n"
	"	movl %eax, %cr3\n"
	"	movl $0xc0000080, %ecx\n" /* EFER: long mode */
	"	rdmsr\n"
	"	orl $0x100, %eax\n"
	"	wrmsr\n"
	"	lgdtl probe_gdt_at - probe_start + 0x7c00\n"
	"	movl %cr0, %eax\n"
	"	orl $0x80000001, %eax\n"
	"	movl %eax, %cr0\n"
	"	ljmpl $8, $(probe_long - probe_start + 0x7c00)\n"
	".code64\n"
	"probe_long:\n"
	"	movl $16, %eax\n"
	"	movl %eax, %ds\n"
	"	movl %eax, %es\n"
	"	movl %eax, %ss\n"
	"	movl $0x6000, %edi\n"
	"	lock cmpxchg16b (%rdi)\n"
	"	movdqa (%rdi), %xmm0\n"
	"	movl $1000000, %ecx\n"
	"1:	incl (%rdi)\n"
	"	decl %ecx\n"
	"	jnz 1b\n"
	"	movb $16, %al\n"
	"	outb %al, $0xf4\n"
	"2:	hlt\n"
	"	jmp 2b\n"
	"	.balign 8\n"
	"probe_gdt:\n"
	"	.quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff\n"
	"probe_gdt_at:\n"
	"	.word 23\n"
	"	.long probe_gdt - probe_start + 0x7c00\n"
	"	.org probe_start + 510\n"
	"	.word 0xaa55\n"
	"probe_end:\n"
	".code64\n"
	".popsection\n");

/* Reads what QEMU says until it ends; true: it has ended, or there is no point in waiting on. */
static bool has_said_enough(struct proc *p, char *said, size_t size)
{
	size_t len = strlen(said);
	ssize_t n = read(p->err_fd, said + len, size - 1 - len);

	said[n > 0 ? len + (size_t)n : len] = '\0';
	return n == 0 || len + 1 == size || strstr(said, "KVM internal error");
}

static MAY_WAIT struct err *await(struct proc *p, bool *out)
{
	char said[4096] = "";
	int64_t deadline = deadline_in(PROBE_NS);
	struct proc_status status;

	*out = false;
	while (!has_said_enough(p, said, sizeof(said))) {
		auto_err e = fiber_wait_fd(p->err_fd, FD_READABLE, "a guest's end", deadline);
		if (err_is(e, &ERR_TIMEOUT))
			return NULL;
		if (e)
			return take(e);
	}
	log_debug("a try of a guest: %s", *said ? said : "QEMU says nothing");
	if (strstr(said, "KVM internal error"))
		return NULL;
	TRY(proc_wait(p, deadline, &status));
	*out = status.exit_code == PROBE_STATUS;
	return NULL;
}

static MAY_WAIT struct err *run_probe(
	const char *accel, const char *cpu, const char *path, bool *out)
{
	auto_str drive = xasprintf("node-name=d,driver=file,read-only=on,filename=%s", path);
	const char *const argv[] = {qemu_program(), "-nodefaults", "-no-user-config", "-no-reboot",
		"-display", "none", "-machine", "pc", "-m", "32", "-accel", accel, "-cpu", cpu,
		"-device", "isa-debug-exit,iobase=0xf4", "-blockdev", drive, "-device",
		"virtio-blk-pci,drive=d", NULL};
	struct proc_spec spec = {.argv = argv};
	struct proc *p;

	TRY(proc_start(&p, &spec, PROC_PIPE_ERR));
	struct err *e = await(p, out);
	proc_stop(p, NS_PER_MS);
	proc_free(p);
	return e;
}

struct err *qemu_probe(const char *accel, const char *cpu, const char *path, bool *out)
{
	TRY(file_store(path, probe_start, (size_t)(probe_end - probe_start), 0600, 0));
	struct err *e = truncate(path, DISK_SIZE) < 0 ? err_errno(errno, "making %s longer", path)
						      : run_probe(accel, cpu, path, out);
	unlink(path);
	return e;
}

static struct mutex probing; /* one try at a time */

static MAY_WAIT struct err *find_out(const char *remembered, bool *out)
{
	auto_str probe = xasprintf("%s/probe", xenopsd.dir);
	auto_str text = NULL;

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		*out = false;
		return NULL;
	}
	if (access(remembered, F_OK) == 0) {
		TRY(file_load(remembered, 16, &text, NULL));
		*out = !strcmp(text, "kvm\n");
		return NULL;
	}
	TRY(qemu_probe("kvm", "host", probe, out));
	log_info("%s",
		*out ? "guests run on KVM"
		     : "guests run in software: KVM is there, and none runs on it");
	return file_store(remembered, *out ? "kvm\n" : "tcg\n", 4, 0600, 0);
}

struct err *qemu_can_use_kvm(bool *out)
{
	auto_str remembered = xasprintf("%s/accelerator", xenopsd.dir);

	TRY(mutex_lock(&probing, "a try of KVM", NEVER));
	struct err *e = find_out(remembered, out);
	mutex_unlock(&probing);
	return e;
}

void qemu_accel_begin(void)
{
	mutex_init(&probing);
}

void qemu_accel_end(void)
{
	mutex_fini(&probing);
}
