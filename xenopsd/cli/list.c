/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `list`: the VMs in a table that fits a terminal, by name; what is not as it should be stands at
 * the end of the line.
 */
#include "common/cli_text.h"
#include "common/clock.h"
#include "common/codec.h"
#include "common/mem.h"
#include "xenopsd/cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { NAME, STATE, VCPUS, MEMORY, UP, DOMID, ID, N_COLUMNS };

#define MIB ((int64_t)1 << 20)

struct row {
	const char *cells[N_COLUMNS];
	const char *note;
};

static const struct row titles = {{"NAME", "STATE", "VCPUS", "MEMORY", "UP", "DOMID", "ID"}, ""};

/* A terminal shows it as it is. */
static const char *plain(const char *text, struct arena *a)
{
	auto_sbuf shown = {0};

	cli_add_text(&shown, text, false);
	return arena_strdup(a, sbuf_str(&shown));
}

static const char *up_for(const int64_t *since_s, struct arena *a)
{
	int64_t minutes = since_s ? (clock_real_ns() / NS_PER_S - *since_s) / 60 : 0;

	if (minutes < 0)
		minutes = 0;
	if (minutes >= 24 * 60)
		return arena_printf(a, "%lldd %lldh", (long long)(minutes / 60 / 24),
			(long long)(minutes / 60 % 24));
	if (minutes >= 60)
		return arena_printf(
			a, "%lldh %lldm", (long long)(minutes / 60), (long long)(minutes % 60));
	return arena_printf(a, "%lldm", (long long)minutes);
}

/* What it has of what it may have; a halted one has nothing. */
static const char *memory_of(const struct xenops_vm_stat *vm, bool is_up, struct arena *a)
{
	long long most = (long long)(vm->vm.memory_dynamic_max_bytes / MIB);

	if (!is_up)
		return arena_printf(a, "%lld MiB", most);
	return arena_printf(
		a, "%lld/%lld MiB", (long long)(vm->state.memory_actual_bytes / MIB), most);
}

static struct row row_of(const struct xenops_vm_stat *vm, struct arena *a)
{
	const struct xenops_vm_state *state = &vm->state;
	bool is_up = state->domids.n > 0;
	struct row r = {.note = state->uncooperative ? "its balloon does not move" : ""};

	r.cells[NAME] = plain(vm->vm.name, a);
	r.cells[STATE] = type_case_name(&xenops_type_power_state, (int)state->power_state);
	r.cells[VCPUS] = arena_printf(a, "%lld", (long long)state->vcpus);
	r.cells[MEMORY] = memory_of(vm, is_up, a);
	r.cells[UP] = is_up ? up_for(state->last_start, a) : "-";
	r.cells[DOMID] = is_up ? arena_printf(a, "%lld", (long long)state->domids.v[0]) : "-";
	r.cells[ID] = plain(vm->vm.vm, a);
	return r;
}

static void widen(size_t *widths, const struct row *r)
{
	for (size_t i = 0; i < N_COLUMNS; i++) {
		size_t width = cli_text_width(r->cells[i]);

		widths[i] = width > widths[i] ? width : widths[i];
	}
}

/* Blanks at the end of a line help nobody. */
static void print(const size_t *widths, const struct row *r)
{
	for (size_t i = 0; i < N_COLUMNS; i++) {
		bool is_last = i + 1 == N_COLUMNS && !*r->note;
		size_t pad = is_last ? 0 : widths[i] - cli_text_width(r->cells[i]) + 2;

		printf("%s%*s", r->cells[i], (int)pad, "");
	}
	printf("%s\n", r->note);
}

static int by_name(const void *a, const void *b)
{
	const struct xenops_vm_stat *one = a, *other = b;
	int by_it = strcmp(one->vm.name, other->vm.name);

	return by_it ? by_it : strcmp(one->vm.vm, other->vm.vm);
}

struct err *run_list(struct cli *cli, int argc, char **argv)
{
	struct arena *a = cli_arena(cli);
	struct xenops_vm_stat_list all;
	size_t widths[N_COLUMNS] = {0};

	if (argc)
		return cli_usage(argv[0], "is one argument too many");
	if (cli_wants_json(cli))
		return cli_run_call(cli, "VM.list", 0, NULL);
	TRY(xenops_vm_list(cli_client(cli), a, &all, cli_deadline(cli)));
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_name);
	struct row *rows = arena_calloc(a, all.n, sizeof(*rows));
	widen(widths, &titles);
	for (size_t i = 0; i < all.n; i++) {
		rows[i] = row_of(&all.v[i], a);
		widen(widths, &rows[i]);
	}
	print(widths, &titles);
	for (size_t i = 0; i < all.n; i++)
		print(widths, &rows[i]);
	return NULL;
}
