/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's domain: from the number that it is given, over the QEMU that is it, to its end. What the
 * guest does by itself comes as events of QMP. A guest that reboots is stopped, to be made anew by
 * xenopsd; while xenopsd is not there to see it, it reboots on the same machine.
 */
#define LOG_MODULE "qemu"
#include "common/companion.h"
#include "common/file.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/number.h"
#include "core.gen.h"
#include "xenopsd/backend_qemu.h"
#include "xenopsd/xenopsd.h"

#include <fcntl.h>
#include <string.h>

#define NAME            "backend.qemu" /* of the companion's record */
#define START_NS        (60 * NS_PER_S)
#define COMMAND_NS      (60 * NS_PER_S)
#define STOP_NS         (10 * NS_PER_S) /* to write what it holds of its disks */
#define LET_GO_NS       (20 * NS_PER_S) /* the guest, of a device */
#define MAX_NUMBER_FILE 32

static char *path_of(const struct machine *m, const char *name)
{
	return xasprintf("%s/backend.%s", m->vm->dir, name);
}

/* ---- making one, forgetting one ---- */

struct machine *machine_of(struct vm *vm)
{
	struct machine *m = vm->own;

	if (!m) {
		m = vm->own = xnew(struct machine);
		m->vm = vm;
		m->domid = -1;
		mutex_init(&m->connecting);
		cond_init(&m->device_gone);
	}
	return m;
}

static void part_free(struct part *p)
{
	if (!p)
		return;
	free(p->host);
	free(p->device);
	free(p);
}

static void forget_parts(struct machine *m)
{
	map_for_each (slot, &m->parts)
		part_free(slot->value);
	map_fini(&m->parts);
	m->parts = (struct map){0};
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	qmp_free(take(m->qmp));
	companion_free(m->process);
	forget_parts(m);
	cond_fini(&m->device_gone);
	mutex_fini(&m->connecting);
	free(m);
}

/* ---- files that hold a number ---- */

/* The number in the file; *OUT is -1 when there is no file. */
static MAY_WAIT struct err *number_load(const char *path, int64_t *out)
{
	auto_str text = NULL;

	*out = -1;
	if (access(path, F_OK) < 0)
		return NULL;
	TRY(file_load(path, MAX_NUMBER_FILE, &text, NULL));
	if (!number_read_int(text, strcspn(text, "\n"), out))
		return err(STORE_UNUSABLE, path, "it is no number");
	return NULL;
}

static MAY_WAIT struct err *number_store(const char *path, int64_t number)
{
	auto_str text = xasprintf("%lld\n", (long long)number);

	return file_store(path, text, strlen(text), 0600, 0);
}

/* ---- what QEMU tells ---- */

bool machine_is_up(const struct machine *m)
{
	return m->process && !m->is_stopping && companion_is_running(m->process);
}

static const char *end_words(enum guest_end how)
{
	switch (how) {
	case GUEST_RUNS:
		break;
	case GUEST_HALTED:
		return "halted";
	case GUEST_REBOOTED:
		return "rebooted";
	case GUEST_CRASHED:
		return "crashed";
	case GUEST_SUSPENDED:
		return "suspended";
	case GUEST_SOFT_REBOOTED:
		return "started another kernel";
	}
	return "not ended";
}

static void ended(struct machine *m, enum guest_end how)
{
	if (m->end != GUEST_RUNS)
		return;
	m->end = how;
	log_info("vm=%s: the guest has %s", m->vm->id, end_words(how));
}

/*
 * The guest must not get far on a machine that is to be made anew. The file, with the domain's
 * number, tells a later xenopsd that this is no pause.
 */
static MAY_WAIT struct err *hold(struct machine *m)
{
	auto_str path = path_of(m, "end");
	int domid = m->domid;
	struct err *e = number_store(path, domid);

	if (m->domid != domid) { /* it was taken down meanwhile */
		err_free(e);
		return file_drop(path, 0);
	}
	ended(m, GUEST_REBOOTED);
	if (!e)
		e = machine_call(m, "stop", NULL, NULL);
	backend_changed(m->vm->id);
	return e;
}

static void hold_rebooted(void *arg)
{
	AUTO(vm_release) struct vm *vm = arg;
	auto_err e = hold(machine_of(vm));

	if (e && !err_is(e, &ERR_SHUTTING_DOWN) && !err_is(e, &ERR_Domain_not_built))
		log_err(LOG_WARN_, e, "vm=%s: stopping a guest that rebooted", vm->id);
}

static void on_reset(struct machine *m, const json_t *data)
{
	if (!json_is_true(json_object_get(data, "guest")) || m->end != GUEST_RUNS)
		return;
	struct vm *vm = vm_hold(m->vm);
	auto_err e = fiber_spawn(NULL, hold_rebooted, vm, "reset %s", vm->id);
	if (!e)
		return;
	log_err(LOG_WARN_, e, "vm=%s: a reboot", vm->id);
	vm_release(&vm);
}

/* The connection ends a moment before the process does. */
struct last_look {
	char *vm; /* owned */
	int pid_fd; /* owned */
};

static void look_at_its_end(void *arg)
{
	struct last_look *l = arg;

	err_free(fiber_wait_fd(l->pid_fd, FD_READABLE, "the end of QEMU", deadline_in(STOP_NS)));
	backend_changed(l->vm);
	close(l->pid_fd);
	free(l->vm);
	free(l);
}

static void on_close(struct machine *m)
{
	int pid_fd = m->process && m->process->pid_fd >= 0
		? fcntl(m->process->pid_fd, F_DUPFD_CLOEXEC, 0)
		: -1;

	if (pid_fd < 0)
		return;
	struct last_look *l = xnew(struct last_look);
	*l = (struct last_look){.vm = xstrdup(m->vm->id), .pid_fd = pid_fd};
	err_free(fiber_spawn(NULL, look_at_its_end, l, "end of %s", m->vm->id));
}

static void on_event(const char *name, const json_t *data, void *arg)
{
	struct machine *m = arg;

	if (!name)
		on_close(m);
	else if (!strcmp(name, "SHUTDOWN"))
		ended(m, m->wish == GUEST_REBOOTED ? GUEST_REBOOTED : GUEST_HALTED);
	else if (!strcmp(name, "RESET"))
		on_reset(m, data);
	else if (!strcmp(name, "GUEST_PANICKED"))
		ended(m, GUEST_CRASHED);
	else if (!strcmp(name, "STOP"))
		m->is_paused = true;
	else if (!strcmp(name, "RESUME"))
		m->is_paused = false;
	else if (!strcmp(name, "DEVICE_DELETED"))
		cond_broadcast(&m->device_gone);
	else
		return;
	backend_changed(m->vm->id);
}

static MAY_WAIT struct err *connect_locked(struct machine *m)
{
	auto_str path = path_of(m, "qmp");

	if (m->qmp && qmp_is_open(m->qmp))
		return NULL;
	qmp_free(take(m->qmp));
	return qmp_connect(&m->qmp, path, on_event, m, deadline_in(START_NS));
}

/* Makes sure of m->qmp. */
static MAY_WAIT struct err *connect_to(struct machine *m)
{
	if (m->qmp && qmp_is_open(m->qmp))
		return NULL;
	TRY(mutex_lock(&m->connecting, "the connection to QEMU", NEVER));
	struct err *e = connect_locked(m);
	mutex_unlock(&m->connecting);
	return e;
}

struct err *machine_call(
	struct machine *m, const char *command, const char *arguments, json_t **result)
{
	if (!machine_is_up(m))
		return err(Domain_not_built);
	struct err *e = connect_to(m);
	if (!e)
		e = qmp_call(m->qmp, command, arguments, result, deadline_in(COMMAND_NS));
	if (!e || machine_is_up(m))
		return e;
	/* It was taken down meanwhile. */
	err_free(e);
	return err(Domain_not_built);
}

/* How QEMU says that its guest is. */
static MAY_WAIT struct err *read_status(struct machine *m)
{
	json_auto_t *result = NULL;

	TRY(machine_call(m, "query-status", NULL, &result));
	const char *status = json_string_value(json_object_get(result, "status"));
	if (!status)
		return err(INTERNAL_ERROR, "QEMU does not say how its guest is");
	m->is_paused = !json_is_true(json_object_get(result, "running"));
	if (!strcmp(status, "shutdown"))
		ended(m, GUEST_HALTED);
	else if (!strcmp(status, "guest-panicked") || !strcmp(status, "internal-error"))
		ended(m, GUEST_CRASHED);
	return NULL;
}

/* ---- numbers of domains ---- */

static struct {
	struct mutex counting;
	char *path; /* owned; of the file with the last one */
} domids;

static MAY_WAIT struct err *count_on(int64_t *out)
{
	int64_t last;

	TRY(number_load(domids.path, &last));
	*out = last < 0 ? 1 : last + 1;
	return number_store(domids.path, *out);
}

/* One that no domain of this boot has had. */
static MAY_WAIT struct err *next_domid(int64_t *out)
{
	TRY(mutex_lock(&domids.counting, "a number", NEVER));
	struct err *e = count_on(out);
	mutex_unlock(&domids.counting);
	return e;
}

struct err *machine_memory(struct machine *m, int64_t *out)
{
	json_auto_t *result = NULL;

	TRY(machine_call(m, "query-balloon", NULL, &result));
	*out = m->memory_bytes = json_integer_value(json_object_get(result, "actual"));
	return NULL;
}

/* ---- its life ---- */

struct err *machine_create(struct machine *m)
{
	auto_str path = path_of(m, "domid");
	int64_t domid;

	if (m->domid >= 0)
		return err(Already_exists, "domain", m->vm->id);
	TRY(next_domid(&domid));
	TRY(number_store(path, domid));
	m->domid = (int)domid;
	m->end = m->wish = GUEST_RUNS;
	m->is_paused = true;
	m->memory_target_bytes = m->memory_bytes = 0;
	m->incoming = NULL;
	return NULL;
}

/* A listening socket for QEMU; it stays ours until QEMU has it. */
static struct err *listen_at(const struct machine *m, const char *name, int *fd)
{
	auto_str path = path_of(m, name);
	int r;

	unlink(path);
	r = unix_listen(path, 0600, fd);
	return r < 0 ? err_errno(-r, "listening on %s", path) : NULL;
}

static MAY_WAIT struct err *spawn(struct machine *m)
{
	auto_arena a = {0};
	auto_str log = path_of(m, "log");
	auto_fd qmp_fd = -1, serial_fd = -1;
	bool use_kvm;

	TRY(qemu_can_use_kvm(&use_kvm));
	TRY(listen_at(m, "qmp", &qmp_fd));
	TRY(listen_at(m, "serial", &serial_fd));
	const char **argv = qemu_args(m, qemu_program(), use_kvm, &a);
	int fds[] = {qmp_fd, serial_fd};
	struct companion_spec spec = {.dir = m->vm->dir,
		.name = NAME,
		.argv = (const char *const *)argv,
		.cwd = m->vm->dir,
		.log_path = log,
		.fds = fds,
		.n_fds = ARRAY_LEN(fds)};
	unlink(log);
	return companion_start(&spec, &m->process);
}

/* The last that QEMU complained of, in the arena; else what we know. */
static MAY_WAIT const char *complaint(struct machine *m, struct err *e, struct arena *a)
{
	auto_str path = path_of(m, "log");
	auto_str text = NULL;
	size_t len = 0;
	auto_err unread = file_load(path, 65536, &text, &len);

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	if (unread || !len)
		return arena_strdup(a, err_text(e));
	const char *newline = strrchr(text, '\n');
	return arena_strdup(a, newline ? newline + 1 : text);
}

static MAY_WAIT struct err *start(struct machine *m)
{
	TRY(spawn(m));
	TRY(read_status(m));
	if (m->incoming)
		return qemu_load(m);
	if (m->vm->config.memory_dynamic_max_bytes >= qemu_memory_bytes(&m->vm->config))
		return NULL;
	auto_str balloon =
		xasprintf("{\"value\":%lld}", (long long)m->vm->config.memory_dynamic_max_bytes);
	return machine_call(m, "balloon", balloon, NULL);
}

struct err *machine_start(struct machine *m)
{
	auto_arena a = {0};

	if (m->domid < 0 || m->process)
		return err(Domain_not_built);
	auto_err e = start(m);
	if (!e) {
		forget_parts(m);
		return NULL;
	}
	if (err_is(e, &ERR_CANCELLED) || err_is(e, &ERR_SHUTTING_DOWN) ||
		err_is(e, &ERR_Image_unusable))
		return take(e);
	return err(Failed_to_start_emulator, m->vm->id, "qemu", complaint(m, e, &a));
}

struct err *machine_stop(struct machine *m)
{
	if (!m->process)
		return NULL;
	m->is_stopping = true;
	qmp_free(take(m->qmp));
	if (m->end == GUEST_RUNS)
		m->end = GUEST_HALTED;
	struct err *e = companion_stop(m->process, STOP_NS);
	if (!e)
		e = companion_forget(take(m->process));
	m->is_stopping = false;
	return e;
}

struct err *machine_destroy(struct machine *m)
{
	static const char *const names[] = {
		"qmp", "serial", "vnc", "memory", "end", "log", "domid"};

	TRY(machine_stop(m));
	if (m->domid < 0)
		return NULL;
	TRY(qemu_taps_remove(m));
	forget_parts(m);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_str path = path_of(m, names[i]);
		TRY(file_drop(path, 0));
	}
	m->domid = -1;
	return NULL;
}

/* Finds the domain and the QEMU of before a restart, if any. */
static MAY_WAIT struct err *adopt(struct vm *vm)
{
	struct machine *m = machine_of(vm);
	auto_str domid_path = path_of(m, "domid");
	auto_str end_path = path_of(m, "end");
	int64_t domid;

	TRY(number_load(domid_path, &domid));
	if (domid < 0)
		return NULL;
	m->domid = (int)domid;
	TRY(companion_find(vm->dir, NAME, &m->process));
	m->is_paused = true;
	if (!m->process)
		m->end = GUEST_HALTED;
	if (!machine_is_up(m))
		return NULL;
	auto_err e = read_status(m);
	if (e)
		log_err(LOG_WARN_, e, "vm=%s: its QEMU runs and does not answer", vm->id);
	int64_t rebooted;
	TRY(number_load(end_path, &rebooted));
	if (rebooted == domid)
		ended(m, GUEST_REBOOTED);
	log_info("vm=%s: domain %d is there, QEMU is process %d", vm->id, m->domid,
		(int)m->process->pid);
	return NULL;
}

struct err *machines_begin(void)
{
	mutex_init(&domids.counting);
	domids.path = xasprintf("%s/last-domid", xenopsd.dir);
	map_for_each (slot, &vms)
		TRY(adopt(slot->value));
	return NULL;
}

void machines_end(void)
{
	if (domids.path)
		mutex_fini(&domids.counting);
	free(take(domids.path));
}

/* ---- its parts ---- */

struct err *machine_has(struct machine *m, const char *id, bool *out)
{
	json_auto_t *result = NULL;
	size_t i;
	json_t *member;

	*out = map_has(&m->parts, id);
	if (*out || !machine_is_up(m))
		return NULL;
	auto_str wanted = xstrdup(id);
	TRY(machine_call(m, "qom-list", "{\"path\":\"/machine/peripheral\"}", &result));
	*out = false;
	json_array_foreach(result, i, member)
	{
		const char *name = json_string_value(json_object_get(member, "name"));
		if (name && !strcmp(name, wanted))
			*out = true;
	}
	return NULL;
}

static const struct {
	const char *add, *del;
	const char *key; /* of its name */
} hosts[] = {
	[PART_DRIVE] = {"blockdev-add", "blockdev-del", "node-name"},
	[PART_NIC] = {"netdev_add", "netdev_del", "id"},
};

struct err *machine_add_host(struct machine *m, enum part_kind kind, const char *host)
{
	return machine_call(m, hosts[kind].add, host, NULL);
}

struct err *machine_remove_host(struct machine *m, enum part_kind kind, const char *id)
{
	auto_str arguments = xasprintf("{\"%s\":\"host-%s\"}", hosts[kind].key, id);

	return machine_call(m, hosts[kind].del, arguments, NULL);
}

static MAY_WAIT struct err *add_now(
	struct machine *m, enum part_kind kind, const char *id, const struct part *part)
{
	if (part->host)
		TRY(machine_add_host(m, kind, part->host));
	struct err *e = machine_call(m, "device_add", part->device, NULL);
	if (e && part->host) {
		fiber_cancel_mask();
		err_free(machine_remove_host(m, kind, id));
		fiber_cancel_unmask();
	}
	return e;
}

struct err *machine_add(
	struct machine *m, enum part_kind kind, const char *id, char *host, char *device)
{
	struct part *part = xnew(struct part);

	*part = (struct part){.host = host, .device = device};
	if (!m->process) {
		part_free(map_put(&m->parts, id, part));
		return NULL;
	}
	struct err *e = add_now(m, kind, id, part);
	part_free(part);
	return e;
}

/* Until the guest has let go of it, or QEMU has gone. */
static MAY_WAIT struct err *wait_until_gone(
	struct machine *m, const struct device *device, const char *id)
{
	int64_t deadline = deadline_in(LET_GO_NS);
	bool is_there;

	for (;;) {
		TRY(machine_has(m, id, &is_there));
		if (!is_there)
			return NULL;
		auto_err e =
			cond_wait(&m->device_gone, "the guest to let go of a device", deadline);
		if (err_is(e, &ERR_TIMEOUT))
			return err(Device_detach_rejected, device_classes[device->class].class,
				device->id, "the guest does not let go of it");
		if (e)
			return take(e);
	}
}

struct err *machine_remove(
	struct machine *m, enum part_kind kind, const struct device *device, const char *id)
{
	auto_str name = xasprintf("{\"id\":\"%s\"}", id);
	bool is_there;

	part_free(map_remove(&m->parts, id));
	if (!machine_is_up(m))
		return NULL;
	TRY(machine_has(m, id, &is_there));
	if (is_there) {
		TRY(machine_call(m, "device_del", name, NULL));
		TRY(wait_until_gone(m, device, id));
	}
	/* What is behind it may be gone, or have never been there. */
	auto_err e = machine_remove_host(m, kind, id);
	return err_is(e, &ERR_INTERNAL_ERROR) ? NULL : take(e);
}
