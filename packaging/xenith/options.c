/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the launcher's command line (options.h). Every number is checked for its range here, so
 * that nothing is started with an option that some daemon would refuse a second later.
 */
#include "packaging/xenith/options.h"

#include "common/mem.h"
#include "common/version.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct verb {
	const char *name;
	const char *operand; /* what may stand behind it; NULL: nothing */
	bool needs_dir;
	const char *doc;
};

static const struct verb verbs[] = {
	{"up", NULL, true, "start the daemons and wait until every one is ready"},
	{"down", NULL, false, "stop them; guests run on"},
	{"status", NULL, false, "what runs (--json for programs)"},
	{"restart", "[DAEMON]", false, "restart one daemon, or all; guests run on"},
	{"logs", "[DAEMON]", false,
		"the last lines of one daemon's log, or of all (-n N, --follow)"},
	{"console", "VM", false, "the text console of a VM, by name or uuid; Ctrl-] leaves it"},
	{"supervise", NULL, true,
		"stay in the foreground and keep the daemons running (`up` runs this)"},
};

static const char *const backends[] = {"simulator", "qemu", "libvirt", "xenlight", NULL};
static const char *const networks[] = {"kernel", "simulator", NULL};

enum {
	OPT_BACKEND = 256,
	OPT_ADDRESS,
	OPT_PORT,
	OPT_TLS_PORT,
	OPT_NETWORK,
	OPT_DEMO,
	OPT_DEMO_DISK,
	OPT_JSON,
	OPT_ALSO
};

static const struct option long_options[] = {
	{"dir", required_argument, NULL, 'd'},
	{"backend", required_argument, NULL, OPT_BACKEND},
	{"address", required_argument, NULL, OPT_ADDRESS},
	{"port", required_argument, NULL, OPT_PORT},
	{"tls-port", required_argument, NULL, OPT_TLS_PORT},
	{"network", required_argument, NULL, OPT_NETWORK},
	{"demo", no_argument, NULL, OPT_DEMO},
	{"demo-disk", required_argument, NULL, OPT_DEMO_DISK},
	{"json", no_argument, NULL, OPT_JSON},
	{"also", required_argument, NULL, OPT_ALSO},
	{"lines", required_argument, NULL, 'n'},
	{"follow", no_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static void print_help(FILE *to)
{
	fputs("Usage: xenith VERB [--dir D] [OPTION …]\n\n"
	      "Runs the daemons of Xenith in a private directory, or, without --dir, acts on the\n"
	      "units of the installed system.\n\nVerbs:\n",
		to);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(to, "  %-9s %-9s %s\n", verbs[i].name,
			verbs[i].operand ? verbs[i].operand : "", verbs[i].doc);
	fputs("\nOptions:\n"
	      "  --dir D             everything lies below D: sockets, state, logs, D/env\n"
	      "  --backend NAME      simulator (default), qemu, libvirt or xenlight\n"
	      "  --address A         where the XenAPI is served (default 127.0.0.1)\n"
	      "  --port P            its plain port (default 8080; 0: none)\n"
	      "  --tls-port Q        its TLS port (default: none)\n"
	      "  --network NAME      kernel or simulator: whether the host's own network is\n"
	      "                      touched (default: by root, but not with a simulator)\n"
	      "  --demo              make a demo host: storage, a template and a VM\n"
	      "  --demo-disk FILE    a raw image that the template's disk begins with\n"
	      "  --also PROGRAM      run this daemon too; may be repeated\n"
	      "  --json              status as JSON\n"
	      "  -n, --lines N       how many lines of log (default 20)\n"
	      "  -f, --follow        go on printing what is logged\n"
	      "  --help, --version\n"
	      "\nExit status: 0 done, 1 it failed, 2 wrong usage, 3 it does not run.\n",
		to);
}

static int complain(const char *fmt, ...) printf_like(1, 2);

static int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("xenith: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'xenith --help'.\n", stderr);
	return EXIT_USAGE;
}

static bool read_number(const char *text, long lowest, long highest, long *out)
{
	char *end;

	errno = 0;
	long n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < lowest || n > highest)
		return false;
	*out = n;
	return true;
}

static bool is_one_of(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

static int read_option(int c, struct options *o)
{
	switch (c) {
	case 'd':
		free(o->dir);
		o->dir = xstrdup(optarg);
		return -1;
	case OPT_BACKEND:
		o->backend = optarg;
		if (!is_one_of(backends, optarg))
			return complain(
				"'%s' is no backend (simulator, qemu, libvirt, xenlight)", optarg);
		return -1;
	case OPT_ADDRESS:
		o->address = optarg;
		return -1;
	case OPT_PORT:
		return read_number(optarg, 0, 65535, &o->port)
			? -1
			: complain("'%s' is no port", optarg);
	case OPT_TLS_PORT:
		return read_number(optarg, 0, 65535, &o->tls_port)
			? -1
			: complain("'%s' is no port", optarg);
	case 'n':
		return read_number(optarg, 0, 1000000, &o->lines)
			? -1
			: complain("'%s' is no number of lines", optarg);
	case OPT_NETWORK:
		o->network = optarg;
		return is_one_of(networks, optarg)
			? -1
			: complain("'%s' is no network (kernel, simulator)", optarg);
	case OPT_DEMO:
		o->demo = true;
		return -1;
	case OPT_DEMO_DISK:
		o->demo_disk = optarg;
		return -1;
	case OPT_JSON:
		o->json = true;
		return -1;
	case 'f':
		o->follow = true;
		return -1;
	case OPT_ALSO:
		if (o->n_extra == MAX_EXTRA)
			return complain("too many --also (%s)", optarg);
		o->extra[o->n_extra++] = optarg;
		return -1;
	case 'h':
		print_help(stdout);
		return EXIT_OK;
	case 'V':
		puts("xenith " XENITH_VERSION);
		return EXIT_OK;
	}
	fputs("Try 'xenith --help'.\n", stderr);
	return EXIT_USAGE;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int read_operands(int argc, char **argv, struct options *o)
{
	if (optind == argc) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	o->verb = argv[optind++];
	const struct verb *v = find_verb(o->verb);
	if (!v)
		return complain("there is no verb '%s'", o->verb);
	if (optind < argc && v->operand)
		o->operand = argv[optind++];
	else if (v->operand && *v->operand != '[')
		return complain("'%s' needs a %s", v->name, v->operand);
	if (optind < argc)
		return complain("'%s' is one word too many", argv[optind]);
	if (v->needs_dir && !o->dir && !strcmp(v->name, "supervise"))
		return complain("'%s' needs --dir", v->name);
	if (!o->dir && (o->demo || o->demo_disk))
		return complain("a demo host is made with --dir");
	return -1;
}

/* Daemons change their working directory, so D must not depend on ours. */
static int make_dir_absolute(struct options *o)
{
	if (!o->dir || o->dir[0] == '/')
		return -1;
	auto_str here = getcwd(NULL, 0);
	if (!here)
		return complain("the working directory is gone; give --dir as an absolute path");
	auto_str relative = take(o->dir);
	o->dir = xasprintf("%s/%s", here, relative);
	return -1;
}

int options_read(int argc, char **argv, struct options *out)
{
	int c, status;

	*out = (struct options){
		.backend = "simulator", .address = "127.0.0.1", .port = 8080, .lines = 20};
	while ((c = getopt_long(argc, argv, "d:n:fhV", long_options, NULL)) != -1) {
		status = read_option(c, out);
		if (status >= 0)
			return status;
	}
	status = read_operands(argc, argv, out);
	return status >= 0 ? status : make_dir_absolute(out);
}

void options_fini(struct options *o)
{
	free(o->dir);
	*o = (struct options){0};
}
