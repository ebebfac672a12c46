/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Databases of the original: what is taken, what is left out with a note, what is refused and with
 * which line; and from a full pool to XML, to a new file, and back without a difference.
 */
#include "xapid/xmldb/xmldb.h"

#include "common/codec.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/store.h"
#include "tests/unit/common/runtime.h"
#include "tests/unit/xapid/full_pool.h"

#include "core.gen.h"

#include <string.h>
#include <sys/stat.h>

static char folder[64], path[128];

static int make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "%s/xml.XXXXXX", getenv("TMPDIR") ?: "/tmp");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/xapid.db", folder);
	return 0;
}

static int remove_folder(void **state)
{
	auto_str command = xasprintf("rm -rf %s", folder);

	return system(command);
}

#define MANIFEST(minor) \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
	"<database><manifest><pair key=\"schema_major_vsn\" value=\"5\"/>" \
	"<pair key=\"schema_minor_vsn\" value=\"" minor "\"/>" \
	"<pair key=\"generation_count\" value=\"77\"/></manifest>\n"

#define POOL \
	"<table name=\"pool\"><row ref=\"OpaqueRef:p\" uuid=\"pool-uuid\" name_label=\"a%.pool\" " \
	"master=\"OpaqueRef:h\"/></table>\n"
#define HOST \
	"<table name=\"host\"><row ref=\"OpaqueRef:h\" uuid=\"host-uuid\" " \
	"name__label=\"here\"/></table>\n"

static bool has_note(const struct xmldb *db, const char *what)
{
	for (size_t i = 0; i < db->notes.n; i++)
		if (strstr(db->notes.v[i], what))
			return true;
	return false;
}

static const void *record_of(const struct xmldb *db, const char *ref)
{
	for (size_t i = 0; i < db->rows.n; i++)
		if (!strcmp(db->rows.v[i].ref, ref))
			return db->rows.v[i].record;
	return NULL;
}

static void check_notes(const struct xmldb *db, const char *const *notes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!has_note(db, notes[i]))
			fail_msg("there is no note: %s", notes[i]);
	for (size_t i = 0; i < db->notes.n; i++)
		print_message("# %s\n", db->notes.v[i]);
	assert_int_equal(db->notes.n, n);
	assert_int_equal(db->n_notes, n);
}

/* ---- what is taken ---- */

static void what_is_not_known_is_noted(void **state)
{
	static const char text[] = MANIFEST("500") POOL HOST
		"<table name=\"gone\"><row ref=\"OpaqueRef:g\"/><row ref=\"OpaqueRef:g2\"/></table>\n"
		"<table name=\"task\"><row ref=\"OpaqueRef:t\" uuid=\"t\"/></table>\n"
		"<table name=\"SR\"><row ref=\"OpaqueRef:s\" uuid=\"s\" name__label=\"%.x\" "
		"colour=\"red\" __ctime=\"1\" __mtime=\"2\" _ref=\"OpaqueRef:s\" "
		"physical_size=\"12\" shared=\"perhaps\" "
		"VDIs=\"('OpaqueRef:nobody')\"/></table></database>";
	static const char *const notes[] = {"there is no class gone: 2 rows are left out",
		"SR: the field colour is not known: left out of 1 rows",
		"line 7: SR OpaqueRef:s: shared: 'perhaps' is neither true nor false"};
	AUTO(xmldb_fini) struct xmldb db = {0};

	CHECK_OK(xmldb_read(text, strlen(text), &db));
	CHECK_OK(xmldb_settle(&db));
	check_notes(&db, notes, ARRAY_LEN(notes));
	assert_int_equal(db.schema_minor, 500);
	assert_int_equal(db.generation, 77);
	assert_int_equal(db.rows.n, 3);
	const struct xenapi_sr *sr = record_of(&db, "OpaqueRef:s");
	assert_string_equal(sr->name_label, " x");
	assert_int_equal(sr->physical_size, 12);
	assert_false(sr->shared);
	assert_string_equal(sr->introduced_by, "OpaqueRef:NULL");
	assert_int_equal(sr->VDIs.n, 0);
	const struct xenapi_pool *pool = record_of(&db, "OpaqueRef:p");
	assert_string_equal(pool->name_label, "a pool");
	assert_string_equal(pool->master, "OpaqueRef:h");
}

static void references_to_nothing_are_null(void **state)
{
	static const char text[] = MANIFEST("909") POOL HOST
		"<table name=\"VDI\"><row ref=\"OpaqueRef:d\" uuid=\"d\" SR=\"OpaqueRef:h\"/></table>"
		"<table name=\"VM\"><row ref=\"OpaqueRef:v\" uuid=\"v\" affinity=\"OpaqueRef:h\" "
		"suspend_VDI=\"OpaqueRef:lost\" snapshot_of=\"\" "
		"blobs=\"(('a' 'OpaqueRef:lost'))\"/>"
		"<row ref=\"OpaqueRef:w\" uuid=\"v\"/><row ref=\"OpaqueRef:v\" uuid=\"x\"/></table>"
		"<table name=\"PGPU\"><row ref=\"OpaqueRef:u\" uuid=\"u\" "
		"enabled_VGPU_types=\"('OpaqueRef:lost' 'OpaqueRef:lost2')\"/></table></database>";
	static const char *const notes[] = {
		"VDI OpaqueRef:d: SR refers to SR OpaqueRef:h, which is not there",
		"VM OpaqueRef:v: suspend_VDI refers to VDI OpaqueRef:lost, which is not there",
		"VM OpaqueRef:v: blobs refers to blob OpaqueRef:lost, which is not there",
		"VM OpaqueRef:w: there is one with this uuid: left out",
		"VM OpaqueRef:v: there is one with this reference: left out",
		"PGPU OpaqueRef:u: enabled_VGPU_types refers to VGPU_type OpaqueRef:lost",
		"PGPU OpaqueRef:u: enabled_VGPU_types refers to VGPU_type OpaqueRef:lost2"};
	AUTO(xmldb_fini) struct xmldb db = {0};

	CHECK_OK(xmldb_read(text, strlen(text), &db));
	CHECK_OK(xmldb_settle(&db));
	check_notes(&db, notes, ARRAY_LEN(notes));
	const struct xenapi_vm *vm = record_of(&db, "OpaqueRef:v");
	assert_string_equal(vm->uuid, "v");
	assert_string_equal(vm->affinity, "OpaqueRef:h");
	assert_string_equal(vm->suspend_VDI, "OpaqueRef:NULL");
	assert_string_equal(vm->snapshot_of, "OpaqueRef:NULL");
	assert_int_equal(vm->blobs.n, 0);
	assert_string_equal(
		((const struct xenapi_vdi *)record_of(&db, "OpaqueRef:d"))->SR, "OpaqueRef:NULL");
	assert_null(record_of(&db, "OpaqueRef:w"));
}

/* What the original does with fields that older versions did not have. */
static void older_files_get_what_is_missing(void **state)
{
	static const char text[] = MANIFEST("60") POOL HOST
		"<table name=\"VM\">"
		"<row ref=\"OpaqueRef:1\" uuid=\"1\" HVM__boot_policy=\"BIOS%.order\"/>"
		"<row ref=\"OpaqueRef:2\" uuid=\"2\" HVM__boot_policy=\"\" is_a_template=\"true\" "
		"other_config=\"(('default_template'%.'true'))\"/></table></database>";
	AUTO(xmldb_fini) struct xmldb db = {0};

	CHECK_OK(xmldb_read(text, strlen(text), &db));
	CHECK_OK(xmldb_settle(&db));
	assert_int_equal(db.n_notes, 0);
	const struct xenapi_vm *vm = record_of(&db, "OpaqueRef:1");
	assert_int_equal(vm->domain_type, XENAPI_DOMAIN_TYPE_HVM);
	assert_false(vm->is_default_template);
	vm = record_of(&db, "OpaqueRef:2");
	assert_int_equal(vm->domain_type, XENAPI_DOMAIN_TYPE_PV);
	assert_true(vm->is_default_template);
	assert_true(vm->HVM_shadow_multiplier == 1.0);
}

/* ---- what is refused ---- */

static void what_is_no_database_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {{"", "line 1"}, {"<a/>", "line 1: this is not a database"},
		{"<database/>", "line 1: there is no manifest"},
		{"<database>\n<manifest/></database>",
			"line 2: the manifest has no schema_major_vsn"},
		{MANIFEST("x") "</database>", "line 2: a number of the manifest is none"},
		{MANIFEST("1") "<foo/></database>",
			"line 3: a database has a manifest and tables, and nothing else"},
		{MANIFEST("1") "<table/></database>", "line 3: a table without a name"},
		{MANIFEST("1") "<table name='VM'>\n<row/></table></database>",
			"line 4: a row without a reference"},
		{MANIFEST("1") "<table name='VM'>\n<col ref='x'/></table></database>",
			"line 4: a table has rows, and nothing else"},
		{MANIFEST("1") "<table name='VM'><row ref='x'>\n<a/></row></table></database>",
			"line 3: a row has attributes, and nothing else"},
		{MANIFEST("1") "<table name='VM'>\n\n<row ref='x' ref='y'/></table></database>",
			"line 5"},
		{MANIFEST("1") "<table name='VM'>\n<row ref='%xFF'/></table></database>",
			"line 4: a reference or a uuid that is none"},
		{MANIFEST("1") "<table name='VM'>\n<row ref='a&quot;b'/></table></database>",
			"line 4: a reference or a uuid that is none"},
		{MANIFEST("1") "<table name='VM'>\n<row ref='a' uuid='../x'/></table></database>",
			"line 4: a reference or a uuid that is none"},
		{MANIFEST("1") "<table name='VM'>", "line 3"},
		{"<!DOCTYPE a [\n<!ENTITY b \"c\">]>\n<database/>", "DOCTYPE"},
		{MANIFEST("1") "<table name='&lol;'/></database>", "line 3"}};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(xmldb_fini) struct xmldb db = {0};
		auto_err e = xmldb_read(bad[i].text, strlen(bad[i].text), &db);

		assert_true(err_is(e, &ERR_BAD_REQUEST));
		if (!strstr(err_text(e), bad[i].why))
			fail_msg("'%s' has not '%s' in it", err_text(e), bad[i].why);
	}
}

static void what_is_too_deep_or_too_large_is_refused(void **state)
{
	AUTO(xmldb_fini) struct xmldb db = {0};
	auto_sbuf text = {0};

	for (int i = 0; i < 1000; i++)
		sbuf_adds(&text, "<database>\n");
	auto_err e = xmldb_read(sbuf_str(&text), sbuf_len(&text), &db);
	assert_true(err_is(e, &ERR_LIMIT_EXCEEDED));
	assert_non_null(strstr(err_text(e), "line 9"));
	CHECK_ERR(xmldb_read("", XMLDB_SIZE_MAX + 1, &db), LIMIT_EXCEEDED);
}

static void what_is_no_pool_is_refused(void **state)
{
	static const char *const texts[] = {MANIFEST("1") HOST "</database>",
		MANIFEST("1") POOL "</database>",
		MANIFEST("1") HOST "<table name='pool'><row ref='a' uuid='1'/>"
				   "<row ref='b' uuid='2'/></table></database>"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(xmldb_fini) struct xmldb db = {0};

		CHECK_OK(xmldb_read(texts[i], strlen(texts[i]), &db));
		CHECK_ERR(xmldb_settle(&db), INVALID_VALUE);
	}
}

/* ---- which host, which version ---- */

static void choose(void *arg)
{
	static const char old[] = MANIFEST("909") POOL HOST "</database>";
	static const char newer[] = MANIFEST("910") POOL HOST "</database>";
	struct xmldb db[4] = {0};
	const char *host = NULL;

	CHECK_OK(db_open(&(struct db_options){0}));
	CHECK_OK(xmldb_load(old, strlen(old), &(struct xmldb_import){0}, &db[0], &host));
	assert_string_equal(host, "host-uuid");
	assert_int_equal(db[0].rows.n, 2 + 7); /* roles */
	CHECK_OK(xmldb_load(
		old, strlen(old), &(struct xmldb_import){.host = "another"}, &db[1], &host));
	assert_string_equal(host, "host-uuid");
	CHECK_ERR(xmldb_load(newer, strlen(newer), &(struct xmldb_import){0}, &db[2], &host),
		RESTORE_INCOMPATIBLE_VERSION);
	CHECK_OK(xmldb_load(newer, strlen(newer), &(struct xmldb_import){.accepts_newer = true},
		&db[3], &host));
	assert_true(has_note(&db[3], "its schema is 5.910, newer than 5.909"));
	for (size_t i = 0; i < ARRAY_LEN(db); i++)
		xmldb_fini(&db[i]);
	db_close();
}

static void newer_versions_want_to_be_accepted(void **state)
{
	run_in_fiber(choose, NULL);
}

/* ---- there and back ---- */

static struct sbuf before;
static struct map fields; /* "ref field" -> its JSON, owned */

static void note_row(const struct db_row *row)
{
	const struct class *c = db_class(row);

	for (uint32_t i = 0; i < c->n_fields; i++) {
		const struct field *f = &c->fields[i];
		auto_str name = xasprintf("%s %s", db_ref(row), f->name);
		auto_sbuf text = {0};

		if (!xmldb_is_kept(c, f) && !db_is_computed(c, f))
			continue;
		codec_encode(f->type, db_value(row, f), &text);
		map_put(&fields, name, xstrdup(sbuf_str(&text)));
	}
}

static void each_row(void (*fn)(const struct db_row *row))
{
	for (size_t i = 0; i < xenapi_interface.n_classes; i++)
		if (xenapi_interface.classes[i]->is_persistent)
			db_for_each_of (xenapi_interface.classes[i], row)
				fn(row);
}

static void make_pool(void *arg)
{
	struct full_pool full;
	const char *vm;

	CHECK_OK(db_open(&(struct db_options){0}));
	struct xenapi_pool pool = db_blank(pool);
	full_pool_make(&full, 20);
	pool.master = full.host;
	CHECK_OK(db_create(pool, &pool, NULL));
	vm = db_first_ref(vm);
	CHECK_OK(db_map_put(
		vm, vm, other_config, "od'd \"key\"\n", "100% of <\\it>\t\r\x01 \xf0\x9f\x92\xbe"));
	CHECK_OK(db_write(vm, vm, snapshot_time, 1234567890));
	CHECK_OK(db_write(vm, vm, HVM_shadow_multiplier, 1.1));
	each_row(note_row);
	xmldb_dump(&before);
	db_close();
}

static void import(void *arg)
{
	AUTO(xmldb_fini) struct xmldb db = {0};
	const char *host;

	CHECK_OK(db_open(&(struct db_options){0}));
	CHECK_OK(xmldb_load(
		sbuf_str(&before), sbuf_len(&before), &(struct xmldb_import){0}, &db, &host));
	for (size_t i = 0; i < db.notes.n; i++)
		fail_msg("%s", db.notes.v[i]);
	CHECK_OK(xmldb_make_file(path, &(struct xmldb_content){xmldb_keep(&db), db.rows.n, 41}));
	db_close();
}

static void print_finding(const char *line, void *arg)
{
	fail_msg("%s", line);
}

static size_t n_same;

static void compare_row(const struct db_row *row)
{
	const struct class *c = db_class(row);

	for (uint32_t i = 0; i < c->n_fields && c != &xenapi_class_role; i++) {
		const struct field *f = &c->fields[i];
		auto_str name = xasprintf("%s %s", db_ref(row), f->name);
		auto_str old = map_remove(&fields, name);
		auto_sbuf text = {0};

		codec_encode(f->type, db_value(row, f), &text);
		if (old && strcmp(old, sbuf_str(&text)) != 0)
			fail_msg("%s was %s, is %s", name, old, sbuf_str(&text));
		n_same += old != NULL;
	}
}

static void compare(void *arg)
{
	size_t n_rows;

	CHECK_OK(db_open(&(struct db_options){0}));
	CHECK_OK(db_fsck(path, print_finding, NULL, &n_rows));
	assert_int_equal(n_rows, 3 + 1 + 20 * 9 + 7);
	db_close();
	CHECK_OK(db_open(&(struct db_options){.path = path}));
	each_row(compare_row);
	assert_int_equal(db_start_of(db_generation()), 42);
	db_close();
	map_for_each (slot, &fields)
		fail_msg("%s is gone", slot->key);
	assert_true(n_same > 2000);
}

static void a_pool_comes_back_without_a_difference(void **state)
{
	run_in_fiber(make_pool, NULL);
	run_in_fiber(import, NULL);
	run_in_fiber(compare, NULL);
	map_fini(&fields);
	sbuf_fini(&before);
}

/* ---- fsck ---- */

static struct {
	char lines[20][200];
	size_t n;
} found;

static void keep_finding(const char *line, void *arg)
{
	snprintf(found.lines[found.n++ % 20], 200, "%s", line);
}

static void harm(void *arg)
{
	static const struct xmldb_kept rows[] = {
#define ROW(of_ref, of_text) {of_ref, of_text, sizeof(of_text) - 1}
		ROW("OpaqueRef:a", "{\"VM\":{\"uuid\":\"1\",\"affinity\":\"OpaqueRef:lost\"}}"),
		ROW("OpaqueRef:b", "{\"VM\":{\"uuid\":\"1\",\"colour\":\"red\"}}"),
		ROW("OpaqueRef:c", "{\"VM\":{\"uuid\":\"2\",\"is_a_template\":\"yes\"}}"),
		ROW("OpaqueRef:d", "{\"Nothing\":{}}"),
		ROW("OpaqueRef:e", "{\"VM\":{\"uuid\":\"3\",\"suspend_VDI\":\"OpaqueRef:a\"}}"),
		ROW("OpaqueRef:g",
			"{\"PGPU\":{\"uuid\":\"4\","
			"\"enabled_VGPU_types\":[\"OpaqueRef:t\"]}}"),
		ROW("OpaqueRef:t", "{\"VGPU_type\":{\"uuid\":\"5\"}}"),
		ROW("OpaqueRef:z", "not JSON"),
	};
	static const char *const lines[] = {"VM OpaqueRef:a: affinity: refers to host "
					    "OpaqueRef:lost, which is not there",
		"VM OpaqueRef:b: colour: no field of this class",
		"VM OpaqueRef:b: uuid: '1' is that of OpaqueRef:a too", "is_a_template",
		"OpaqueRef:d: of a class that is not known",
		"VM OpaqueRef:e: suspend_VDI: refers to OpaqueRef:a, which is no VDI but a VM",
		"PGPU OpaqueRef:g: enabled_VGPU_types: has OpaqueRef:t, whose enabled_on_PGPUs has "
		"not this one",
		"OpaqueRef:z: not an object of a class"};
	size_t n_rows;
	struct stat then, now;

	CHECK_OK(db_open(&(struct db_options){0}));
	CHECK_OK(xmldb_make_file(path, &(struct xmldb_content){rows, ARRAY_LEN(rows), 0}));
	assert_int_equal(stat(path, &then), 0);
	CHECK_OK(db_fsck(path, keep_finding, NULL, &n_rows));
	assert_int_equal(n_rows, 5);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		bool is_there = false;

		for (size_t k = 0; k < found.n; k++)
			is_there |= strstr(found.lines[k], lines[i]) != NULL;
		if (!is_there)
			fail_msg("not found: %s", lines[i]);
	}
	assert_int_equal(found.n, ARRAY_LEN(lines));
	assert_int_equal(stat(path, &now), 0);
	assert_int_equal(then.st_mtim.tv_nsec, now.st_mtim.tv_nsec);
	auto_str lock = xasprintf("%s.lock", path);
	assert_int_equal(access(lock, F_OK), -1);
	assert_int_equal(truncate(path, 5000), 0);
	found.n = 0;
	CHECK_OK(db_fsck(path, keep_finding, NULL, &n_rows));
	assert_int_equal(found.n, 1);
	assert_non_null(strstr(found.lines[0], "STORE_UNUSABLE"));
	auto_str none = xasprintf("%s.none", path);
	CHECK_ERR(db_fsck(none, keep_finding, NULL, &n_rows), SYSTEM_ERROR);
	db_close();
}

static void fsck_finds_what_does_not_fit(void **state)
{
	run_in_fiber(harm, NULL);
}

/* ---- other versions' files ---- */

static struct err *put_one(struct store_maker *m, void *arg)
{
	static const char row[] = "{\"VM\":{\"uuid\":\"1\",\"name_label\":\"x\","
				  "\"colour\":\"red\",\"shape\":[{}]}}";

	return store_maker_put(m, DB_TABLE_OBJECT, "OpaqueRef:a", row, sizeof(row) - 1);
}

static void open_others(void *arg)
{
	struct store_schema newer = db_schema;
	auto_str backup = xasprintf("%s.backup", path);
	auto_str made = xasprintf("%s.made", path);
	auto_str log = xasprintf("%s-wal", path);
	struct stat then, now;

	/* Fields that are not known are counted; whoever looks after the host is told. */
	CHECK_OK(store_make(path, &db_schema, put_one, NULL));
	CHECK_OK(db_open(&(struct db_options){.path = path}));
	assert_int_equal(db_counts().unknown_fields, 2);
	assert_string_equal(db_find(vm, "OpaqueRef:a")->name_label, "x");
	db_close();
	/* A newer file is refused; a copy does not take its place, and nothing is written. */
	assert_int_equal(rename(path, backup), 0);
	newer.version++;
	newer.steps = NULL;
	CHECK_OK(store_make(made, &newer, put_one, NULL));
	assert_int_equal(rename(made, path), 0);
	assert_int_equal(unlink(log), 0);
	assert_int_equal(stat(path, &then), 0);
	auto_err e = db_open(&(struct db_options){.path = path});
	assert_true(err_is(e, &ERR_STORE_UNUSABLE));
	assert_non_null(strstr(err_text(e), "version 2, newer than 1"));
	assert_int_equal(stat(path, &now), 0);
	assert_int_equal(then.st_ino, now.st_ino);
	assert_int_equal(then.st_mtim.tv_nsec, now.st_mtim.tv_nsec);
}

static void files_of_newer_versions_are_refused(void **state)
{
	run_in_fiber(open_others, NULL);
}

#define FOLDER_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)

TEST_MAIN(TEST(what_is_not_known_is_noted), TEST(references_to_nothing_are_null),
	TEST(older_files_get_what_is_missing), TEST(what_is_no_database_is_refused_with_its_line),
	TEST(what_is_too_deep_or_too_large_is_refused), TEST(what_is_no_pool_is_refused),
	TEST(newer_versions_want_to_be_accepted),
	FOLDER_TEST(a_pool_comes_back_without_a_difference),
	FOLDER_TEST(fsck_finds_what_does_not_fit), FOLDER_TEST(files_of_newer_versions_are_refused))
