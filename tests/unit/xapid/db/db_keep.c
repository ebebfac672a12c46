/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The database and its file: what is there after opening it again, what a full disk takes back, who
 * is told of it, and that a killed process loses nothing that anybody was told of.
 */
#include "tests/unit/common/runtime.h"
#include "tests/unit/common/store_vfs.h"
#include "xapid/db/db.h"

#include "core.gen.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char folder[64], path[128];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "%s/db.XXXXXX", getenv("TMPDIR") ?: "/tmp");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/xapid.db", folder);
	vfs_reset();
	return 0;
}

static int remove_folder(void **state)
{
	auto_str command = xasprintf("rm -rf %s", folder);

	vfs_reset();
	return system(command);
}

static void open_db(void)
{
	CHECK_OK(db_open(
		&(struct db_options){.path = path, .vfs = STORE_VFS, .probe_ns = 20 * NS_PER_MS}));
}

static MAY_WAIT struct err *settle(uint64_t since)
{
	return db_barrier(since, clock_mono_ns() + 20 * NS_PER_S);
}

static const char *make_vm(const char *name)
{
	struct xenapi_vm vm = db_blank(vm);
	const char *ref = NULL;

	vm.name_label = name;
	CHECK_OK(db_create(vm, &vm, &ref));
	return ref;
}

static const char *make_vbd(const char *vm)
{
	struct xenapi_vbd vbd = db_blank(vbd);
	const char *ref = NULL;

	vbd.VM = vm;
	CHECK_OK(db_create(vbd, &vbd, &ref));
	return ref;
}

static char kept_vm[DB_REF_SIZE], kept_vbd[DB_REF_SIZE], kept_type[DB_REF_SIZE];
static uint64_t last_generation;

/* References are borrowed; what is looked for after the next opening is copied. */
static void keep_ref(char out[static DB_REF_SIZE], const char *ref)
{
	snprintf(out, DB_REF_SIZE, "%s", ref);
}

/* ---- opening again ---- */

static void keep_some(void *arg)
{
	open_db();
	struct xenapi_session session = db_blank(session);
	struct xenapi_vgpu_type type = db_blank(vgpu_type);
	struct xenapi_pgpu pgpu = db_blank(pgpu);
	const char *ref, *gpu;
	keep_ref(kept_vm, make_vm("kept"));
	keep_ref(kept_vbd, make_vbd(kept_vm));
	CHECK_OK(db_map_put(vm, kept_vm, other_config, "k\"ey", "v"));
	CHECK_OK(db_write(vm, kept_vm, memory_target, 12345));
	CHECK_OK(db_write(vm, kept_vm, power_state, XENAPI_VM_POWER_STATE_SUSPENDED));
	CHECK_OK(db_delete(vm, make_vm("deleted")));
	CHECK_OK(db_create(session, &session, NULL));
	CHECK_OK(db_create(vgpu_type, &type, &ref));
	CHECK_OK(db_create(pgpu, &pgpu, &gpu));
	keep_ref(kept_type, ref);
	CHECK_OK(db_set_add(pgpu, gpu, enabled_VGPU_types, ref));
	CHECK_OK(settle(0));
	CHECK_OK(db_write(vbd, kept_vbd, userdevice, "7"));
	last_generation = db_generation();
	db_close();
}

static void find_them(void *arg)
{
	open_db();
	const struct xenapi_vm *vm = db_find(vm, kept_vm);
	assert_non_null(vm);
	assert_int_equal(db_count(vm), 1);
	assert_string_equal(vm->name_label, "kept");
	assert_string_equal(string_map_get(&vm->other_config, "k\"ey"), "v");
	assert_int_equal(vm->memory_target, 12345);
	assert_int_equal(vm->power_state, XENAPI_VM_POWER_STATE_SUSPENDED);
	assert_int_equal(vm->VBDs.n, 1);
	assert_string_equal(vm->VBDs.v[0], kept_vbd);
	assert_string_equal(db_find(vbd, kept_vbd)->userdevice, "7");
	assert_string_equal(db_find(vbd, kept_vbd)->VM, kept_vm);
	assert_int_equal(db_count(session), 0);
	assert_int_equal(db_find(vgpu_type, kept_type)->enabled_on_PGPUs.n, 1);
	assert_int_equal(db_first(pgpu)->enabled_VGPU_types.n, 1);
	assert_true(db_generation() > last_generation);
	assert_string_equal(db_find_uuid(vm, vm->uuid), kept_vm);
	db_close();
}

static void opened_again_it_has_what_was_kept(void **state)
{
	run_in_fiber(keep_some, NULL);
	run_in_fiber(find_them, NULL);
	run_in_fiber(find_them, NULL);
}

/* ---- deleted while others referred to it ---- */

static void delete_what_is_referred_to(void *arg)
{
	const char *vm, *ref;

	open_db();
	struct xenapi_vm_guest_metrics metrics = db_blank(vm_guest_metrics);
	vm = make_vm("refers");
	CHECK_OK(db_create(vm_guest_metrics, &metrics, &ref));
	CHECK_OK(db_write(vm, vm, guest_metrics, ref));
	CHECK_OK(settle(0));
	CHECK_OK(db_delete(vm_guest_metrics, ref));
	CHECK_OK(settle(0));
	assert_string_equal(db_find(vm, vm)->guest_metrics, REF_NULL);
	db_close();
}

/* The old value and the row are both forgotten once that is in the file, and each just once. */
static void its_reference_is_forgotten_once(void **state)
{
	run_in_fiber(delete_what_is_referred_to, NULL);
}

/* ---- no space ---- */

static void fill_the_disk(enum vfs_op op)
{
	test_vfs.fails = op;
	test_vfs.rc = SQLITE_FULL;
	test_vfs.errnum = ENOSPC;
	atomic_store(&test_vfs.is_lasting, true);
	atomic_store(&test_vfs.countdown, 0);
}

static void empty_the_disk(void)
{
	atomic_store(&test_vfs.countdown, -1);
	while (db_read_only())
		CHECK_OK(fiber_sleep(5 * NS_PER_MS));
}

static void lose_some(void *arg)
{
	open_db();
	const char *vm = make_vm("one"), *other = make_vm("two");
	const char *vbd = make_vbd(vm), *goes = make_vbd(vm);
	CHECK_OK(settle(0));
	uint64_t since = db_generation();

	fill_the_disk(VFS_WRITE);
	CHECK_OK(db_write(vbd, vbd, VM, other));
	CHECK_OK(db_write(vm, vm, name_label, "renamed"));
	CHECK_OK(db_delete(vbd, goes));
	CHECK_OK(db_delete(vm, vm));
	make_vbd(other);
	make_vm("three");
	CHECK_ERR(settle(since), STORE_READ_ONLY);
	/* Everything is as it was, in both directions. */
	assert_int_equal(db_count(vm), 2);
	assert_int_equal(db_count(vbd), 2);
	assert_string_equal(db_find(vm, vm)->name_label, "one");
	assert_int_equal(db_find(vm, vm)->VBDs.n, 2);
	assert_int_equal(db_find(vm, other)->VBDs.n, 0);
	assert_string_equal(db_find(vbd, vbd)->VM, vm);
	assert_string_equal(db_find(vbd, goes)->VM, vm);
	for (const struct db_tombstone *t = db_first_tombstone(since); t; t = db_next_tombstone(t))
		assert_true(t->created > since);
	/* Nothing that is kept is written, all else is. */
	CHECK_ERR(db_write(vm, vm, name_label, "again"), STORE_READ_ONLY);
	CHECK_ERR(db_delete(vm, vm), STORE_READ_ONLY);
	CHECK_OK(db_set_add(vm, vm, allowed_operations, XENAPI_VM_OPERATIONS_START));
	CHECK_ERR(settle(since), STORE_READ_ONLY);
	CHECK_OK(settle(db_generation()));
	empty_the_disk();
	CHECK_OK(db_write(vm, vm, name_label, "again"));
	CHECK_OK(settle(db_generation() - 1));
	keep_ref(kept_vm, vm);
	db_close();
}

static void find_the_rest(void *arg)
{
	open_db();
	assert_int_equal(db_count(vm), 2);
	assert_int_equal(db_count(vbd), 2);
	assert_string_equal(db_find(vm, kept_vm)->name_label, "again");
	assert_int_equal(db_find(vm, kept_vm)->VBDs.n, 2);
	db_close();
}

static void a_full_disk_takes_changes_back(void **state)
{
	run_in_fiber(lose_some, NULL);
	run_in_fiber(find_the_rest, NULL);
}

/* A row that is in a volatile field is taken back, too. */
static void lose_what_is_referred_to(void *arg)
{
	open_db();
	struct xenapi_session session = db_blank(session);
	struct xenapi_task task = db_blank(task);
	const char *s, *t;
	CHECK_OK(db_create(session, &session, &s));
	CHECK_OK(db_create(task, &task, &t));
	fill_the_disk(VFS_WRITE);
	uint64_t since = db_generation();
	struct xenapi_host host = db_blank(host);
	const char *h;
	CHECK_OK(db_create(host, &host, &h));
	CHECK_OK(db_write(session, s, this_host, h));
	CHECK_OK(db_write(task, t, session, s));
	CHECK_ERR(settle(since), STORE_READ_ONLY);
	assert_int_equal(db_count(host), 0);
	assert_string_equal(db_find(session, s)->this_host, REF_NULL);
	assert_string_equal(db_find(task, t)->session, s);
	empty_the_disk();
	db_close();
}

static void volatile_references_to_it_are_taken_back(void **state)
{
	run_in_fiber(lose_what_is_referred_to, NULL);
}

/* ---- a disk that fails ---- */

static void tell_after_failed_sync(void *arg)
{
	open_db();
	uint64_t since = db_generation();

	test_vfs.fails = VFS_SYNC;
	test_vfs.rc = SQLITE_IOERR_FSYNC;
	test_vfs.errnum = EIO;
	atomic_store(&test_vfs.is_lasting, true);
	atomic_store(&test_vfs.countdown, 0);
	make_vm("one");
	err_free(settle(since));
	fprintf(stderr, "it was told\n");
}

static void try_failing_disk(void)
{
	run_in_fiber(tell_after_failed_sync, NULL);
}

/* Nobody can know what is in the file: nobody is answered. */
static void a_failed_sync_ends_the_process_untold(void **state)
{
	char said[4096];
	int status;

	run_in_child(try_failing_disk, said, sizeof(said), &status);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_null(strstr(said, "it was told"));
	assert_non_null(strstr(said, "cannot be trusted"));
}

/* ---- a process that is killed ---- */

/* Makes VMs for as long as it lives, and says in SHARED how many are durable. */
static void make_until_killed(void *arg)
{
	_Atomic unsigned *told = arg;

	open_db();
	for (;;) {
		auto_str name = xasprintf("%u", *told + 1);
		const char *vm = make_vm(name);

		make_vbd(vm);
		make_vbd(vm);
		CHECK_OK(settle(0));
		++*told;
	}
}

/* Every VM that was told of is there, and none has but one of its two VBDs. One may have been
 * durable and not told of yet. */
static void find_all_told(void *arg)
{
	_Atomic unsigned *told = arg;

	open_db();
	assert_true(db_count(vm) >= *told);
	assert_true(db_count(vm) <= *told + 1);
	*told = (unsigned)db_count(vm);
	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);

		assert_int_equal(vm->VBDs.n, 2);
	}
	db_close();
}

static void a_killed_process_loses_nothing_told(void **state)
{
	_Atomic unsigned *told = mmap(
		NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (unsigned round = 1; round <= 5; round++) {
		unsigned before = *told;
		pid_t pid = fork();

		if (pid == 0) {
			run_in_fiber(make_until_killed, told);
			_exit(1);
		}
		while (*told < before + 7 * round)
			usleep(200);
		kill(pid, SIGKILL);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		run_in_fiber(find_all_told, told);
	}
	munmap(told, sizeof(*told));
}

#define DB_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)

TEST_MAIN(DB_TEST(opened_again_it_has_what_was_kept), DB_TEST(its_reference_is_forgotten_once),
	DB_TEST(a_full_disk_takes_changes_back), DB_TEST(volatile_references_to_it_are_taken_back),
	DB_TEST(a_failed_sync_ends_the_process_untold),
	DB_TEST(a_killed_process_loses_nothing_told))
