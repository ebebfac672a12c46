/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding what a command line names: the calls of all interfaces of a CLI, by their names in the
 * IDL ("VM.set_vcpus") or as one types them ("vm-set-vcpus"), and the commands that no table
 * gives.
 */
#include "common/cli_parts.h"

#include "core.gen.h"

#include <ctype.h>
#include <string.h>

const struct interface *cli_interface(const struct cli_spec *spec, size_t i)
{
	size_t n = 0;

	while (spec->interfaces[n])
		n++;
	if (i < n)
		return spec->interfaces[i];
	return i == n ? &core_interface : NULL;
}

static char typed(char c)
{
	return c == '.' || c == '_' ? '-' : (char)tolower((unsigned char)c);
}

const char *cli_command_name(const char *method, struct arena *a)
{
	char *name = arena_strdup(a, method);

	for (char *p = name; *p; p++)
		*p = typed(*p);
	return name;
}

static bool is_same_name(const char *a, const char *b)
{
	while (*a && typed(*a) == typed(*b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

const struct method *cli_find_method(const struct cli_spec *spec, const char *name)
{
	cli_for_each_interface (i, spec) {
		const struct interface *in = cli_interface(spec, i);

		for (uint32_t k = 0; k < in->n_methods; k++)
			if (is_same_name(in->methods[k].name, name))
				return &in->methods[k];
	}
	return NULL;
}

static const struct cli_command *find_in(
	const struct cli_command *commands, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

const struct cli_command *cli_find_command(const struct cli_spec *spec, const char *name)
{
	const struct cli_command *c = find_in(spec->commands, spec->n_commands, name);

	return c ? c : find_in(cli_own_commands, cli_n_own_commands, name);
}
