/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * idlc, the compiler of Xenith's interfaces: options, and which stages run. docs/idl.md describes
 * the language and what is made of it.
 */
#include "idl/emit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] =
	"usage: idlc [OPTION]… FILE…\n"
	"The files are one interface: all begin with the same `interface` line.\n"
	"\n"
	"  --out DIR         write X.gen.h, X.gen.c, X_client.gen.c and X_service.gen.c\n"
	"  --depfile FILE    with --out: write the make rule of what was read\n"
	"  --target NAME     the target of that rule\n"
	"  --import DIR      where imported interfaces are, besides FILE's folder and its parent\n"
	"  --markdown FILE   write the reference page\n"
	"  --openrpc FILE    write the OpenRPC description\n"
	"  --ast             print the interface as it was understood\n"
	"  --fingerprint     print the interface's name, version and fingerprint\n"
	"  --help            print this\n"
	"\n"
	"Without an option it only checks. Exit status: 0 all is well, 1 the interface is\n"
	"wrong or a file cannot be read or written, 2 it was called wrongly.\n";

struct options {
	const char *out, *depfile, *target, *import_dir, *markdown, *openrpc;
	bool ast, fingerprint;
};

/* A file as a source; the limit keeps a mistake from reading a disk. */
static const struct source *read_source(struct arena *a, const char *path)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_SOURCE_BYTES) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	struct source *s = arena_new(a, struct source);
	char *text = arena_bytes(a, (size_t)st.st_size + 1);
	ssize_t n = pread(fd, text, (size_t)st.st_size, 0);
	if (n < 0)
		return NULL;
	text[n] = '\0';
	*s = (struct source){.path = arena_strdup(a, path), .text = text, .len = (size_t)n};
	return s;
}

/* Writes one output; 0 or the exit status. */
static int write_file(struct emitter *e, const char *path)
{
	int r = write_if_changed(path, &e->out);

	sbuf_fini(&e->out);
	if (!r)
		return 0;
	fprintf(stderr, "idlc: %s cannot be written: %s\n", path, strerrordesc_np(-r));
	return 1;
}

static int write_c(struct emitter *e, const char *dir)
{
	static const struct {
		const char *suffix;
		void (*write)(struct emitter *e);
	} files[] = {
		{".gen.h", emit_types},
		{".gen.c", emit_tables},
		{"_client.gen.c", emit_client},
		{"_service.gen.c", emit_service},
	};
	int status = 0;

	for (size_t i = 0; !status && i < ARRAY_LEN(files); i++) {
		files[i].write(e);
		status = write_file(e,
			arena_printf(&e->idl->arena, "%s/%s%s", dir, e->interface->name,
				files[i].suffix));
	}
	return status;
}

/* TARGET: FILES, and each file as a target of its own, so that make can miss one that is gone. */
static int write_depfile(struct emitter *e, const struct options *o)
{
	emit(e, "%s:", o->target ? o->target : e->interface->name);
	for (const struct source_list *s = e->idl->sources; s; s = s->next)
		emit(e, " %s", s->source->path);
	emit(e, "\n");
	for (const struct source_list *s = e->idl->sources; s; s = s->next)
		emit(e, "%s:\n", s->source->path);
	return write_file(e, o->depfile);
}

static int emit_all(struct idl *idl, const struct interface_decl *i, const struct options *o)
{
	struct emitter e = {.idl = idl, .interface = i};
	int status = 0;

	assert(i);
	if (o->out)
		status = write_c(&e, o->out);
	if (!status && o->depfile)
		status = write_depfile(&e, o);
	if (!status && o->markdown) {
		emit_markdown(&e);
		status = write_file(&e, o->markdown);
	}
	if (!status && o->openrpc) {
		emit_openrpc(&e);
		status = write_file(&e, o->openrpc);
	}
	if (!status && o->ast) {
		emit_ast(&e);
		fputs(sbuf_str(&e.out), stdout);
		sbuf_fini(&e.out);
	}
	if (!status && o->fingerprint)
		printf("%s %ld %s\n", i->name, i->version, fingerprint(idl, i));
	return status;
}

/* X.idl holds the interface X: make, and imports, find it by that. */
static bool has_right_name(const char *path, const struct interface_decl *i)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(i->name);

	if (!strncmp(name, i->name, len) && !strcmp(name + len, ".idl"))
		return true;
	fprintf(stderr, "idlc: %s holds the interface '%s': its name should be %s.idl\n", path,
		i->name, i->name);
	return false;
}

static int compile(const char *const *paths, size_t n, const struct options *o)
{
	auto_sbuf messages = {0};
	struct idl idl = {
		.messages = &messages, .read_source = read_source, .import_dir = o->import_dir};
	struct interface_decl *i = idl_load(&idl, paths, n);

	if (i && !idl.n_errors)
		check_interface(&idl, i);
	int status = 1;
	if (i && !idl.n_errors && (!o->out || n > 1 || has_right_name(paths[0], i)))
		status = emit_all(&idl, i, o);
	fputs(sbuf_str(&messages), stderr);
	idl_fini(&idl);
	return status;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{"out", required_argument, NULL, 'o'},
		{"depfile", required_argument, NULL, 'd'},
		{"target", required_argument, NULL, 't'},
		{"import", required_argument, NULL, 'i'},
		{"markdown", required_argument, NULL, 'm'},
		{"openrpc", required_argument, NULL, 'r'},
		{"ast", no_argument, NULL, 'a'},
		{"fingerprint", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'o')
			o->out = optarg;
		else if (c == 'd')
			o->depfile = optarg;
		else if (c == 't')
			o->target = optarg;
		else if (c == 'i')
			o->import_dir = optarg;
		else if (c == 'm')
			o->markdown = optarg;
		else if (c == 'r')
			o->openrpc = optarg;
		else if (c == 'a')
			o->ast = true;
		else if (c == 'f')
			o->fingerprint = true;
		else if (c == 'h') {
			fputs(usage, stdout);
			exit(0);
		} else
			return false;
	}
	return optind < argc;
}

int main(int argc, char **argv)
{
	struct options o = {0};

	if (!parse_options(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	return compile((const char *const *)argv + optind, (size_t)(argc - optind), &o);
}
