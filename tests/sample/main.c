/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sampled: a small daemon on the ground alone. It shows what every daemon's main looks like: a
 * specification, what to open before the socket does, and daemon_run. Read on in api_note.c.
 */
#include "common/daemon.h"
#include "common/mem.h"
#include "common/version.h"
#include "tests/sample/note.h"
#include "tests/sample/sample.h"

#include "sample.gen.h"

struct sample sample;

/* Before the socket opens: whoever connects finds every note. */
static MAY_WAIT struct err *init(void)
{
	auto_str path = xasprintf("%s/sampled.db", daemon_paths()->state);

	return notes_open(path);
}

int main(int argc, char **argv)
{
	static const struct service *const services[] = {&sample_service, NULL};
	const struct daemon_spec spec = {
		.name = "sampled",
		.summary = "a daemon to try the ground with",
		.version = XENITH_VERSION,
		.services = services,
		.init = init,
		.fini = notes_close,
	};

	return daemon_run(argc, argv, &spec);
}
