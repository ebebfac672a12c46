/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plugins of this host (plugin.c), for messages that lean on one. Fibers of calls.
 */
#ifndef XENITH_XAPID_API_PLUGIN_H
#define XENITH_XAPID_API_PLUGIN_H

#include "common/rpc.h"

struct plugin_call {
	const char *plugin, *fn;
	struct string_map args;
};

/* What the plugin says, in the call's arena. XENAPI_MISSING_PLUGIN, XENAPI_PLUGIN_FAILURE, or an
 * error of its own. */
MAY_WAIT must_check struct err *plugin_run(
	struct call *c, const struct plugin_call *call, const char **out);
/* Whether there is one of this name. */
bool plugin_is_there(const char *name);

#endif
