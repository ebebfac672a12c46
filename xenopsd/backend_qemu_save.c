/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's way to an image and back: QEMU's own migration, over a Unix socket in the VM's folder
 * whose other end is ours. A QEMU that was saved still has its guest, and can let it go on.
 */
#define LOG_MODULE "qemu"
#include "common/clock.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "core.gen.h"
#include "xenopsd/backend_qemu.h"
#include "xenopsd/image.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_NS (60 * NS_PER_S)
#define LOOK_NS    (20 * NS_PER_MS)

/* QEMU works in the VM's folder. */
#define SOCKET     "backend.memory"
#define URI        "{\"uri\":\"unix:" SOCKET "\"}"
#define PARAMETERS "{\"max-bandwidth\":17179869184}"

static char *socket_path(const struct machine *m)
{
	return xasprintf("%s/" SOCKET, m->vm->dir);
}

/* Until QEMU is done with it. */
static MAY_WAIT struct err *await_migration(struct machine *m)
{
	for (;;) {
		json_auto_t *result = NULL;

		TRY(machine_call(m, "query-migrate", NULL, &result));
		const char *status = json_string_value(json_object_get(result, "status"));
		const char *reason = json_string_value(json_object_get(result, "error-desc"));
		if (!status || !strcmp(status, "failed") || !strcmp(status, "cancelled") ||
			!strcmp(status, "none"))
			return err(INTERNAL_ERROR,
				reason ? reason : "QEMU did not move the guest's memory");
		if (!strcmp(status, "completed"))
			return NULL;
		TRY(fiber_sleep(LOOK_NS));
	}
}

/* ---- saving ---- */

/* It stands still here, and is asked for nothing: it need not know. */
MAY_WAIT struct err *qemu_suspend_guest(struct machine *m)
{
	TRY(machine_call(m, "stop", NULL, NULL));
	m->is_paused = true;
	if (m->end == GUEST_RUNS)
		m->end = GUEST_SUSPENDED;
	return NULL;
}

static MAY_WAIT struct err *accept_qemu(int listener, int *fd)
{
	int64_t deadline = deadline_in(CONNECT_NS);

	for (;;) {
		TRY(fiber_wait_fd(listener, FD_READABLE, "QEMU", deadline));
		*fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (*fd >= 0)
			return NULL;
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			return err_errno(errno, "accepting QEMU");
	}
}

static MAY_WAIT struct err *save(struct machine *m, int listener, struct image *image)
{
	auto_fd fd = -1;

	TRY(machine_call(m, "migrate-set-parameters", PARAMETERS, NULL));
	TRY(machine_call(m, "migrate", URI, NULL));
	TRY(accept_qemu(listener, &fd));
	TRY(image_fill(image, fd));
	return await_migration(m);
}

MAY_WAIT struct err *qemu_vm_save(struct vm *vm, struct image *image)
{
	struct machine *m = machine_of(vm);
	auto_str path = socket_path(m);
	auto_fd listener = -1;

	unlink(path);
	int r = unix_listen(path, 0600, &listener);
	if (r < 0)
		return err_errno(-r, "listening on %s", path);
	struct err *e = save(m, listener, image);
	unlink(path);
	return e;
}

/* One that has ended by itself meanwhile is not woken. */
MAY_WAIT struct err *qemu_vm_fast_resume(struct vm *vm)
{
	struct machine *m = machine_of(vm);

	if (!machine_is_up(m) || (m->end != GUEST_RUNS && m->end != GUEST_SUSPENDED))
		return NULL;
	TRY(machine_call(m, "migrate_cancel", NULL, NULL));
	/* Saved, cancelled or never begun: it is at rest afterwards. */
	err_free(await_migration(m));
	TRY(machine_call(m, "cont", NULL, NULL));
	m->is_paused = false;
	m->end = GUEST_RUNS;
	return NULL;
}

/* ---- restoring ---- */

MAY_WAIT struct err *qemu_vm_restore(struct vm *vm, struct image *image)
{
	machine_of(vm)->incoming = image;
	return NULL;
}

static MAY_WAIT struct err *connect_to_qemu(struct machine *m, int *fd)
{
	auto_str path = socket_path(m);
	int r = unix_connect(path, fd);

	return r < 0 ? err_errno(-r, "connecting to %s", path) : NULL;
}

/* Reads what is left: why QEMU refused it may be that it is damaged. */
static MAY_WAIT struct err *check_rest(struct image *image)
{
	char block[4096];
	size_t n;

	do
		TRY(image_read(image, block, sizeof(block), &n));
	while (n);
	return NULL;
}

static MAY_WAIT struct err *load(struct machine *m, struct image *image)
{
	auto_fd fd = -1;

	TRY(machine_call(m, "migrate-incoming", URI, NULL));
	TRY(connect_to_qemu(m, &fd));
	TRY(image_send(image, fd));
	if (shutdown(fd, SHUT_WR))
		return err_errno(errno, "handing over the guest's memory");
	return await_migration(m);
}

MAY_WAIT struct err *qemu_load(struct machine *m)
{
	struct image *image = take(m->incoming);
	struct err *e = load(m, image);

	if (!e || err_is(e, &ERR_Image_unusable) || err_is(e, &ERR_CANCELLED) ||
		err_is(e, &ERR_SHUTTING_DOWN))
		return e;
	struct err *damage = check_rest(image);
	if (!damage)
		return e;
	err_free(e);
	return damage;
}
