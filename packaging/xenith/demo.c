/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The demo host (demo.h). Each part is looked for by its name and made if it is not there. What
 * completes a part comes last: a template with a disk, a VM that is no template any more.
 */
#include "packaging/xenith/demo.h"

#include "common/clock.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/mem.h"
#include "core.gen.h"
#include "packaging/xenith/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TEMPLATE_NAME  "demo-template"
#define VM_NAME        "demo-vm"
#define DISK_NAME      "demo disk"
#define SR_NAME        "Local storage"
#define BASE_NAME      "Other install media"
#define DISK_SIZE      (INT64_C(64) << 20) /* of an empty one */
#define SECTOR         512
#define FILLED         "demo-disk" /* in other_config: its contents are there */
#define SETTLES_WITHIN (60 * NS_PER_S)

struct demo {
	struct client client;
	const char *dir;
	int image_fd; /* what the disk begins with; -1: nothing */
	int64_t image_size, disk_size; /* bytes */
	const char *sr, *template, *vm; /* references; NULL: not yet */
};

/* A call with one reference that answers with a string. */
static MAY_WAIT struct err *get(
	struct demo *d, const char *message, const char *self, const char **out)
{
	return client_call_string(&d->client, message, json_pack("[s]", self), out);
}

static MAY_WAIT struct err *get_bool(
	struct demo *d, const char *message, const char *self, bool *out)
{
	json_t *value = NULL;

	TRY(client_call(&d->client, message, json_pack("[s]", self), &value));
	*out = json_is_true(value);
	return NULL;
}

/* The first reference of a list. */
static MAY_WAIT struct err *first(
	struct demo *d, const char *message, json_t *params, const char **out)
{
	json_t *list = NULL;

	TRY(client_call(&d->client, message, params, &list));
	*out = json_string_value(json_array_get(list, 0));
	return NULL;
}

/* ---- what is under way ---- */

static bool is_ours(const json_t *task)
{
	static const char *const calls[] = {"SR.create", "VDI.create", "VM.clone", "VM.provision"};
	const char *status = json_string_value(json_object_get(task, "status"));
	const char *name = json_string_value(json_object_get(task, "name_label"));

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (!strcmp(name, calls[i]) && !strcmp(status, "pending"))
			return true;
	return false;
}

/* A `xenith up` that was killed may have left a call, which goes on: what it makes is not to be
 * made again. So wait until there is none. */
static MAY_WAIT struct err *settle(struct demo *d)
{
	int64_t until = deadline_in(SETTLES_WITHIN);
	json_t *tasks = NULL, *task;
	const char *ref, *waits_for;

	do {
		waits_for = NULL;
		TRY(client_call(&d->client, "task.get_all_records", NULL, &tasks));
		json_object_foreach(tasks, ref, task)
		{
			if (is_ours(task))
				waits_for = ref;
		}
		if (waits_for && clock_mono_ns() > until)
			return err(TIMEOUT, "the end of what others make");
		if (waits_for)
			TRY(fiber_sleep(50 * NS_PER_MS));
	} while (waits_for);
	return NULL;
}

/* ---- the SR ---- */

/* A folder without an SR in it: one may be there whose rows were lost. */
static char *new_location(const char *dir)
{
	for (unsigned i = 1;; i++) {
		char *path =
			i == 1 ? xasprintf("%s/storage", dir) : xasprintf("%s/storage-%u", dir, i);
		auto_str about = xasprintf("%s/sr.json", path);

		if (access(about, F_OK) < 0)
			return path;
		free(path);
	}
}

static MAY_WAIT struct err *create_sr(struct demo *d)
{
	auto_str location = new_location(d->dir);
	const char *host;

	TRY(first(d, "host.get_all", NULL, &host));
	json_t *params = json_pack("[s, {s: s}, I, s, s, s, s, b, {}]", host, "location", location,
		(json_int_t)0, SR_NAME, "Disks in a folder of this host", "file", "user", false);
	return client_call_string(&d->client, "SR.create", params, &d->sr);
}

static MAY_WAIT struct err *plug_sr(struct demo *d)
{
	const char *pbd;
	bool is_plugged;

	TRY(first(d, "SR.get_PBDs", json_pack("[s]", d->sr), &pbd));
	if (!pbd)
		return NULL;
	TRY(get_bool(d, "PBD.get_currently_attached", pbd, &is_plugged));
	return is_plugged ? NULL : get(d, "PBD.plug", pbd, NULL);
}

/* The default SR, whichever it is; else ours becomes it. */
static MAY_WAIT struct err *ensure_sr(struct demo *d)
{
	const char *pool;

	TRY(first(d, "pool.get_all", NULL, &pool));
	TRY(get(d, "pool.get_default_SR", pool, &d->sr));
	if (!client_is_null(d->sr))
		return plug_sr(d);
	TRY(first(d, "SR.get_by_name_label", json_pack("[s]", SR_NAME), &d->sr));
	TRY(d->sr ? plug_sr(d) : create_sr(d));
	return client_call(
		&d->client, "pool.set_default_SR", json_pack("[s, s]", pool, d->sr), NULL);
}

/* ---- VMs ---- */

/* The VM of that name that is no snapshot; NULL: none. */
static MAY_WAIT struct err *find_vm(struct demo *d, const char *name, const char **out)
{
	json_t *list = NULL, *ref;
	size_t i;
	bool is_snapshot;

	*out = NULL;
	TRY(client_call(&d->client, "VM.get_by_name_label", json_pack("[s]", name), &list));
	json_array_foreach(list, i, ref)
	{
		TRY(get_bool(d, "VM.get_is_a_snapshot", json_string_value(ref), &is_snapshot));
		if (!is_snapshot)
			*out = json_string_value(ref);
	}
	return NULL;
}

/* ---- the template ---- */

/* The network that leads out of the host by its management interface, else any. */
static MAY_WAIT struct err *find_network(struct demo *d, const char **out)
{
	json_t *pifs = NULL, *pif;
	const char *ref;

	*out = NULL;
	TRY(client_call(&d->client, "PIF.get_all_records", NULL, &pifs));
	json_object_foreach(pifs, ref, pif)
	{
		if (!*out || json_is_true(json_object_get(pif, "management")))
			*out = json_string_value(json_object_get(pif, "network"));
	}
	return *out ? NULL : first(d, "network.get_all", NULL, out);
}

static MAY_WAIT struct err *ensure_vif(struct demo *d)
{
	const char *there, *network;

	TRY(first(d, "VM.get_VIFs", json_pack("[s]", d->template), &there));
	if (there)
		return NULL;
	TRY(find_network(d, &network));
	json_t *record = json_pack("{s: s, s: s, s: s, s: s, s: i, s: {}, s: s, s: {}}", "device",
		"0", "network", network, "VM", d->template, "MAC", "", "MTU", 1500, "other_config",
		"qos_algorithm_type", "", "qos_algorithm_params");
	return client_call(&d->client, "VIF.create", json_pack("[o]", record), NULL);
}

static MAY_WAIT struct err *has_disk(struct demo *d, bool *out)
{
	json_t *vbds = NULL, *vbd;
	const char *type;
	size_t i;

	*out = false;
	TRY(client_call(&d->client, "VM.get_VBDs", json_pack("[s]", d->template), &vbds));
	json_array_foreach(vbds, i, vbd)
	{
		TRY(get(d, "VBD.get_type", json_string_value(vbd), &type));
		*out |= !strcmp(type, "Disk");
	}
	return NULL;
}

/* A disk that was made and not yet given to the template; NULL: none. */
static MAY_WAIT struct err *find_loose_vdi(struct demo *d, const char **out)
{
	json_t *vdis = NULL, *vdi, *record;
	size_t i;

	*out = NULL;
	TRY(client_call(&d->client, "VDI.get_by_name_label", json_pack("[s]", DISK_NAME), &vdis));
	json_array_foreach(vdis, i, vdi)
	{
		const char *ref = json_string_value(vdi);

		TRY(client_call(&d->client, "VDI.get_record", json_pack("[s]", ref), &record));
		if (!json_array_size(json_object_get(record, "VBDs")) &&
			json_integer_value(json_object_get(record, "virtual_size")) == d->disk_size)
			*out = ref;
	}
	return NULL;
}

static MAY_WAIT struct err *ensure_vdi(struct demo *d, const char **out)
{
	TRY(find_loose_vdi(d, out));
	if (*out)
		return NULL;
	json_t *record = json_pack("{s: s, s: s, s: s, s: I, s: s, s: b, s: b, s: {}}",
		"name_label", DISK_NAME, "name_description", "What demo VMs begin with", "SR",
		d->sr, "virtual_size", (json_int_t)d->disk_size, "type", "system", "sharable",
		false, "read_only", false, "other_config");
	return client_call_string(&d->client, "VDI.create", json_pack("[o]", record), out);
}

/* The image goes into the disk, and then a note that it is whole. */
static MAY_WAIT struct err *ensure_contents(struct demo *d, const char *vdi)
{
	json_t *config = NULL;

	if (d->image_fd < 0)
		return NULL;
	TRY(client_call(&d->client, "VDI.get_other_config", json_pack("[s]", vdi), &config));
	if (json_object_get(config, FILLED))
		return NULL;
	auto_str target = xasprintf("/import_raw_vdi?format=raw&vdi=%s", vdi);
	TRY(client_put(&d->client, target, d->image_fd, (uint64_t)d->image_size));
	return client_call(&d->client, "VDI.add_to_other_config",
		json_pack("[s, s, s]", vdi, FILLED, "filled"), NULL);
}

static MAY_WAIT struct err *ensure_disk(struct demo *d)
{
	const char *vdi;
	bool is_there;

	TRY(has_disk(d, &is_there));
	if (is_there)
		return NULL;
	TRY(ensure_vdi(d, &vdi));
	TRY(ensure_contents(d, vdi));
	json_t *record =
		json_pack("{s: s, s: s, s: s, s: b, s: s, s: s, s: b, s: b, s: {}, s: s, s: {}}",
			"VM", d->template, "VDI", vdi, "userdevice", "0", "bootable", true, "mode",
			"RW", "type", "Disk", "unpluggable", true, "empty", false, "other_config",
			"qos_algorithm_type", "", "qos_algorithm_params");
	return client_call(&d->client, "VBD.create", json_pack("[o]", record), NULL);
}

static MAY_WAIT struct err *clone_base(struct demo *d)
{
	const char *base;

	TRY(find_vm(d, BASE_NAME, &base));
	if (!base)
		return err(Does_not_exist, "VM", BASE_NAME);
	TRY(find_vm(d, TEMPLATE_NAME, &d->template));
	if (d->template)
		return NULL;
	return client_call_string(
		&d->client, "VM.clone", json_pack("[s, s]", base, TEMPLATE_NAME), &d->template);
}

static MAY_WAIT struct err *ensure_template(struct demo *d)
{
	TRY(clone_base(d));
	TRY(ensure_vif(d));
	return ensure_disk(d);
}

/* ---- the VM ---- */

static MAY_WAIT struct err *ensure_vm(struct demo *d)
{
	bool is_a_template;

	TRY(find_vm(d, VM_NAME, &d->vm));
	if (!d->vm)
		TRY(client_call_string(
			&d->client, "VM.clone", json_pack("[s, s]", d->template, VM_NAME), &d->vm));
	TRY(get_bool(d, "VM.get_is_a_template", d->vm, &is_a_template));
	return is_a_template ? get(d, "VM.provision", d->vm, NULL) : NULL;
}

/* ---- all ---- */

static MAY_WAIT struct err *make_all(struct demo *d)
{
	const char *state;

	TRY(client_open(&d->client, d->dir));
	TRY(settle(d));
	TRY(ensure_sr(d));
	TRY(ensure_template(d));
	TRY(ensure_vm(d));
	TRY(get(d, "VM.get_power_state", d->vm, &state));
	printf("%s is there, and %s (%s)\n", TEMPLATE_NAME, VM_NAME, state);
	return NULL;
}

static struct err *open_image(const char *path, struct demo *d)
{
	struct stat st;

	d->image_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (d->image_fd < 0 || fstat(d->image_fd, &st) < 0)
		return err_errno(errno, "opening %s", path);
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return err(INVALID_VALUE, path, "no image");
	d->image_size = st.st_size;
	d->disk_size = (st.st_size + SECTOR - 1) / SECTOR * SECTOR;
	return NULL;
}

MAY_WAIT struct err *demo_make(const struct options *o)
{
	auto_str run = xasprintf("%s/run", o->dir);
	struct demo demo = {.dir = o->dir, .image_fd = -1, .disk_size = DISK_SIZE};
	auto_fd lock_fd = -1;

	TRY(dir_lock(run, "demo.lock", &lock_fd));
	struct err *e = o->demo_disk ? open_image(o->demo_disk, &demo) : NULL;
	if (!e)
		e = make_all(&demo);
	client_close(&demo.client);
	close_fdp(&demo.image_fd);
	return err_wrap(e, "making the demo host");
}
