/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `xenith logs`: what the daemons of a private directory wrote, from D/log. It needs no daemon to
 * run, so that it answers when nothing else does.
 */
#include "packaging/xenith/verbs.h"

#include "common/mem.h"
#include "packaging/xenith/log_tail.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct source {
	char *path;
	char *prefix;
	off_t end;
};

static char *prefix_of(const char *path, bool is_needed)
{
	const char *name = strrchr(path, '/') + 1;

	return is_needed ? xasprintf("%.*s: ", (int)(strlen(name) - strlen(".log")), name)
			 : xstrdup("");
}

static int follow(struct source *sources, size_t n)
{
	for (;;) {
		for (size_t i = 0; i < n; i++) {
			int r = log_tail_more(
				sources[i].path, sources[i].prefix, stdout, &sources[i].end);

			if (r < 0 && r != -ENOENT)
				return EXIT_FAILED;
		}
		if (fflush(stdout) == EOF)
			return EXIT_FAILED;
		usleep(200 * 1000); /* lint: a plain program, there is no loop here */
	}
}

int verb_logs(const struct options *o)
{
	auto_str pattern = xasprintf("%s/log/%s.log", o->dir, o->operand ? o->operand : "*");
	glob_t found;
	int status = EXIT_OK;

	if (o->operand && (strchr(o->operand, '/') || strpbrk(o->operand, "*?["))) {
		fprintf(stderr, "xenith: '%s' is no daemon\n", o->operand);
		return EXIT_USAGE;
	}
	if (glob(pattern, 0, NULL, &found) || !found.gl_pathc) {
		fprintf(stderr, "xenith: there is no log %s\n", pattern);
		return EXIT_FAILED;
	}
	struct source *sources = xcalloc(found.gl_pathc, sizeof(*sources));
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct source *s = &sources[i];

		s->path = found.gl_pathv[i];
		s->prefix = prefix_of(s->path, found.gl_pathc > 1);
		int r = log_tail(s->path, o->lines, s->prefix, stdout, &s->end);
		if (r < 0) {
			fprintf(stderr, "xenith: %s: %s\n", s->path, strerrordesc_np(-r));
			status = EXIT_FAILED;
		}
	}
	if (o->follow && status == EXIT_OK)
		status = follow(sources, found.gl_pathc);
	for (size_t i = 0; i < found.gl_pathc; i++)
		free(sources[i].prefix);
	free(sources);
	globfree(&found);
	return status;
}
