/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Turns (queue.h). A VM's first pending turn is granted when nobody has one of this VM and a worker
 * is free. VMs that wait for a worker stand in a line; one that has had a turn goes to its end, so
 * none starves another.
 */
#include "xenopsd/queue.h"

#include "common/json.h"

#include <assert.h>

static struct list line = LIST_INIT(line); /* of VMs */
static int64_t n_workers = 16, n_working;

/* The VM has a turn that is pending. */
static void grant(struct vm *vm)
{
	struct turn *t = list_first(&vm->pending, struct turn, link);

	assert(t);
	list_remove(&t->link);
	list_remove(&vm->in_line);
	vm->has_turn = true;
	t->is_granted = true;
	t->since_ns = clock_mono_ns();
	n_working += t->kind == TURN_WORK;
	cond_signal(&t->granted);
}

/* The VM's next turn, if it can be granted; else it stands in line for a worker. */
static void next_of(struct vm *vm)
{
	struct turn *t = list_first(&vm->pending, struct turn, link);

	if (!t || vm->has_turn)
		return;
	if (t->kind != TURN_WORK || (n_working < n_workers && list_is_empty(&line)))
		grant(vm);
	else if (!list_is_linked(&vm->in_line))
		list_push_back(&line, &vm->in_line);
}

static void next_in_line(void)
{
	while (n_working < n_workers) {
		struct vm *vm = list_first(&line, struct vm, in_line);

		if (!vm)
			return;
		list_remove(&vm->in_line);
		grant(vm);
	}
}

/* The VM is gone: who still waits for a turn of it is told. */
static void dismiss(struct vm *vm)
{
	struct turn *t;

	list_remove(&vm->in_line);
	while ((t = list_pop_front(&vm->pending, struct turn, link)))
		cond_signal(&t->granted);
}

static void give_up(struct turn *t)
{
	struct vm *vm = t->vm;

	list_remove(&t->link);
	/* It may have been the one that stood in line for a worker. */
	list_remove(&vm->in_line);
	next_of(vm);
}

struct err *turn_begin(struct turn *t, const char *vm_id, const char *what, enum turn_kind kind)
{
	struct vm *vm;

	TRY(vm_get(vm_id, &vm));
	*t = (struct turn){
		.vm = vm_hold(vm), .what = what, .kind = kind, .since_ns = clock_mono_ns()};
	cond_init(&t->granted);
	list_push_back(&vm->pending, &t->link);
	next_of(vm);
	struct err *e = t->is_granted ? NULL : cond_wait(&t->granted, "its turn", NEVER);
	if (t->is_granted) {
		err_free(e); /* to be noticed at the first cancel point of the work */
		return NULL;
	}
	if (!e)
		e = err(Does_not_exist, "vm", vm->id);
	else
		give_up(t);
	vm_release(&t->vm);
	t->vm = NULL;
	return e;
}

void turn_end(struct turn *t)
{
	struct vm *vm = t->vm;

	if (!t->is_granted)
		return;
	t->is_granted = false;
	n_working -= t->kind == TURN_WORK;
	vm->has_turn = false;
	if (vm->is_removed)
		dismiss(vm);
	else
		next_of(vm);
	next_in_line();
	vm_release(&vm);
}

void queue_set_workers(int64_t n)
{
	n_workers = n;
	next_in_line();
}

static void dump_vm(const struct vm *vm, struct json_writer *w)
{
	json_write_object(w);
	json_member_string(w, "vm", vm->id);
	json_member_bool(w, "worked_on", vm->has_turn);
	json_write_name(w, "waiting");
	json_write_array(w);
	list_for_each (t, &vm->pending, struct turn, link)
		json_write_string(w, t->what);
	json_write_array_end(w);
	json_write_object_end(w);
}

void queue_dump(struct json_writer *w)
{
	json_write_object(w);
	json_member_int(w, "workers", n_workers);
	json_member_int(w, "working", n_working);
	json_write_name(w, "vms");
	json_write_array(w);
	map_for_each (slot, &vms) {
		const struct vm *vm = slot->value;

		if (vm->has_turn || !list_is_empty(&vm->pending))
			dump_vm(vm, w);
	}
	json_write_array_end(w);
	json_write_object_end(w);
}
