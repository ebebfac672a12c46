/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's files (files.h). Written on the loop thread: a file of the run directory, which is in
 * memory, takes less time than handing it to another thread.
 */
#define LOG_MODULE "files"
#include "xenopsd/files.h"

#include "common/codec.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"
#include "xenopsd/damage.h"
#include "xenopsd/xenopsd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BYTES ((size_t)4 << 20)

static struct err *put(
	const struct vm *vm, const char *name, const struct type *type, const void *value)
{
	auto_str path = xasprintf("%s/%s", vm->dir, name);
	auto_sbuf text = {0};

	codec_encode(type, value, &text);
	sbuf_addc(&text, '\n');
	int r = file_write(path, sbuf_data(&text), sbuf_len(&text), 0600, 0);
	return r ? err_errno(-r, "writing %s", path) : NULL;
}

static struct err *drop(const char *dir, const char *name)
{
	auto_str path = xasprintf("%s/%s", dir, name);
	int r = file_remove(path, 0);

	return r ? err_errno(-r, "removing %s", path) : NULL;
}

static char *device_file(const struct device *d)
{
	return xasprintf("%s.%s", device_classes[d->class].class, d->name);
}

bool files_config_is_damaged(const struct vm *vm)
{
	auto_str config = xasprintf("%s/config", vm->dir);
	auto_str aside = xasprintf("%s" DAMAGE_SUFFIX, config);

	return access(config, F_OK) && !access(aside, F_OK);
}

struct err *files_make_folder(const struct vm *vm)
{
	if (mkdir(vm->dir, 0700) && errno != EEXIST)
		return err_errno(errno, "making %s", vm->dir);
	return NULL;
}

struct err *files_put_config(const struct vm *vm)
{
	return put(vm, "config", &xenops_type_vm, &vm->config);
}

struct err *files_put_device(const struct device *d)
{
	auto_str name = device_file(d);

	return put(d->vm, name, device_classes[d->class].type, &d->vbd);
}

struct err *files_drop_device(const struct device *d)
{
	auto_str name = device_file(d);

	return drop(d->vm->dir, name);
}

static struct xenopsd_state state_of(const struct vm *vm, struct arena *a)
{
	struct xenopsd_state state = {
		.phase = vm->phase, .has_image = vm->has_image, .ends_for = vm->ends_for};

	if (vm->last_start_s)
		state.last_start = (int64_t *)&vm->last_start_s;
	state.came_by = vm->came_by ?: "";
	if (vm->migration.token) {
		state.migration = arena_new(a, struct xenopsd_migration);
		*state.migration = (struct xenopsd_migration){
			vm->migration.token, {vm->migration.url}, vm->migration.memory ?: ""};
	}
	state.active.v = arena_calloc(a, vm->devices.n + vm->lost.n, sizeof(*state.active.v));
	vec_for_each (i, &vm->lost)
		state.active.v[state.active.n++] = arena_strdup(a, vm->lost.v[i]);
	state.changing.v = arena_calloc(a, vm->devices.n, sizeof(*state.changing.v));
	state.moving.v = arena_calloc(a, vm->devices.n, sizeof(*state.moving.v));
	vec_for_each (i, &vm->devices) {
		auto_str name = device_file(vm->devices.v[i]);

		if (vm->devices.v[i]->is_active)
			state.active.v[state.active.n++] = arena_strdup(a, name);
		if (vm->devices.v[i]->is_changing)
			state.changing.v[state.changing.n++] = arena_strdup(a, name);
		if (vm->devices.v[i]->is_moving)
			state.moving.v[state.moving.n++] = arena_strdup(a, name);
	}
	return state;
}

struct err *files_put_state(const struct vm *vm)
{
	auto_arena a = {0};
	const struct xenopsd_state state = state_of(vm, &a);

	return put(vm, "state", &xenopsd_type_state, &state);
}

struct err *vm_set_phase(struct vm *vm, enum xenopsd_phase phase)
{
	vm->phase = phase;
	return files_put_state(vm);
}

/* ---- folders ---- */

static void close_dirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Calls FN for each name in the folder but those that begin with a dot. */
static struct err *each_name(const char *path,
	struct err *(*fn)(const char *dir, const char *name, void *arg), void *arg)
{
	AUTO(close_dirp) DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return err_errno(errno, "opening %s", path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			TRY(fn(path, entry->d_name, arg));
	return NULL;
}

/* Without "config" the folder is no VM: it goes first; of the rest, temporaries go too. */
static struct err *drop_folder(const char *path)
{
	AUTO(close_dirp) DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return err_errno(errno, "opening %s", path);
	if (unlinkat(dirfd(dir), "config", 0) && errno != ENOENT)
		return err_errno(errno, "removing %s/config", path);
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
			unlinkat(dirfd(dir), name, 0) && errno != ENOENT)
			return err_errno(errno, "removing %s/%s", path, name);
	}
	return rmdir(path) ? err_errno(errno, "removing %s", path) : NULL;
}

struct err *files_drop_vm(const struct vm *vm)
{
	return drop_folder(vm->dir);
}

/* ---- at the start ---- */

static struct err *read_file(
	const char *dir, const char *name, const struct type *type, struct arena *a, void *out)
{
	auto_str path = xasprintf("%s/%s", dir, name);
	auto_str text = NULL;
	size_t len;
	int r = file_read(path, MAX_BYTES, &text, &len);

	if (r)
		return err_errno(-r, "reading %s", path);
	TRY_CTX(codec_decode(type, name, text, len, a, out), "reading %s", path);
	return NULL;
}

/* DIR is the VM's: a file of another VM is as good as damaged. */
static struct err *read_device(struct vm *vm, enum device_class class, const char *file)
{
	union {
		struct xenops_vbd vbd;
		struct xenops_vif vif;
		struct xenops_pci pci;
		struct xenops_vgpu vgpu;
		struct xenops_vusb vusb;
	} config;
	auto_arena a = {0};

	TRY(read_file(vm->dir, file, device_classes[class].type, &a, &config));
	auto_str id = xasprintf("%s/%s", vm->id, strchr(file, '.') + 1);
	if (strcmp(config.vbd.vbd, id))
		return err(INVALID_VALUE, file, "not of this device");
	TRY(device_check_id(class, id));
	device_new(vm, class, &config);
	return NULL;
}

static struct err *load_device(const char *dir, const char *name, void *arg)
{
	struct vm *vm = arg;

	if (damage_is_aside(name)) {
		damage_note(dir, name);
		return NULL;
	}
	for (size_t i = 0; i < N_DEVICE_CLASSES; i++) {
		size_t len = strlen(device_classes[i].class);

		if (strncmp(name, device_classes[i].class, len) || name[len] != '.')
			continue;
		struct err *e = read_device(vm, (enum device_class)i, name);
		if (e)
			damage_put_aside(dir, name, e);
	}
	return NULL;
}

static bool is_among(const char *name, const struct string_list *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (!strcmp(names->v[i], name))
			return true;
	return false;
}

static bool has_device(const struct vm *vm, const char *file)
{
	vec_for_each (i, &vm->devices) {
		auto_str name = device_file(vm->devices.v[i]);

		if (!strcmp(name, file))
			return true;
	}
	return false;
}

void files_mark_active(struct vm *vm, const struct string_list *active)
{
	vec_for_each (i, &vm->devices) {
		auto_str name = device_file(vm->devices.v[i]);

		if (is_among(name, active))
			vm->devices.v[i]->is_active = true;
	}
}

void files_list_active(const struct vm *vm, struct arena *a, struct string_list *out)
{
	*out = state_of(vm, a).active;
}

static void take_migration(struct vm *vm, const struct xenopsd_state *state)
{
	const struct xenopsd_migration *m = state->migration;

	if (*state->came_by)
		vm->came_by = xstrdup(state->came_by);
	if (m)
		vm->migration = (struct vm_migration){
			xstrdup(m->token), xstrdup(m->url.hidden), xstrdup(m->memory)};
}

static void take_state(struct vm *vm, const struct xenopsd_state *state)
{
	vm->phase = state->phase;
	vm->has_image = state->has_image;
	vm->ends_for = state->ends_for;
	vm->last_start_s = state->last_start ? *state->last_start : 0;
	files_mark_active(vm, &state->active);
	vec_for_each (i, &vm->devices) {
		auto_str name = device_file(vm->devices.v[i]);

		vm->devices.v[i]->is_changing = is_among(name, &state->changing);
		vm->devices.v[i]->is_moving = is_among(name, &state->moving);
	}
}

static void take_lost(struct vm *vm, const struct string_list *active)
{
	for (size_t i = 0; i < active->n; i++)
		if (!has_device(vm, active->v[i]))
			vec_push(&vm->lost, xstrdup(active->v[i]));
}

static struct err *read_state(struct vm *vm)
{
	auto_arena a = {0};
	struct xenopsd_state state;

	TRY(read_file(vm->dir, "state", &xenopsd_type_state, &a, &state));
	take_state(vm, &state);
	take_migration(vm, &state);
	take_lost(vm, &state.active);
	return NULL;
}

/* As if it were up with all it can have: what is not there is put right (repair.h). The file was
 * written no earlier than at its start. */
static void take_no_state(struct vm *vm)
{
	auto_str path = xasprintf("%s/state", vm->dir);
	struct stat st;

	vm->last_start_s = stat(path, &st) ? 0 : st.st_mtim.tv_sec;
	vm->phase = XENOPSD_PHASE_UP;
	vm->has_image = true;
	vec_for_each (i, &vm->devices)
		vm->devices.v[i]->is_active = true;
}

static void load_state(struct vm *vm)
{
	struct err *e = read_state(vm);

	if (!e)
		return;
	take_no_state(vm);
	damage_put_aside(vm->dir, "state", e);
}

/* What of the VM is not its config. */
static struct err *load_rest(struct vm *vm)
{
	auto_str state_path = xasprintf("%s/state", vm->dir);

	TRY(each_name(vm->dir, load_device, vm));
	if (!access(state_path, F_OK))
		load_state(vm);
	return NULL;
}

struct err *files_take_up(struct vm *vm)
{
	return files_config_is_damaged(vm) ? load_rest(vm) : NULL;
}

static struct err *read_config(
	const char *dir, const char *id, struct arena *a, struct xenops_vm *out)
{
	TRY(read_file(dir, "config", &xenops_type_vm, a, out));
	if (strcmp(out->vm, id))
		return err(INVALID_VALUE, "config", "not of this VM");
	return vm_check_id(id);
}

/* Where is no config, there is no VM; one that is damaged may come back. */
static struct err *load_none(const char *dir, const char *id)
{
	auto_str aside = xasprintf("%s/config" DAMAGE_SUFFIX, dir);

	if (!access(aside, F_OK)) {
		damage_note(dir, "config" DAMAGE_SUFFIX);
		return NULL;
	}
	log_info("%s was being added or removed, and goes", id);
	return drop_folder(dir);
}

static struct err *load_vm(const char *parent, const char *name, void *arg)
{
	auto_str dir = xasprintf("%s/%s", parent, name);
	auto_str config_path = xasprintf("%s/config", dir);
	auto_arena a = {0};
	struct xenops_vm config;

	if (access(config_path, F_OK))
		return load_none(dir, name);
	int r = dir_remove_temporaries(dir, "");
	if (r)
		return err_errno(-r, "emptying %s", dir);
	struct err *e = read_config(dir, name, &a, &config);
	if (!e)
		return load_rest(vm_new(&config));
	damage_put_aside(dir, "config", e);
	return NULL;
}

struct err *files_load(void)
{
	auto_str dir = xasprintf("%s/VM", xenopsd.dir);
	int r = dir_make(dir, 0700);

	if (r)
		return err_errno(-r, "making %s", dir);
	return each_name(dir, load_vm, NULL);
}

void files_take_lost(struct device *d)
{
	auto_str name = device_file(d);

	vec_for_each (i, &d->vm->lost) {
		if (strcmp(d->vm->lost.v[i], name) != 0)
			continue;
		free(d->vm->lost.v[i]);
		vec_remove(&d->vm->lost, i);
		d->is_active = true;
		return;
	}
}

/* ---- a suspended VM, carried elsewhere ---- */

struct json_text files_export_state(const struct vm *vm, struct arena *a)
{
	auto_sbuf text = {0};
	struct xenopsd_state state = state_of(vm, a);

	/* Who takes it in is not asked for how it came here. */
	state.came_by = "";
	state.migration = NULL;
	codec_encode(&xenopsd_type_state, &state, &text);
	return (struct json_text){
		arena_strndup(a, sbuf_data(&text), sbuf_len(&text)), sbuf_len(&text)};
}

struct err *files_import_state(struct vm *vm, struct json_text text)
{
	auto_arena a = {0};
	struct xenopsd_state state;

	TRY(codec_decode(&xenopsd_type_state, "domain", text.text, text.len, &a, &state));
	if (state.phase != XENOPSD_PHASE_SUSPENDED || state.has_image)
		return err(INVALID_VALUE, "domain", "not of a suspended VM");
	take_state(vm, &state);
	return files_put_state(vm);
}
