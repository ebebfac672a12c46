/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/schema.c: look-ups in the tables find what is there and nothing else; secrets are seen
 * through every kind of type, also through types that contain themselves.
 */
#include "common/schema.h"

#include "tests/unit/test.h"

#include <string.h>

static const struct method methods[] = {
	{.name = "VM.clone"}, {.name = "VM.start"}, {.name = "VM.start_on"}, {.name = "alive"}};
static const struct interface face = {.methods = methods, .n_methods = ARRAY_LEN(methods)};

static void finds_methods(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		assert_ptr_equal(interface_method(&face, methods[i].name, strlen(methods[i].name)),
			&methods[i]);
	assert_ptr_equal(interface_method(&face, "VM.start_on", 8), &methods[1]);
	assert_null(interface_method(&face, "VM.star", 7));
	assert_null(interface_method(&face, "", 0));
	assert_null(interface_method(&face, "zzz", 3));
	assert_null(interface_method(&face, "alive\0x", 7));
}

static const struct type_case cases[] = {
	{.name = "halted", .value = 0}, {.name = "halt", .value = 1}, {.name = "far", .value = 70}};
static const struct type state_type = {.kind = TYPE_ENUM, .cases = cases, .n = ARRAY_LEN(cases)};

static void finds_cases(void **state)
{
	assert_string_equal(type_case_name(&state_type, 1), "halt");
	assert_string_equal(type_case_name(&state_type, 70), "far");
	assert_null(type_case_name(&state_type, 2));
	assert_null(type_case_name(&state_type, -1));
	assert_int_equal(type_case_named(&state_type, "halted", 4)->value, 1);
	assert_int_equal(type_case_named(&state_type, "halted", 6)->value, 0);
	assert_null(type_case_named(&state_type, "halted", 5));
	assert_null(type_case_named(&state_type, "", 0));
}

extern const struct type node;
static const struct type node_list = {.kind = TYPE_LIST, .of = &node};
static const struct field node_fields[] = {
	{.name = "name", .type = &type_string}, {.name = "children", .type = &node_list}};
const struct type node = {.kind = TYPE_RECORD, .fields = node_fields, .n = ARRAY_LEN(node_fields)};

static const struct type secret_map = {.kind = TYPE_MAP, .of = &type_secret};
static const struct type_case login_cases[] = {
	{.name = "nobody"}, {.name = "passwords", .value = 1, .type = &secret_map}};
static const struct type login = {
	.kind = TYPE_VARIANT, .cases = login_cases, .n = ARRAY_LEN(login_cases)};
static const struct field outer_fields[] = {
	{.name = "tree", .type = &node}, {.name = "login", .type = &login}};
static const struct type outer = {
	.kind = TYPE_RECORD, .fields = outer_fields, .n = ARRAY_LEN(outer_fields)};

static void sees_secrets(void **state)
{
	assert_true(type_has_secret(&type_secret));
	assert_true(type_has_secret(&outer));
	assert_false(type_has_secret(&node));
	assert_false(type_has_secret(&type_map_string));
	assert_false(type_has_secret(&type_void));
}

static void gets_from_a_string_map(void **state)
{
	struct string_map_entry entries[] = {{"a", "1"}, {"b", "2"}};
	struct string_map m = {entries, 2};

	assert_string_equal(string_map_get(&m, "b"), "2");
	assert_null(string_map_get(&m, "c"));
	assert_null(string_map_get(&(struct string_map){0}, "a"));
}

TEST_MAIN(TEST(finds_methods), TEST(finds_cases), TEST(sees_secrets), TEST(gets_from_a_string_map))
