/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be done with a VM, as clients know it: by its power state, its kind, and its guest.
 */
#include "tests/unit/test.h"

#include "common/loop.h"
#include "xapid/db/db.h"
#include "xapid/rules/rules.h"

#include <string.h>

#define OP(name) XENAPI_VM_OPERATIONS_##name

static int open_db(void **state)
{
	const struct db_options options = {0};

	loop_init();
	CHECK_OK(db_open(&options));
	return 0;
}

static int close_db(void **state)
{
	db_close();
	loop_fini();
	return 0;
}

static const char *make_vm(enum xenapi_vm_power_state state)
{
	struct xenapi_vm vm = db_blank(vm);
	const char *ref = NULL;

	vm.power_state = state;
	vm.domain_type = XENAPI_DOMAIN_TYPE_HVM;
	CHECK_OK(db_create(vm, &vm, &ref));
	return ref;
}

/* The names of what is listed, with spaces between, in the order of the model. */
static const char *listed(const char *ref)
{
	static char text[1024];
	const struct xenapi_vm *vm;
	size_t len = 0;

	op_list_one(&vm_rules, ref);
	vm = db_find(vm, ref);
	*text = 0;
	for (size_t i = 0; i < vm->allowed_operations.n; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
			op_name(&vm_rules, (int)vm->allowed_operations.v[i]));
	}
	return text;
}

static void a_halted_vm_can_do_what_it_could_in_the_original(void **state)
{
	assert_string_equal(listed(make_vm(XENAPI_VM_POWER_STATE_HALTED)),
		"snapshot clone copy start start_on migrate_send changing_dynamic_range "
		"changing_static_range changing_shadow_memory changing_NVRAM make_into_template "
		"export metadata_export destroy create_vtpm");
}

static void a_running_one_without_drivers_too(void **state)
{
	assert_string_equal(listed(make_vm(XENAPI_VM_POWER_STATE_RUNNING)),
		"snapshot pause hard_shutdown hard_reboot changing_dynamic_range metadata_export "
		"sysprep");
}

static void drivers_or_a_feature_of_the_guest_let_it_shut_down(void **state)
{
	const char *ref = make_vm(XENAPI_VM_POWER_STATE_RUNNING);
	struct xenapi_vm_guest_metrics guest = db_blank(vm_guest_metrics);
	const char *metrics = NULL;

	CHECK_ERR(vm_rules.check(ref, OP(CLEAN_SHUTDOWN), true), VM_LACKS_FEATURE);
	CHECK_OK(db_create(vm_guest_metrics, &guest, &metrics));
	CHECK_OK(db_write(vm, ref, guest_metrics, metrics));
	CHECK_ERR(vm_rules.check(ref, OP(CLEAN_SHUTDOWN), true), VM_LACKS_FEATURE);
	CHECK_OK(db_map_put(vm_guest_metrics, metrics, other, "feature-poweroff", "1"));
	CHECK_OK(vm_rules.check(ref, OP(CLEAN_SHUTDOWN), true));
	CHECK_ERR(vm_rules.check(ref, OP(SUSPEND), true), VM_LACKS_FEATURE);
	CHECK_OK(db_write(vm_guest_metrics, metrics, PV_drivers_detected, true));
	CHECK_OK(vm_rules.check(ref, OP(SUSPEND), true));
}

static void a_template_is_no_vm(void **state)
{
	const char *ref = make_vm(XENAPI_VM_POWER_STATE_HALTED);

	CHECK_OK(db_write(vm, ref, is_a_template, true));
	assert_string_equal(listed(ref),
		"clone copy provision migrate_send changing_dynamic_range changing_static_range "
		"changing_shadow_memory changing_NVRAM export metadata_export destroy");
	auto_err e = vm_rules.check(ref, OP(START), true);
	assert_non_null(e);
	assert_string_equal(e->code, "VM_IS_TEMPLATE");
	assert_string_equal(e->params[0], ref);
	assert_string_equal(e->params[1], "start");
	CHECK_OK(db_write(vm, ref, is_default_template, true));
	auto_err kept = vm_rules.check(ref, OP(DESTROY), true);
	assert_string_equal(kept->code, "VM_IS_TEMPLATE");
	CHECK_OK(db_write(vm, ref, is_a_template, false));
	CHECK_ERR(vm_rules.check(ref, OP(PROVISION), true), PROVISION_ONLY_ALLOWED_ON_TEMPLATE);
}

static void dom0_is_left_alone(void **state)
{
	const char *ref = make_vm(XENAPI_VM_POWER_STATE_RUNNING);

	CHECK_OK(db_write(vm, ref, is_control_domain, true));
	assert_string_equal(
		listed(ref), "changing_dynamic_range changing_static_range metadata_export");
	CHECK_ERR(vm_rules.check(ref, OP(HARD_SHUTDOWN), true), OPERATION_NOT_ALLOWED);
}

static void the_wrong_power_state_is_told_with_the_right_ones(void **state)
{
	const char *ref = make_vm(XENAPI_VM_POWER_STATE_HALTED);
	auto_err e = vm_rules.check(ref, OP(HARD_SHUTDOWN), true);

	assert_true(err_is(e, &ERR_VM_BAD_POWER_STATE));
	assert_string_equal(e->params[0], ref);
	assert_string_equal(e->params[1], "paused, suspended, running");
	assert_string_equal(e->params[2], "halted");
}

static void a_blocked_operation_answers_first(void **state)
{
	const char *ref = make_vm(XENAPI_VM_POWER_STATE_RUNNING);

	CHECK_OK(db_map_put(vm, ref, blocked_operations, "start", "because"));
	auto_err e = vm_rules.check(ref, OP(START), true);
	assert_true(err_is(e, &ERR_OPERATION_BLOCKED));
	assert_string_equal(e->params[1], "because");
	assert_null(strstr(listed(ref), "start"));
}

static void every_operation_has_its_answer_in_every_state(void **state)
{
	for (int power = 0; power <= XENAPI_VM_POWER_STATE_SUSPENDED; power++) {
		const char *ref = make_vm((enum xenapi_vm_power_state)power);

		for (int op = 0; op < (int)vm_rules.operations->n; op++)
			err_free(vm_rules.check(ref, op, true));
	}
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, open_db, close_db)

TEST_MAIN(CASE(a_halted_vm_can_do_what_it_could_in_the_original),
	CASE(a_running_one_without_drivers_too),
	CASE(drivers_or_a_feature_of_the_guest_let_it_shut_down), CASE(a_template_is_no_vm),
	CASE(dom0_is_left_alone), CASE(the_wrong_power_state_is_told_with_the_right_ones),
	CASE(a_blocked_operation_answers_first),
	CASE(every_operation_has_its_answer_in_every_state))
