/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/json.c and common/json_write.c: what RFC 8259 calls JSON is taken and nothing else, what
 * is written is JSON whatever the bytes, and jansson (the oracle) never disagrees, on texts made at
 * random and on damaged ones.
 */
#include "common/json.h"

#include "tests/unit/json_oracle.h"
#include "tests/unit/points.h"
#include "tests/unit/test.h"

#include <math.h>
#include <string.h>

/* ---- fixed texts ---- */

static bool is_json(const char *text, size_t len)
{
	auto_arena a = {0};
	struct json_reader r;

	/* A copy of just its size, so that a sanitizer sees a look behind the end. */
	char *copy = memcpy(malloc(len ? len : 1), text, len);
	json_reader_init(&r, copy, len, &a);
	bool is_taken = json_skip(&r, NULL) && json_at_end(&r);
	assert_int_equal(is_taken, r.problem == NULL);
	free(copy);
	return is_taken;
}

/* A literal with its length, as some hold a NUL. */
struct text {
	const char *s;
	size_t len;
};
#define T(s) \
	{ \
		s, sizeof(s) - 1 \
	}

static const struct text good[] = {T("0"), T("-0"), T("1"), T("-1"), T("10"), T("0.0"), T("-0.0"),
	T("1.5"), T("1e0"), T("1E+2"), T("1e-2"), T("0e1"), T("1.25e10"), T("9223372036854775807"),
	T("-9223372036854775808"), T("9223372036854775808"), T("123456789012345678901234567890"),
	T("1e-400"), T("4.9e-324"), T("1.7976931348623157e308"), T("true"), T("false"), T("null"),
	T(" \t\r\n1 \t\r\n"), T("\"\""), T("\"a\""), T("\"0123456789abcdef\""),
	T("\"0123456789abcdef0123456789abcdef\""), T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
	T("\"\\u0041\\u00e9\\u20ac\""), T("\"\\uD834\\uDD1E\""), T("\"\\ud834\\udd1e\""),
	T("\"\\uFFFF\\uFFFE\""), T("\"\x7f\""), T("\"\xC2\x80\""), T("\"\xDF\xBF\""),
	T("\"\xE0\xA0\x80\""), T("\"\xED\x9F\xBF\""), T("\"\xEE\x80\x80\""), T("\"\xEF\xBF\xBF\""),
	T("\"\xF0\x90\x80\x80\""), T("\"\xF4\x8F\xBF\xBF\""), T("[]"), T("[ ]"), T("[1]"),
	T("[1,2]"), T("[1 , 2]"), T("[[],[[]],{}]"), T("{}"), T("{ }"), T("{\"\":0}"),
	T("{\"a\":1}"), T("{\"a\":1,\"b\":[{}]}"), T("{\"a\" : 1 , \"b\" : 2}"),
	T("{\"a\":1,\"A\":1}"), T("{\"a\":{\"a\":{\"a\":1}}}"), T("[{\"a\":1},{\"a\":1}]"),
	T("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]"),
	T("[\"\\\"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{\"]")};

static const struct text bad[] = {T(""), T(" "), T("tru"), T("nul"), T("nully"), T("True"),
	T("NaN"), T("Infinity"), T("-Infinity"), T("-"), T("+1"), T("01"), T("-01"), T("00"),
	T("1."), T(".5"), T("-.5"), T("1.e1"), T("1e"), T("1e+"), T("1e-"), T("1ee1"), T("1.5.5"),
	T("0x10"), T("1 2"), T("1,"), T(",1"), T("1a"), T("1e400"), T("-1e400"),
	T("\xEF\xBB\xBF"
	  "1"),
	T("\""), T("\"a"), T("\"\\\""), T("\"\\a\""), T("\"\\'\""), T("\"\\x41\""), T("\"\\u\""),
	T("\"\\u004\""), T("\"\\u004g\""), T("\"\\U0041\""), T("\"\\u0000\""), T("\"a\0b\""),
	T("\"\t\""), T("\"\n\""), T("\"\x1f\""), T("\"\\ud834\""), T("\"\\ud834a\""),
	T("\"\\ud834\\n\""), T("\"\\ud834\\u0041\""), T("\"\\ud834\\ud834\""), T("\"\\udd1e\""),
	T("\"\\udd1e\\ud834\""), T("\"\x80\""), T("\"\xC0\x80\""), T("\"\xC1\xBF\""), T("\"\xC2\""),
	T("\"\xC2\x41\""), T("\"\xE0\x9F\xBF\""), T("\"\xE0\xA0\""), T("\"\xED\xA0\x80\""),
	T("\"\xF0\x8F\xBF\xBF\""), T("\"\xF0\x90\x80\""), T("\"\xF4\x90\x80\x80\""),
	T("\"\xF5\x80\x80\x80\""), T("\"\xFE\""), T("\"\xFF\""), T("'a'"), T("["), T("]"), T("[1"),
	T("[1,"), T("[,"), T("[,1]"), T("[1,]"), T("[1,,2]"), T("[1 2]"), T("[1}"), T("[1]]"),
	T("[1];"), T("[\"a\""), T("{"), T("}"), T("{]"), T("{\"a\""), T("{\"a\":"), T("{\"a\":1"),
	T("{\"a\":1,"), T("{\"a\":1,}"), T("{\"a\" 1}"), T("{\"a\"::1}"), T("{:1}"), T("{a:1}"),
	T("{1:1}"), T("{'a':1}"), T("{\"a\":}"), T("{\"a\":1 \"b\":2}"), T("{\"a\":1}}"), T("{,}"),
	T("{\"a\":1,,\"b\":1}"), T("{\"a\",1}"), T("{\"a\":1,\"a\":2}"),
	T("{\"a\":1,\"\\u0061\":2}"), T("[{\"\":1,\"b\":[],\"\":3}]"), T("{\"a\\u0000\":1}"),
	T("// c\n1"), T("/* c */1"), T("1 # c"), T("\v1"),
	T("\xC2\xA0"
	  "1"),
	T("1\0"), T("\0"), T("[1\0]"), T("\x01")};

static void takes_what_is_json(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (!is_json(good[i].s, good[i].len))
			fail_msg("refused: %s", good[i].s);
		assert_true(json_oracle_check(good[i].s, good[i].len));
	}
}

static void refuses_what_is_not(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (is_json(bad[i].s, bad[i].len))
			fail_msg("taken: %s", bad[i].s);
		assert_false(json_oracle_check(bad[i].s, bad[i].len));
	}
}

/* Every good text but a number is not JSON any more when its end is missing. */
static void refuses_what_is_cut_off(void **state)
{
	static const char text[] =
		"{\"a\":[1,2.5e3,true,null,\"x\\ud834\\udd1e\xC3\xA9\\n\"],\"b\":{\"c\":{}}}";

	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_false(is_json(text, len));
	assert_true(is_json(text, sizeof(text) - 1));
}

static void nested(struct sbuf *b, const char *open, const char *close, int depth)
{
	sbuf_clear(b);
	for (int i = 0; i < depth; i++)
		sbuf_adds(b, open);
	sbuf_adds(b, "0");
	for (int i = 0; i < depth; i++)
		sbuf_adds(b, close);
}

static void depth_is_64(void **state)
{
	auto_sbuf b = {0};
	auto_arena a = {0};
	struct json_reader r;

	for (int i = 0; i < 2; i++) {
		const char *open = i ? "{\"[\":" : "[", *close = i ? "}" : "]";

		nested(&b, open, close, 64);
		assert_true(is_json(sbuf_data(&b), sbuf_len(&b)));
		assert_true(json_oracle_check(sbuf_data(&b), sbuf_len(&b)));
		nested(&b, open, close, 65);
		assert_false(is_json(sbuf_data(&b), sbuf_len(&b)));
		assert_false(json_oracle_check(sbuf_data(&b), sbuf_len(&b)));
	}
	/* It is refused before anything of it is read. */
	json_reader_init(&r, sbuf_data(&b), sbuf_len(&b), &a);
	assert_string_equal(r.problem, "nested more than 64 deep");
	assert_int_equal(json_peek(&r), JSON_KIND_END);
	assert_false(json_enter_array(&r));
	/* Broad is not deep. */
	sbuf_clear(&b);
	sbuf_adds(&b, "[[]");
	for (int i = 0; i < 1000; i++)
		sbuf_adds(&b, ",[{}]");
	sbuf_adds(&b, "]");
	assert_true(is_json(sbuf_data(&b), sbuf_len(&b)));
}

static size_t depth_of(const char *text)
{
	return json_depth(text, strlen(text), 0);
}

static void tells_depth(void **state)
{
	auto_sbuf b = {0};

	assert_int_equal(depth_of(""), 0);
	assert_int_equal(depth_of("\"[[[[\\\"{{\""), 0);
	assert_int_equal(depth_of("[[],{\"[{\":[0]},[[]]]"), 3);
	/* Every length of tail, and a count that no byte could hold. */
	for (int n = 1; n < 9000; n = n < 100 ? n + 1 : n * 2) {
		nested(&b, "[", "]", n);
		assert_int_equal(json_depth(sbuf_data(&b), sbuf_len(&b), 0), n);
		assert_true(json_depth(sbuf_data(&b), sbuf_len(&b), SIZE_MAX) >= (size_t)n);
	}
}

/* A newline at every place of texts of every length, and brackets around it. */
static void finds_line_ends(void **state)
{
	char text[200];

	for (size_t len = 0; len < sizeof(text); len++) {
		for (size_t at = 0; at <= len; at++) {
			size_t n_open = 0, n = 0;

			memset(text, 'x', len);
			for (size_t i = at % 7; i < len; i += 7)
				text[i] = i % 2 ? '[' : '{';
			if (at < len)
				text[at] = '\n';
			for (size_t i = 0; i < at; i++)
				n += text[i] != 'x';
			assert_ptr_equal(json_line_end(text, text + len, &n_open), text + at);
			assert_true(n_open >= n);
			if (at < len)
				text[at] = 'x';
		}
	}
	/* More than it counts to in one place is still far too many. */
	auto_sbuf b = {0};
	size_t n_open = 0;
	nested(&b, "[", "]", 100000);
	json_line_end(sbuf_data(&b), sbuf_data(&b) + sbuf_len(&b), &n_open);
	assert_true(n_open > JSON_MAX_DEPTH);
}

/* What is written counts its own depth, that of ready text included, and broad is not deep. */
static void writer_tells_depth(void **state)
{
	auto_sbuf b = {0}, broad = {0};
	struct json_writer w;

	json_writer_init(&w, &b);
	json_write_array(&w);
	json_write_raw(&w, "[[[]],[]]", 9);
	json_write_object(&w);
	json_write_object_end(&w);
	assert_true(w.deepest >= 4 && w.deepest <= JSON_MAX_DEPTH);
	for (int i = 0; i < 100; i++)
		sbuf_adds(&broad, i ? ",[]" : "[[]");
	sbuf_adds(&broad, "]");
	json_write_raw(&w, sbuf_data(&broad), sbuf_len(&broad));
	assert_true(w.deepest <= JSON_MAX_DEPTH);
	nested(&broad, "[", "]", JSON_MAX_DEPTH);
	json_write_raw(&w, sbuf_data(&broad), sbuf_len(&broad));
	assert_int_equal(w.deepest, JSON_MAX_DEPTH + 1);
	json_write_array_end(&w);
}

/* However many values a ready text has side by side, what is around it can be sent. */
static void broad_text_is_not_deep(void **state)
{
	auto_sbuf broad = {0}, b = {0};

	sbuf_adds(&broad, "[");
	for (int i = 0; i < 2 * JSON_MAX_DEPTH; i++) {
		struct json_writer w;

		sbuf_truncate(&broad, sbuf_len(&broad) - (i ? 1 : 0));
		sbuf_adds(&broad, i ? ",{}]" : "{}]");
		json_writer_init(&w, &b);
		json_write_object(&w);
		json_write_name(&w, "v");
		json_write_raw(&w, sbuf_data(&broad), sbuf_len(&broad));
		json_write_object_end(&w);
		assert_true(w.deepest < JSON_MAX_DEPTH);
	}
}

static void many_members(struct sbuf *b, int n, const char *last)
{
	sbuf_clear(b);
	sbuf_adds(b, "{");
	for (int i = 0; i < n; i++)
		sbuf_printf(b, "\"k%d\":{\"k%d\":0},", i, i);
	sbuf_printf(b, "\"%s\":0}", last);
}

static void repeated_members_of_large_objects(void **state)
{
	auto_sbuf b = {0};

	for (int n = 10; n < 40; n++) {
		many_members(&b, n, "other");
		assert_true(is_json(sbuf_data(&b), sbuf_len(&b)));
		for (int i = 0; i < n; i++) {
			char last[16];

			snprintf(last, sizeof(last), "k%d", i);
			many_members(&b, n, last);
			assert_false(is_json(sbuf_data(&b), sbuf_len(&b)));
		}
	}
}

/* ---- the reader's calls ---- */

static void peeks(void **state)
{
	static const struct {
		const char *text;
		enum json_kind kind;
	} cases[] = {{"", JSON_KIND_END}, {" ", JSON_KIND_END}, {"{", JSON_KIND_OBJECT},
		{" [", JSON_KIND_ARRAY}, {"\"", JSON_KIND_STRING}, {"-5", JSON_KIND_INTEGER},
		{"9223372036854775808", JSON_KIND_REAL}, {"1e1", JSON_KIND_REAL},
		{"-", JSON_KIND_BAD}, {"true", JSON_KIND_TRUE}, {"false", JSON_KIND_FALSE},
		{"null", JSON_KIND_NULL}, {"nul", JSON_KIND_BAD}, {"?", JSON_KIND_BAD}};
	auto_arena a = {0};
	struct json_reader r;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_reader_init(&r, cases[i].text, strlen(cases[i].text), &a);
		assert_int_equal(json_peek(&r), cases[i].kind);
		assert_null(r.problem);
	}
}

/* What is of another kind is left for who wants it. */
static void another_kind_is_no_problem(void **state)
{
	auto_arena a = {0};
	struct json_reader r;
	const char *s;
	int64_t i;
	double d;
	bool b;

	json_reader_init(&r, " 1.5", 4, &a);
	assert_false(json_read_int(&r, &i));
	assert_false(json_read_bool(&r, &b));
	assert_false(json_read_null(&r));
	assert_false(json_read_string(&r, &s, NULL));
	assert_false(json_enter_object(&r));
	assert_false(json_enter_array(&r));
	assert_null(r.problem);
	assert_true(json_read_float(&r, &d));
	assert_true(d == 1.5);
	assert_true(json_at_end(&r));
	assert_false(json_read_null(&r));
	assert_string_equal(r.problem, "a value is missing");
}

static void a_problem_ends_it(void **state)
{
	auto_arena a = {0};
	struct json_reader r;
	const char *name;
	size_t len;
	int64_t i;
	bool first = true;

	json_reader_init(&r, "{\"a\" 1}", 7, &a);
	assert_true(json_enter_object(&r));
	assert_false(json_next_member(&r, &first, &name, &len));
	assert_string_equal(r.problem, "a colon is missing");
	assert_int_equal(r.at - r.start, 5);
	assert_false(json_read_int(&r, &i));
	assert_false(json_next_member(&r, &first, &name, &len));
	assert_false(json_at_end(&r));
	assert_string_equal(r.problem, "a colon is missing");
}

static void skip_tells_where(void **state)
{
	static const char text[] = "{\"a\": [1, {}] ,\"b\":2}";
	auto_arena a = {0};
	struct json_reader r;
	struct json_text t;
	const char *name;
	size_t len;
	bool first = true;

	json_reader_init(&r, text, sizeof(text) - 1, &a);
	assert_true(json_enter_object(&r));
	assert_true(json_next_member(&r, &first, &name, &len));
	assert_int_equal(len, 1);
	assert_ptr_equal(name, text + 2);
	assert_true(json_skip(&r, &t));
	assert_ptr_equal(t.text, text + 6);
	assert_int_equal(t.len, 7);
	struct json_text one_line = json_compact(t, &a);
	assert_string_equal(one_line.text, "[1,{}]");
	assert_int_equal(one_line.len, 6);
}

/* ---- the writer ---- */

static void check_string_written(const char *s, size_t len, const char *expected)
{
	auto_sbuf b = {0};
	struct json_writer w;

	json_writer_init(&w, &b);
	json_write_string_n(&w, s, len);
	assert_string_equal(sbuf_str(&b), expected);
	assert_true(json_oracle_check(sbuf_data(&b), sbuf_len(&b)) || memchr(s, 0, len));
}

static void writes_strings(void **state)
{
	check_string_written("", 0, "\"\"");
	check_string_written("\"\\/\b\f\n\r\t\x01\x1f\x7f", 11,
		"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
	check_string_written("a\0b", 3, "\"a\\u0000b\"");
	check_string_written("é€𝄞", 9, "\"é€𝄞\"");
	check_string_written("a\x80\xC3(\xED\xA0\x80", 7, "\"a\uFFFD\uFFFD(\uFFFD\uFFFD\uFFFD\"");
	check_string_written("\xE2\x82", 2, "\"\uFFFD\uFFFD\"");
	/* The odd byte at each place of a run that is read in blocks. */
	for (size_t i = 0; i < 40; i++) {
		char s[40], expected[64];

		memset(s, 'x', sizeof(s));
		s[i] = '\n';
		snprintf(expected, sizeof(expected), "\"%.*s\\n%.*s\"", (int)i, s,
			(int)(sizeof(s) - i - 1), s + i + 1);
		check_string_written(s, sizeof(s), expected);
	}
}

static void puts_commas(void **state)
{
	auto_sbuf b = {0};
	struct json_writer w;

	json_writer_init(&w, &b);
	json_write_object(&w);
	json_write_name(&w, "a");
	json_write_array(&w);
	json_write_array(&w);
	json_write_array_end(&w);
	json_write_object(&w);
	json_write_object_end(&w);
	json_write_int(&w, INT64_MIN);
	json_write_raw(&w, "[1]", 3);
	json_write_float(&w, NAN);
	json_write_array_end(&w);
	json_member_bool(&w, "b", false);
	json_member_int(&w, "c", 7);
	json_member_string(&w, "d\n", "e");
	json_write_name(&w, "f");
	json_write_null(&w);
	json_write_object_end(&w);
	assert_int_equal(w.depth, 0);
	assert_string_equal(sbuf_str(&b),
		"{\"a\":[[],{},-9223372036854775808,[1],null],\"b\":false,\"c\":7,"
		"\"d\\n\":\"e\",\"f\":null}");
}

/* ---- texts made at random ---- */

static uint64_t random_state;

static uint64_t random_number(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static void add_one_of(struct sbuf *b, const char *const *words, size_t n)
{
	sbuf_adds(b, words[random_number(n)]);
}

#define ADD_ONE_OF(b, ...) \
	do { \
		static const char *const words_[] = {__VA_ARGS__}; \
		add_one_of(b, words_, ARRAY_LEN(words_)); \
	} while (0)

static void add_string(struct sbuf *b)
{
	sbuf_addc(b, '"');
	for (uint64_t n = random_number(8) * random_number(8); n; n--)
		if (random_number(3))
			sbuf_addc(b, (char)('a' + random_number(26)));
		else
			ADD_ONE_OF(b, "\\n", "\\\"", "\\u00e9", "é", "€", "𝄞", "\\ud834\\udd1e",
				"\\\\", " ", "\\/", "{", "[", "\x7f", "\\ufffe");
	sbuf_addc(b, '"');
}

static void add_number(struct sbuf *b)
{
	ADD_ONE_OF(b, "", "-");
	sbuf_printf(b, "%llu", (unsigned long long)random_number(UINT64_MAX) >> random_number(64));
	if (!random_number(3))
		sbuf_printf(b, ".%llu", (unsigned long long)random_number(10000));
	if (!random_number(4))
		sbuf_printf(b, "e%d", (int)random_number(600) - 300);
}

static void add_value(struct sbuf *b, int depth)
{
	ADD_ONE_OF(b, "", "", "", " ", "\n\t");
	switch (random_number(depth ? 7 : 4)) {
	case 0:
		ADD_ONE_OF(b, "true", "false", "null", "0", "-0", "[]", "{}");
		break;
	case 1:
		add_number(b);
		break;
	case 2:
	case 3:
		add_string(b);
		break;
	case 4:
	case 5:
		sbuf_addc(b, '{');
		for (uint64_t n = random_number(6); n; n--) {
			add_string(b);
			sbuf_addc(b, ':');
			add_value(b, depth - 1);
			sbuf_adds(b, n > 1 ? "," : "");
		}
		sbuf_addc(b, '}');
		break;
	default:
		sbuf_addc(b, '[');
		for (uint64_t n = random_number(6); n; n--) {
			add_value(b, depth - 1);
			sbuf_adds(b, n > 1 ? "," : "");
		}
		sbuf_addc(b, ']');
	}
	ADD_ONE_OF(b, "", "", "", " ", "\r\n");
}

/* One small damage. */
static void damage(char *s, size_t *len)
{
	static const char odd[] = "\"\\{}[],:0-+.eEu\n\x01\x80\xC3\xED\xF4\xFF";
	size_t at = random_number(*len);

	switch (random_number(4)) {
	case 0:
		s[at] = odd[random_number(sizeof(odd))];
		break;
	case 1:
		s[at] = (char)random_number(256);
		break;
	case 2:
		memmove(s + at, s + at + 1, *len - at - 1);
		(*len)--;
		break;
	default:
		s[at] = s[random_number(*len)];
	}
}

/* 200 texts a point, each also damaged a few times. */
static void agrees_with_jansson(void **state)
{
	struct points p = points_begin("random texts", 300);
	size_t taken = 0, refused = 0;

	for (size_t point; points_next(&p, &point);) {
		random_state = point * UINT64_C(0x9e3779b97f4a7c15) + 88172645463325252;
		for (int i = 0; i < 200; i++) {
			auto_sbuf b = {0};

			add_value(&b, 5);
			size_t len = sbuf_len(&b);
			/* A name may come twice by chance, so not all of these are taken. */
			taken += json_oracle_check(sbuf_data(&b), len);
			for (int n = 0; n < 4 && len; n++) {
				damage(sbuf_data(&b), &len);
				refused += !json_oracle_check(sbuf_data(&b), len);
			}
		}
	}
	assert_true(taken > 100);
	assert_true(refused > 100);
}

TEST_MAIN(TEST(takes_what_is_json), TEST(refuses_what_is_not), TEST(refuses_what_is_cut_off),
	TEST(depth_is_64), TEST(tells_depth), TEST(finds_line_ends), TEST(writer_tells_depth),
	TEST(broad_text_is_not_deep), TEST(repeated_members_of_large_objects), TEST(peeks),
	TEST(another_kind_is_no_problem), TEST(a_problem_ends_it), TEST(skip_tells_where),
	TEST(writes_strings), TEST(puts_commas), TEST(agrees_with_jansson))
