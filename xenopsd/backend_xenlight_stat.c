/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a VM's domain tells of itself: from the hypervisor, from xenstore, and from what its guest
 * wrote there, of which a bounded part is taken and only what is text.
 */
#include "common/mem.h"
#include "common/utf8.h"
#include "core.gen.h"
#include "xenopsd/backend_xenlight.h"

#include <stdio.h>
#include <string.h>

#define KIB 1024

/* Of what a guest says, so much is believed to be meant. */
#define MAX_KEYS        256
#define MAX_DEPTH       5
#define MAX_VALUE_BYTES 1024

/* The folders of a guest's part that its agent writes to. */
static const char *const agent_folders[] = {"attr", "data", "drivers"};

/* What the pool finds out. */
struct stat_call {
	struct xenlight_domain domain;
	uint64_t target_kib;
	char tty[64];
	struct arena arena; /* of the agent's keys; the caller's may be another fiber's too */
	struct string_map agent;
};

/* ---- what the guest says ---- */

static void take_key(struct stat_call *c, const char *full, const char *name)
{
	unsigned len;
	char *value = xs_read(xenlight_xs, XBT_NULL, full, &len);

	if (value && len > 0 && len <= MAX_VALUE_BYTES && utf8_is_valid(value, len) &&
		!memchr(value, '\0', len))
		c->agent.v[c->agent.n++] = (struct string_map_entry){
			arena_strdup(&c->arena, name), arena_strndup(&c->arena, value, len)};
	free(value);
}

/* NAME: below the guest's part, which begins ROOT bytes into FULL. */
static void take_folder(struct stat_call *c, const char *full, size_t root, int depth)
{
	unsigned n;
	char **names = xs_directory(xenlight_xs, XBT_NULL, full, &n);

	if (!names)
		return;
	take_key(c, full, full + root);
	for (unsigned i = 0; i < n && depth < MAX_DEPTH && c->agent.n < MAX_KEYS; i++) {
		auto_str below = xasprintf("%s/%s", full, names[i]);

		take_folder(c, below, root, depth + 1);
	}
	free(names);
}

static void take_agent(struct stat_call *c)
{
	c->agent.v = arena_calloc(&c->arena, MAX_KEYS, sizeof(*c->agent.v));
	for (size_t i = 0; i < ARRAY_LEN(agent_folders) && c->agent.n < MAX_KEYS; i++) {
		auto_str root = xasprintf("/local/domain/%u/", c->domain.info.domid);
		auto_str full = xasprintf("%s%s", root, agent_folders[i]);

		take_folder(c, full, strlen(root), 0);
	}
}

/* xenconsoled's terminal of the guest: a path of dom0 that is opened, so it must look like one. */
static void take_tty(struct stat_call *c)
{
	char path[64];
	unsigned len;

	snprintf(path, sizeof(path), "/local/domain/%u/console/tty", c->domain.info.domid);
	char *tty = xs_read(xenlight_xs, XBT_NULL, path, &len);
	if (tty && len < sizeof(c->tty) && !strncmp(tty, "/dev/pts/", 9) && tty[9] &&
		strspn(tty + 9, "0123456789") == strlen(tty + 9))
		snprintf(c->tty, sizeof(c->tty), "%s", tty);
	free(tty);
}

static int look(void *arg)
{
	struct stat_call *c = arg;
	int rc = xenlight_domain_find(&c->domain);

	if (rc || !c->domain.is_there)
		return rc;
	if (libxl_get_memory_target(xenlight_ctx, c->domain.info.domid, &c->target_kib))
		c->target_kib = c->domain.info.current_memkb;
	take_tty(c);
	take_agent(c);
	return 0;
}

/* ---- telling it ---- */

static void put_console(const char *tty, struct arena *a, struct xenops_console_list *out)
{
	if (!*tty)
		return;
	out->n = 1;
	out->v = arena_new(a, struct xenops_console);
	*out->v = (struct xenops_console){
		.protocol = XENOPS_CONSOLE_PROTOCOL_VT100, .path = arena_strdup(a, tty)};
}

static void put_agent(const struct string_map *said, struct arena *a, struct string_map *out)
{
	out->v = arena_calloc(a, said->n, sizeof(*out->v));
	for (size_t i = 0; i < said->n; i++)
		out->v[out->n++] = (struct string_map_entry){
			arena_strdup(a, said->v[i].key), arena_strdup(a, said->v[i].value)};
}

static void put(const struct stat_call *c, struct arena *a, struct xenops_vm_state *out)
{
	const libxl_dominfo *info = &c->domain.info;

	out->domids = (struct int_list){arena_new(a, int64_t), 1};
	out->domids.v[0] = info->domid;
	put_console(c->tty, a, &out->consoles);
	out->vcpus = info->vcpu_online;
	out->memory_target_bytes = (int64_t)c->target_kib * KIB;
	out->memory_actual_bytes = (int64_t)info->current_memkb * KIB;
	out->memory_limit_bytes = (int64_t)info->max_memkb * KIB;
	put_agent(&c->agent, a, &out->guest_agent);
	out->pv_drivers_detected = c->agent.n > 0;
}

struct err *xenlight_vm_stat(struct vm *vm, struct arena *a, struct xenops_vm_state *out)
{
	struct stat_call c = {0};

	out->domain_type = vm_domain_type(vm);
	out->xenstore_data = vm->config.xenstore_data;
	if (!xenlight_domain_init(&c.domain, vm))
		return err(Domain_not_built);
	struct err *e = xenlight_run("looking at a domain", look, &c);
	if (!e && !c.domain.is_there)
		e = err(Domain_not_built);
	if (!e)
		put(&c, a, out);
	arena_fini(&c.arena);
	return e;
}
