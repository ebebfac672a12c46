/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tests/behave/test_store.py runs, traces and kills: fibers that change rows of a store and
 * tell on standard output, one write a line, what they are about to do and what they were told.
 *
 *	store-tool write FILE WRITERS EACH SIZE    EACH 0: until killed
 *	store-tool list FILE
 *	store-tool fsck FILE
 *	store-tool put FILE TABLE                  rows of standard input, each a line: KEY VALUE
 *
 * "c W I": writer W is about to make its change I. "a W I": it is durable. "r W I": it was refused
 * or taken back for want of space (W tries again a little later).
 */
#include "common/fiber.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/store.h"
#include "core.gen.h"

#include <stdio.h>
#include <string.h>

static const char *const tables[] = {"row", NULL};
static const struct store_schema schema = {.version = 1, .tables = tables};
static const struct store_options options = {.schema = &schema, .probe_ns = 20 * NS_PER_MS};

static const char *path;
static struct store *store;
static int n_writers, n_each, n_left;
static size_t row_size;

static void must(struct err *e)
{
	if (!e)
		return;
	fprintf(stderr, "store-tool: %s\n", err_text(e));
	_exit(2);
}

static void tell(char what, int writer, int i)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%c %d %d\n", what, writer, i);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(3);
}

/* True: it is durable. */
MAY_WAIT static bool change(int writer, int i)
{
	uint64_t generation;
	char key[16];
	char *value = xcalloc(1, row_size);

	snprintf(key, sizeof(key), "%d", writer);
	snprintf(value, row_size, "%d", i);
	tell('c', writer, i);
	struct err *e = store_put(store, "row", key, value, row_size, NULL, &generation);
	free(value);
	if (!e)
		e = store_barrier(store, generation, NEVER);
	if (err_is(e, &ERR_STORE_READ_ONLY)) {
		err_free(e);
		return false;
	}
	must(e);
	return true;
}

static void write_rows(void *arg)
{
	int writer = (int)(intptr_t)arg;

	for (int i = 1; !n_each || i <= n_each; i++) {
		while (!change(writer, i)) {
			tell('r', writer, i);
			must(fiber_sleep(5 * NS_PER_MS));
		}
		tell('a', writer, i);
	}
	if (--n_left == 0) {
		store_close(store);
		loop_stop();
	}
}

static struct err *print_row(const struct store_row *row, void *arg)
{
	printf("%s %s\n", row->key, (const char *)row->value);
	return NULL;
}

static void print_line(const char *line, void *arg)
{
	puts(line);
}

static int write_all_rows(void)
{
	loop_init();
	must(store_open(&store, path, &options));
	n_left = n_writers;
	for (int i = 0; i < n_writers; i++)
		must(fiber_spawn(NULL, write_rows, (void *)(intptr_t)i, "writer %d", i));
	loop_run(NS_PER_S);
	loop_fini();
	return 0;
}

static int list_rows(void)
{
	must(store_open(&store, path, &options));
	must(store_load(store, "row", print_row, NULL));
	store_close(store);
	return 0;
}

static void put_line(const char *table, char *line)
{
	uint64_t generation;
	char *value = strchr(line, ' ');

	if (!value)
		must(err(BAD_REQUEST, "a line without a value"));
	*value++ = '\0';
	must(store_put(store, table, line, value, strlen(value), NULL, &generation));
}

static int put_rows(const char *table)
{
	const char *const own_tables[] = {table, NULL};
	const struct store_schema own_schema = {.version = 1, .tables = own_tables};
	const struct store_options own_options = {.schema = &own_schema};
	auto_str line = NULL;
	size_t size = 0;
	ssize_t n;

	loop_init();
	must(store_open(&store, path, &own_options));
	while ((n = getline(&line, &size, stdin)) > 0) {
		line[n - 1] = '\0';
		put_line(table, line);
	}
	store_close(store);
	loop_fini();
	return 0;
}

static int look_through(void)
{
	struct err *e = store_fsck(path, print_line, NULL);

	err_free(e);
	return e ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";

	path = argc > 2 ? argv[2] : NULL;
	if (!strcmp(mode, "list"))
		return list_rows();
	if (!strcmp(mode, "fsck"))
		return look_through();
	if (!strcmp(mode, "put") && argc == 4)
		return put_rows(argv[3]);
	if (strcmp(mode, "write") != 0 || argc != 6) {
		fprintf(stderr,
			"usage: store-tool write FILE WRITERS EACH SIZE | list FILE | "
			"fsck FILE | put FILE TABLE\n");
		return 2;
	}
	n_writers = (int)strtol(argv[3], NULL, 10);
	n_each = (int)strtol(argv[4], NULL, 10);
	row_size = strtoul(argv[5], NULL, 10);
	return write_all_rows();
}
