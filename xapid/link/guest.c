/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest's agent writes to xenstore, as VM_guest_metrics has it. All of it comes from the
 * guest: texts are copied as they are, and nothing is concluded from them but what the guest says
 * that it can do itself.
 */
#include "common/clock.h"
#include "xapid/db/db.h"
#include "xapid/link/xenopsd.h"

#include <string.h>

/* One path of the agent's, and the key that it becomes. */
struct key {
	const char *path, *key;
};

static const struct key os_keys[] = {
	{"data/os_name", "name"},
	{"data/os_uname", "uname"},
	{"data/os_distro", "distro"},
	{"data/os_majorver", "major"},
	{"data/os_minorver", "minor"},
	{"attr/os/spmajor", "spmajor"},
	{"attr/os/spminor", "spminor"},
};

static const struct key driver_keys[] = {
	{"attr/PVAddons/MajorVersion", "major"},
	{"attr/PVAddons/MinorVersion", "minor"},
	{"attr/PVAddons/MicroVersion", "micro"},
	{"attr/PVAddons/BuildVersion", "build"},
};

static struct string_map pick(
	const struct string_map *agent, const struct key *keys, size_t n, struct arena *a)
{
	struct string_map out = {arena_calloc(a, n, sizeof(*out.v)), 0};

	for (size_t i = 0; i < n; i++) {
		const char *value = string_map_get(agent, keys[i].path);

		if (value)
			out.v[out.n++] = (struct string_map_entry){keys[i].key, value};
	}
	return out;
}

/* Adds an entry; of two with one key the first counts, for the guest may write what it likes. */
static void add(struct string_map *m, const char *key, const char *value)
{
	if (!string_map_get(m, key))
		m->v[m->n++] = (struct string_map_entry){key, value};
}

/* "attr/vif/0/ipv4/0" is "0/ipv4/0"; "attr/eth0/ip", of old agents, is "0/ip". */
static struct string_map networks(const struct string_map *agent, struct arena *a)
{
	struct string_map out = {arena_calloc(a, agent->n, sizeof(*out.v)), 0};

	for (size_t i = 0; i < agent->n; i++) {
		const char *path = agent->v[i].key;
		const char *key = NULL;

		if (!strncmp(path, "attr/vif/", 9))
			key = path + 9;
		else if (!strncmp(path, "attr/eth", 8) && strchr(path + 8, '/'))
			key = path + 8;
		if (key)
			add(&out, key, agent->v[i].value);
	}
	return out;
}

/* What it can do, and what goes nowhere else. */
static struct string_map others(const struct string_map *agent, struct arena *a)
{
	static const struct key more[] = {
		{"data/cant_suspend_reason", "data-cant-suspend-reason"},
		{"data/ts", "data-ts"},
		{"feature/hotplug/vbd", "feature-hotplug-vbd"},
		{"feature/hotplug/vif", "feature-hotplug-vif"},
	};
	struct string_map out = pick(agent, more, ARRAY_LEN(more), a);
	struct string_map_entry *v = arena_calloc(a, out.n + agent->n, sizeof(*v));

	if (out.n)
		memcpy(v, out.v, out.n * sizeof(*v));
	out.v = v;
	for (size_t i = 0; i < agent->n; i++) {
		if (!strncmp(agent->v[i].key, "control/", 8))
			add(&out, agent->v[i].key + 8, agent->v[i].value);
	}
	return out;
}

static enum xenapi_tristate_type tristate(const struct string_map *agent, const char *path)
{
	const char *value = string_map_get(agent, path);

	if (!value)
		return XENAPI_TRISTATE_TYPE_UNSPECIFIED;
	return !strcmp(value, "1") ? XENAPI_TRISTATE_TYPE_YES : XENAPI_TRISTATE_TYPE_NO;
}

/* The row; one for each start of the VM. */
static struct err *row_of(const char *ref, const char **out, bool *is_new)
{
	const struct xenapi_vm *vm = db_find(vm, ref);
	struct xenapi_vm_guest_metrics blank = db_blank(vm_guest_metrics);
	const char *row = vm->guest_metrics;

	*is_new = !db_find(vm_guest_metrics, row);
	if (*is_new) {
		TRY(db_create(vm_guest_metrics, &blank, &row));
		TRY(db_write(vm, ref, guest_metrics, row));
	}
	*out = row;
	return NULL;
}

struct err *guest_note(const char *ref, const struct xenops_vm_state *state, bool *changed)
{
	const struct string_map *agent = &state->guest_agent;
	auto_arena arena = {0};
	const char *row;
	bool is_new;

	TRY(row_of(ref, &row, &is_new));
	uint64_t before = db_generation();
	TRY(db_write(vm_guest_metrics, row, other, others(agent, &arena)));
	TRY(db_write(vm_guest_metrics, row, can_use_hotplug_vbd,
		tristate(agent, "feature/hotplug/vbd")));
	TRY(db_write(vm_guest_metrics, row, can_use_hotplug_vif,
		tristate(agent, "feature/hotplug/vif")));
	TRY(db_write(vm_guest_metrics, row, PV_drivers_detected, state->pv_drivers_detected));
	*changed = is_new || db_generation() != before;
	TRY(db_write(vm_guest_metrics, row, PV_drivers_up_to_date, state->pv_drivers_detected));
	TRY(db_write(vm_guest_metrics, row, os_version,
		pick(agent, os_keys, ARRAY_LEN(os_keys), &arena)));
	TRY(db_write(vm_guest_metrics, row, PV_drivers_version,
		pick(agent, driver_keys, ARRAY_LEN(driver_keys), &arena)));
	TRY(db_write(vm_guest_metrics, row, networks, networks(agent, &arena)));
	TRY(db_write(vm_guest_metrics, row, live, agent->n > 0));
	if (db_generation() != before)
		TRY(db_write(vm_guest_metrics, row, last_updated, clock_real_ns() / NS_PER_S));
	return NULL;
}
