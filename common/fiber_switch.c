/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The switch between two stacks (fiber_switch.h): a few lines of assembly for x86-64 and aarch64,
 * swapcontext elsewhere. Runs on the loop thread.
 *
 * The assembly pushes what a callee must keep, stores the stack pointer, and undoes both for the
 * other side. common/fiber-gdb.py knows the order of the registers. A new stack is laid out as if
 * it had been switched away from at the first instruction of fiber_boot.
 *
 * With a hardware shadow stack this would need a second stack to switch. This file is compiled
 * without the mark for it (rules.mk), so the loader never turns one on for our programs.
 */
#include "common/fiber_switch.h"

#include <assert.h>
#include <string.h>

#if HAVE_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if HAVE_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#ifndef FIBER_SWITCH_PORTABLE

void fiber_switch_asm(void **save_sp, void *load_sp);
void fiber_boot(void);

#if defined(__x86_64__)
/* sp → r15 r14 r13 r12 rbx rbp return-address */
enum { SAVED_WORDS = 7, ENTRY_WORD = 4, RETURN_WORD = 6 };

__asm__(".pushsection .text\n"
	".p2align 4\n"
	".hidden fiber_switch_asm\n"
	".globl fiber_switch_asm\n"
	".type fiber_switch_asm, @function\n"
	"fiber_switch_asm:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	pushq %rbp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rbp, 0\n"
	"	pushq %rbx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %r12\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %r13\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %r14\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %r15\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %r14\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %r13\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %r12\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %rbx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %rbp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore %rbp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size fiber_switch_asm, . - fiber_switch_asm\n"
	".p2align 4\n"
	".hidden fiber_boot\n"
	".globl fiber_boot\n"
	".type fiber_boot, @function\n"
	"fiber_boot:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined %rip\n" /* the outermost frame: backtraces end here */
	"	endbr64\n"
	"	call *%rbx\n"
	"	ud2\n"
	"	.cfi_endproc\n"
	".size fiber_boot, . - fiber_boot\n"
	".popsection\n");

#else /* aarch64 */
/* sp → x19 … x28, x29 (frame), x30 (return address), d8 … d15 */
enum { SAVED_WORDS = 20, ENTRY_WORD = 0, RETURN_WORD = 11 };

__asm__(".pushsection .text\n"
	".p2align 4\n"
	".hidden fiber_switch_asm\n"
	".globl fiber_switch_asm\n"
	".type fiber_switch_asm, %function\n"
	"fiber_switch_asm:\n"
	"	.cfi_startproc\n"
	"	hint #34\n" /* bti c */
	"	sub sp, sp, #160\n"
	"	.cfi_adjust_cfa_offset 160\n"
	"	stp x19, x20, [sp, #0]\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	mov sp, x1\n"
	"	ldp x19, x20, [sp, #0]\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n"
	"	.cfi_adjust_cfa_offset -160\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size fiber_switch_asm, . - fiber_switch_asm\n"
	".p2align 4\n"
	".hidden fiber_boot\n"
	".globl fiber_boot\n"
	".type fiber_boot, %function\n"
	"fiber_boot:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined x30\n"
	"	hint #36\n" /* bti j */
	"	blr x19\n"
	"	brk #1\n"
	"	.cfi_endproc\n"
	".size fiber_boot, . - fiber_boot\n"
	".popsection\n");
#endif

static void registers_init(struct fiber_context *c, size_t top_offset, void (*entry)(void))
{
	uintptr_t top = ((uintptr_t)c->stack + c->stack_size - top_offset) & ~(uintptr_t)15;
	/* fiber_boot starts with the stack at TOP, which is aligned as a call wants it. */
	void **words = (void **)top - SAVED_WORDS;

	memset(words, 0, SAVED_WORDS * sizeof(*words));
	words[ENTRY_WORD] = (void *)(uintptr_t)entry;
	words[RETURN_WORD] = (void *)(uintptr_t)fiber_boot;
	c->sp = words;
}

static void registers_switch(struct fiber_context *from, struct fiber_context *to)
{
	fiber_switch_asm(&from->sp, to->sp);
}

#else

static void registers_init(struct fiber_context *c, size_t top_offset, void (*entry)(void))
{
	getcontext(&c->uc);
	c->uc.uc_stack.ss_sp = c->stack;
	c->uc.uc_stack.ss_size = c->stack_size - top_offset;
	c->uc.uc_link = NULL;
	makecontext(&c->uc, entry, 0);
}

static void registers_switch(struct fiber_context *from, struct fiber_context *to)
{
	int r = swapcontext(&from->uc, &to->uc);

	assert(r == 0);
}

#endif

void fiber_context_init_self(struct fiber_context *c)
{
	memset(c, 0, sizeof(*c));
#if HAVE_TSAN
	c->tsan = __tsan_get_current_fiber();
#endif
}

void fiber_context_init(struct fiber_context *c, void *stack, size_t stack_size, size_t top_offset,
	void (*entry)(void))
{
	memset(c, 0, sizeof(*c));
	c->stack = stack;
	c->stack_size = stack_size;
	registers_init(c, top_offset, entry);
#if HAVE_TSAN
	c->tsan = __tsan_create_fiber(0);
#endif
}

void fiber_context_fini(struct fiber_context *c)
{
#if HAVE_TSAN
	if (c->stack)
		__tsan_destroy_fiber(c->tsan);
#endif
	c->tsan = NULL;
}

/* What is learnt of the stack of FROM is what a later switch back to it must announce. */
void fiber_context_entered(struct fiber_context *c, struct fiber_context *from)
{
#if HAVE_ASAN
	const void *stack;

	__sanitizer_finish_switch_fiber(NULL, &stack, &from->stack_size);
	from->stack = (void *)(uintptr_t)stack;
#endif
}

void fiber_context_switch(struct fiber_context *from, struct fiber_context *to)
{
#if HAVE_ASAN
	__sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_size);
#endif
#if HAVE_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	registers_switch(from, to);
#if HAVE_ASAN
	__sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

never_returns void fiber_context_leave(struct fiber_context *from, struct fiber_context *to)
{
#if HAVE_ASAN
	__sanitizer_start_switch_fiber(NULL, to->stack, to->stack_size);
#endif
#if HAVE_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	registers_switch(from, to);
	abort();
}
