/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A random round trip over every type of every interface: named types, and the arguments and
 * results of calls, through JSON and XML-RPC. What is written is read back equal; written again it
 * is the same text. The
 * list of interfaces comes from the makefile, so none can be forgotten.
 */
#include "common/codec.h"

#include "common/codec_xmlrpc.h"
#include "tests/unit/random_value.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

/* INTERFACES is X(core) X(xenops) … */
#define X(name) extern const struct interface name##_interface;
INTERFACES
#undef X

#define X(name) &name##_interface,
static const struct interface *const interfaces[] = {INTERFACES};
#undef X

enum { ROUNDS = 30 };

typedef void check_fn(const struct type *t, struct random *r);

static void check_json(const struct type *t, struct random *r, unsigned flags)
{
	auto_arena a = {0};
	auto_sbuf text = {0}, again = {0};
	struct json_writer w;
	void *value = arena_alloc(&a, t->size), *back = arena_alloc(&a, t->size);

	random_value(r, t, &a, value);
	json_writer_init(&w, &text);
	codec_write(t, value, flags, &w);
	CHECK_OK(codec_decode(t, "", sbuf_data(&text), sbuf_len(&text), &a, back));
	if (!codec_equal(t, value, back))
		fail_msg("%s comes back as another: %s", t->name, sbuf_str(&text));
	json_writer_init(&w, &again);
	codec_write(t, back, flags, &w);
	assert_string_equal(sbuf_str(&text), sbuf_str(&again));
}

static void through_json(const struct type *t, struct random *r)
{
	check_json(t, r, 0);
	check_json(t, r, CODEC_OMIT_DEFAULTS);
}

static void check_xmlrpc(const struct type *t, struct random *r, unsigned flags)
{
	auto_arena a = {0};
	auto_sbuf text = {0}, again = {0};
	struct codec_xmlrpc_answer answer;
	void *value = arena_alloc(&a, t->size), *back = arena_alloc(&a, t->size);

	random_value(r, t, &a, value);
	codec_xmlrpc_write_answer(t, value, flags, &text);
	CHECK_OK(
		codec_xmlrpc_read_answer(sbuf_data(&text), sbuf_len(&text), SIZE_MAX, &a, &answer));
	CHECK_OK(codec_xmlrpc_read(t, "", answer.value, &a, back));
	codec_xmlrpc_write_answer(t, back, flags, &again);
	assert_string_equal(sbuf_str(&text), sbuf_str(&again));
	/* With integers as strings, those inside of an any come back as strings. */
	if (!(flags & CODEC_XMLRPC_INT_AS_STRING) && !codec_equal(t, value, back))
		fail_msg("%s comes back as another: %s", t->name, sbuf_str(&text));
}

static void through_xmlrpc(const struct type *t, struct random *r)
{
	check_xmlrpc(t, r, 0);
	check_xmlrpc(t, r, CODEC_OMIT_DEFAULTS);
	check_xmlrpc(t, r, CODEC_XMLRPC_INT_AS_STRING);
}

/* A copy is equal, and shares nothing with what it was made of. */
static void through_a_copy(const struct type *t, struct random *r)
{
	struct arena a = {0};
	auto_arena b = {0};
	auto_sbuf before = {0}, after = {0};
	void *value = arena_alloc(&a, t->size), *copy = arena_alloc(&b, t->size);

	random_value(r, t, &a, value);
	codec_copy(t, value, &b, copy);
	assert_true(codec_equal(t, value, copy));
	codec_encode(t, value, &before);
	arena_fini(&a);
	codec_encode(t, copy, &after);
	assert_string_equal(sbuf_str(&before), sbuf_str(&after));
}

/* Two values with different text are not equal, and those with the same text are. */
static void is_told_from_another(const struct type *t, struct random *r)
{
	auto_arena a = {0};
	auto_sbuf one = {0}, other = {0};
	void *value = arena_alloc(&a, t->size), *another = arena_alloc(&a, t->size);

	random_value(r, t, &a, value);
	random_value(r, t, &a, another);
	codec_encode(t, value, &one);
	codec_encode(t, another, &other);
	assert_int_equal(codec_equal(t, value, another), !strcmp(sbuf_str(&one), sbuf_str(&other)));
}

static void check_type(const struct type *t, check_fn *check, struct random *r)
{
	if (t->kind == TYPE_VOID)
		return;
	for (unsigned i = 0; i < ROUNDS; i++)
		check(t, r);
}

static void check_interface(const struct interface *in, check_fn *check, struct random *r)
{
	for (uint32_t i = 0; i < in->n_types; i++)
		check_type(in->types[i], check, r);
	for (uint32_t i = 0; i < in->n_methods; i++) {
		check_type(in->methods[i].in, check, r);
		check_type(in->methods[i].out, check, r);
	}
	for (uint32_t i = 0; i < in->n_classes; i++)
		check_type(in->classes[i]->record, check, r);
}

static void check_all(check_fn *check, bool is_plain)
{
	const char *seed = getenv("SEED");
	struct random r = {
		.state = seed ? strtoull(seed, NULL, 10) : 1,
		.is_plain = is_plain,
	};

	for (size_t i = 0; i < ARRAY_LEN(interfaces); i++)
		check_interface(interfaces[i], check, &r);
}

static void comes_through_json(void **state)
{
	check_all(through_json, false);
}

static void comes_through_xmlrpc(void **state)
{
	check_all(through_xmlrpc, true);
}

static void comes_through_a_copy(void **state)
{
	check_all(through_a_copy, false);
}

static void can_be_told_apart(void **state)
{
	check_all(is_told_from_another, false);
}

TEST_MAIN(TEST(comes_through_json), TEST(comes_through_xmlrpc), TEST(comes_through_a_copy),
	TEST(can_be_told_apart))
