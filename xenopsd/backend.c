/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the backend: a shared object beside the program (../lib/xenith/xenopsd/ from its folder, in
 * the build tree and installed), so that the libraries of a hypervisor are needed by its users
 * alone. Before the socket opens.
 */
#define LOG_MODULE "backend"
#include "xenopsd/backend.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/version.h"
#include "core.gen.h"
#include "xenopsd/xenopsd.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

char *program_folder(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		return xstrdup(".");
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	return xstrdup(path);
}

struct err *backend_load(const char *name, const struct backend_ops **out)
{
	auto_str folder = program_folder();
	auto_str path = xasprintf("%s/../lib/xenith/xenopsd/%s.so", folder, name);
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!object)
		return err(CONFIGURATION_INVALID, "backend", dlerror());
	const struct backend_ops *ops = dlsym(object, "xenopsd_backend");
	if (!ops)
		return err(CONFIGURATION_INVALID, "backend", "its object defines no backend");
	if (strcmp(ops->version, XENITH_VERSION))
		return err(CONFIGURATION_INVALID, "backend", "it is of another version");
	log_info("the backend is %s", ops->name);
	*out = ops;
	return NULL;
}
