/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values and rows in the original's XML: what it writes is read, what we write reads back the same
 * for every field of every class, and what is no value is left out with its reason.
 */
#include "xapid/xmldb/xmldb.h"

#include "common/codec.h"
#include "common/utf8.h"
#include "tests/unit/random_value.h"
#include "tests/unit/test.h"
#include "xapid/db/db_priv.h"

#include "xenapi.gen.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 20 };

static struct arena arena;

static int forget(void **state)
{
	arena_fini(&arena);
	return 0;
}

static const struct field *field_of(const struct class *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_fields; i++)
		if (!strcmp(c->fields[i].name, name))
			return &c->fields[i];
	fail_msg("%s has no field %s", c->name, name);
	return NULL;
}

static const struct type *type_of(const struct class *c, const char *name)
{
	return field_of(c, name)->type;
}

/* ---- attributes ---- */

static void attributes_keep_their_blanks(void **state)
{
	static const struct {
		const char *plain, *attr;
	} pairs[] = {{"", ""}, {"a b", "a%.b"}, {" \t\n\r", "%.%t%n%r"}, {"100%", "100%%"},
		{"%.", "%%."}, {"a&b<c>\"d\"'", "a&amp;b&lt;c&gt;&quot;d&quot;'"},
		{"caf\xc3\xa9", "caf\xc3\xa9"}, {"\x01", "%x01"}, {"\xef\xbf\xbf", "%xEF%xBF%xBF"}};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		auto_sbuf b = {0};

		xmldb_put_attr(pairs[i].plain, &b);
		assert_string_equal(sbuf_str(&b), pairs[i].attr);
		if (!strchr(pairs[i].attr, '&'))
			assert_string_equal(xmldb_get_attr(pairs[i].attr, &arena), pairs[i].plain);
	}
}

static void old_and_odd_escapes_are_read(void **state)
{
	assert_string_equal(xmldb_get_attr("a%_b", &arena), "a  b");
	assert_string_equal(xmldb_get_attr("%", &arena), "%");
	assert_string_equal(xmldb_get_attr("%q%x0%x00%xg1%", &arena), "%q%x0%x00%xg1%");
	assert_string_equal(xmldb_get_attr("%%%.%%", &arena), "% %");
}

/* ---- values ---- */

static void values_are_as_the_original_has_them(void **state)
{
	static const char *tags[] = {"it's", "a \"b\" \\c", ""};
	const struct string_list set = {tags, ARRAY_LEN(tags)};
	static struct string_map_entry entries[] = {{"key", "a value"}, {"", ")("}};
	const struct string_map map = {entries, ARRAY_LEN(entries)};
	const bool yes = true;
	const int64_t when = 1700000000;
	auto_sbuf b = {0};

	xmldb_put(&type_bool, &yes, &b);
	sbuf_addc(&b, '|');
	xmldb_put(&type_datetime, &when, &b);
	sbuf_addc(&b, '|');
	xmldb_put(type_of(&xenapi_class_vm, "tags"), &set, &b);
	sbuf_addc(&b, '|');
	xmldb_put(type_of(&xenapi_class_vm, "other_config"), &map, &b);
	assert_string_equal(sbuf_str(&b),
		"true|20231114T22:13:20Z|('it\\'s' 'a \\\"b\\\" \\\\c' '')|"
		"(('key' 'a value') ('' ')('))");
}

static void other_forms_of_lists_are_read(void **state)
{
	static const char *const texts[] = {
		"('a' 'b')", "( a  \"b\" )", "('a''b')", " (a b) ", "(\n'a'\t\"b\")"};
	struct string_list set;
	struct string_map map;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_null(xmldb_get(type_of(&xenapi_class_vm, "tags"), texts[i], &arena, &set));
		assert_int_equal(set.n, 2);
		assert_string_equal(set.v[0], "a");
		assert_string_equal(set.v[1], "b");
	}
	assert_null(xmldb_get(type_of(&xenapi_class_vm, "tags"), "", &arena, &set));
	assert_int_equal(set.n, 0);
	assert_null(xmldb_get(type_of(&xenapi_class_vm, "other_config"),
		"((\"k\" 'v') (l \"w x\"))", &arena, &map));
	assert_string_equal(string_map_get(&map, "k"), "v");
	assert_string_equal(string_map_get(&map, "l"), "w x");
}

static void what_is_no_value_is_told(void **state)
{
	static const struct {
		const char *field, *text, *why;
	} bad[] = {{"tags", "('a'", "'('a'' is no set"}, {"tags", "('a') x", "'('a') x' is no set"},
		{"tags", "(('a'))", "'(('a'))' is no set"}, {"tags", "x", "'x' is no set"},
		{"other_config", "('a' 'b')", "'('a' 'b')' is no map"},
		{"other_config", "(('a'))", "'(('a'))' is no map"},
		{"memory_static_max", "1x", "'1x' is no number"},
		{"memory_static_max", "99999999999999999999",
			"'99999999999999999999' is no number"},
		{"is_a_template", "yes", "'yes' is neither true nor false"},
		{"snapshot_time", "today", "'today' is no time"},
		{"power_state", "Flying", "'Flying' is no vm_power_state"},
		{"HVM_shadow_multiplier", "", "'' is no number"}};
	struct xenapi_vm vm;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct field *f = field_of(&xenapi_class_vm, bad[i].field);
		const char *why = xmldb_get(f->type, bad[i].text, &arena, (char *)&vm + f->offset);

		assert_non_null(why);
		assert_string_equal(why, bad[i].why);
	}
}

/* Of a set or map that has one member too many the rest is taken. */
static void a_bad_member_leaves_the_others(void **state)
{
	struct string_map map;
	struct {
		int *v;
		size_t n;
	} purposes;
	const char *why = xmldb_get(type_of(&xenapi_class_network, "purpose"),
		"('nbd' 'dancing' 'insecure_nbd')", &arena, &purposes);

	assert_string_equal(why, "'dancing' is no network_purpose");
	assert_int_equal(purposes.n, 2);
	why = xmldb_get(type_of(&xenapi_class_vm, "other_config"),
		"(('a' '1') ('a' '2') ('b' '3'))", &arena, &map);
	assert_string_equal(why, "'a' is there twice");
	assert_int_equal(map.n, 2);
	assert_string_equal(string_map_get(&map, "a"), "1");
	assert_string_equal(string_map_get(&map, "b"), "3");
}

static void a_set_has_its_limit(void **state)
{
	const struct type *t = type_of(&xenapi_class_vm, "tags");
	auto_sbuf text = {0};
	struct string_list set = {0};

	sbuf_addc(&text, '(');
	for (int i = 0; i < 1000000; i++)
		sbuf_printf(&text, "%d ", i);
	sbuf_adds(&text, ")");
	assert_null(xmldb_get(t, sbuf_str(&text), &arena, &set));
	assert_int_equal(set.n, 1000000);
	sbuf_truncate(&text, sbuf_len(&text) - 1);
	sbuf_adds(&text, "more)");
	assert_non_null(strstr(xmldb_get(t, sbuf_str(&text), &arena, &set), "is no set"));
}

/* ---- rows ---- */

/* A text of the database with one row. */
static void put_database(const struct class *c, const void *record, struct sbuf *out)
{
	sbuf_printf(out,
		"<database><manifest><pair key='schema_major_vsn' value='5'/>"
		"<pair key='schema_minor_vsn' value='909'/>"
		"<pair key='generation_count' value='1'/></manifest><table name='%s'>",
		c->name);
	xmldb_put_row(c, "OpaqueRef:a-b", record, (struct xmldb_stamp){1, 2}, out);
	sbuf_adds(out, "</table></database>");
}

static bool has_doubles(const struct type *t, const struct any_list *list)
{
	for (size_t i = 0; t->is_set && i < list->n; i++)
		for (size_t k = 0; k < i; k++)
			if (codec_equal(t->of, (char *)list->v + i * t->of->size,
				    (char *)list->v + k * t->of->size))
				return true;
	return false;
}

/* A reference is never empty, and nothing is twice in a set. */
static void random_field(struct random *r, const struct field *f, struct arena *a, void *out)
{
	for (;;) {
		auto_sbuf text = {0};

		random_value(r, f->type, a, out);
		codec_encode(f->type, out, &text);
		if (db_type_holds_refs(f->type) && strstr(sbuf_str(&text), "\"\""))
			continue;
		if (!has_doubles(f->type, out))
			return;
	}
}

static void check_class(const struct class *c, struct random *r)
{
	AUTO(xmldb_fini) struct xmldb xml = {0};
	auto_sbuf text = {0};
	auto_arena a = {0};
	void *record = arena_alloc(&a, c->record->size);

	for (uint32_t i = 0; i < c->n_fields; i++)
		random_field(r, &c->fields[i], &a, (char *)record + c->fields[i].offset);
	/* but for its name, which is none of these */
	*(const char **)((char *)record + field_of(c, "uuid")->offset) = "a-uuid";
	put_database(c, record, &text);
	CHECK_OK(xmldb_read(sbuf_str(&text), sbuf_len(&text), &xml));
	for (size_t i = 0; i < xml.notes.n; i++)
		fail_msg("%s: %s", c->name, xml.notes.v[i]);
	assert_int_equal(xml.rows.n, 1);
	assert_string_equal(xml.rows.v[0].ref, "OpaqueRef:a-b");
	for (uint32_t i = 0; i < c->n_fields; i++) {
		const struct field *f = &c->fields[i];

		if (xmldb_is_kept(c, f) &&
			!codec_equal(f->type, (char *)record + f->offset,
				(char *)xml.rows.v[0].record + f->offset))
			fail_msg("%s.%s comes back as another: %s", c->name, f->name,
				sbuf_str(&text));
	}
}

static void every_field_of_every_class_comes_back(void **state)
{
	struct random r = {.state = 4711};
	size_t n = 0;

	for (size_t i = 0; i < xenapi_interface.n_classes; i++) {
		const struct class *c = xenapi_interface.classes[i];

		if (c->flags & CLASS_STATELESS || !c->is_persistent)
			continue;
		n++;
		for (int round = 0; round < ROUNDS; round++)
			check_class(c, &r);
	}
	assert_true(n > 30);
}

static void fields_have_the_names_of_their_spaces(void **state)
{
	static const struct {
		const struct class *class;
		const char *field, *column;
	} names[] = {{&xenapi_class_vm, "name_label", "name__label"},
		{&xenapi_class_vm, "memory_static_max", "memory__static_max"},
		{&xenapi_class_vm, "VCPUs_at_startup", "VCPUs__at_startup"},
		{&xenapi_class_vm, "actions_after_crash", "actions__after_crash"},
		{&xenapi_class_vm, "HVM_boot_params", "HVM__boot_params"},
		{&xenapi_class_vm, "PV_bootloader_args", "PV__bootloader_args"},
		{&xenapi_class_vm, "other_config", "other_config"},
		{&xenapi_class_pool, "name_label", "name_label"},
		{&xenapi_class_host, "API_version_major", "API_version__major"},
		{&xenapi_class_vif, "qos_algorithm_type", "qos__algorithm_type"},
		{&xenapi_class_sr, "name_description", "name__description"}};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_string_equal(xmldb_column(names[i].class,
					    field_of(names[i].class, names[i].field), &arena),
			names[i].column);
}

#define ARENA_TEST(fn) cmocka_unit_test_teardown(fn, forget)

TEST_MAIN(ARENA_TEST(attributes_keep_their_blanks), ARENA_TEST(old_and_odd_escapes_are_read),
	ARENA_TEST(values_are_as_the_original_has_them), ARENA_TEST(other_forms_of_lists_are_read),
	ARENA_TEST(what_is_no_value_is_told), ARENA_TEST(a_bad_member_leaves_the_others),
	ARENA_TEST(a_set_has_its_limit), TEST(every_field_of_every_class_comes_back),
	ARENA_TEST(fields_have_the_names_of_their_spaces))
