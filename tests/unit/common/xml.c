/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/xml.c: trees hold what the text says, limits and DOCTYPE are refused, and what is written
 * is read back.
 */
#include "common/xml.h"

#include "core.gen.h"
#include "tests/unit/test.h"

#include <string.h>

static const struct xml_limits limits = {.size = 1 << 20, .depth = 64};

static const struct xml_node *parse(const char *text, struct arena *a)
{
	const struct xml_node *root;

	CHECK_OK(xml_parse(text, strlen(text), &limits, a, &root));
	return root;
}

static void trees(void **state)
{
	auto_arena a = {0};
	const struct xml_node *root =
		parse("<?xml version=\"1.0\"?>\n<a x='1' y=\"&lt;&#10;\">\n\t<b>one&amp;<!-- no "
		      "-->two<![CDATA[<3>]]></b> <c/>\n<b>  </b></a>",
			&a);

	assert_string_equal(root->name, "a");
	assert_string_equal(root->text, "");
	assert_int_equal(root->n_attrs, 2);
	assert_string_equal(xml_attr_value(root, "y"), "<\n");
	assert_null(xml_attr_value(root, "z"));
	const struct xml_node *b = xml_child(root, "b"), *c = xml_child(root, "c");
	assert_string_equal(b->text, "one&two<3>");
	assert_int_equal(b->text_len, 10);
	assert_ptr_equal(root->first, b);
	assert_ptr_equal(b->next, c);
	assert_string_equal(c->text, "");
	assert_string_equal(c->next->text, "  ");
	assert_null(c->next->next);
	assert_ptr_equal(xml_child(root, NULL), b);
	assert_null(xml_child(root, "d"));
}

/* Text of an outer element goes on behind its children. */
static void mixed_text_is_joined(void **state)
{
	auto_arena a = {0};
	const struct xml_node *root = parse("<a>x<b>in<c/></b>y<b/>z</a>", &a);

	assert_string_equal(root->text, "xyz");
	assert_string_equal(root->first->text, "in");
}

static void other_encodings_become_utf8(void **state)
{
	auto_arena a = {0};

	assert_string_equal(
		parse("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9</a>", &a)->text, "é");
}

static void what_is_no_xml(void **state)
{
	static const char *const texts[] = {"", " ", "a", "<a>", "<a></b>", "<a/><b/>", "<a",
		"</a>", "<a>&x;</a>", "<a>&#0;</a>", "<a>\x01</a>", "<a>\xFF</a>", "<a x=1/>",
		"<a x='1' x='2'/>", "<a>]]></a>", "x<a/>",
		"<?xml version='1.0' encoding='EBCDIC'?><a/>", "<a>\xED\xA0\x80</a>"};
	auto_arena a = {0};
	const struct xml_node *root;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		CHECK_ERR(xml_parse(texts[i], strlen(texts[i]), &limits, &a, &root), BAD_REQUEST);
	/* After each of them the parser is as good as new. */
	assert_string_equal(parse("<a>b</a>", &a)->text, "b");
}

static void no_doctype(void **state)
{
	static const char *const texts[] = {"<!DOCTYPE a><a/>",
		"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
		"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>"};
	auto_arena a = {0};
	const struct xml_node *root;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_err e = xml_parse(texts[i], strlen(texts[i]), &limits, &a, &root);
		assert_true(err_is(e, &ERR_BAD_REQUEST));
		assert_string_equal(e->params[0], "XML with a DOCTYPE is not taken");
	}
}

static void limits_hold(void **state)
{
	const struct xml_limits small = {.size = 30, .depth = 3};
	auto_arena a = {0};
	const struct xml_node *root;

	CHECK_OK(xml_parse("<a><a><a>0123456</a></a></a>", 28, &small, &a, &root));
	CHECK_ERR(xml_parse("<a><a><a><a/></a></a></a>", 25, &small, &a, &root), LIMIT_EXCEEDED);
	CHECK_ERR(xml_parse("<a>0123456789012345678901234</a>", 32, &small, &a, &root),
		LIMIT_EXCEEDED);
}

static void memory_is_bounded(void **state)
{
	const struct xml_limits large = {.size = 64 << 20, .depth = 64};
	auto_arena a = {0};
	auto_sbuf b = {0};
	const struct xml_node *root;

	sbuf_adds(&b, "<a>");
	for (int i = 0; i < 5000000; i++)
		sbuf_adds(&b, "<b/>");
	sbuf_adds(&b, "</a>");
	CHECK_ERR(xml_parse(sbuf_data(&b), sbuf_len(&b), &large, &a, &root), LIMIT_EXCEEDED);
}

static void check_written(const char *s, size_t len, const char *text, const char *attr)
{
	auto_sbuf b = {0};

	xml_add_text(&b, s, len);
	assert_string_equal(sbuf_str(&b), text);
	sbuf_clear(&b);
	xml_add_attr(&b, s, len);
	assert_string_equal(sbuf_str(&b), attr);
}

static void writes_escapes(void **state)
{
	check_written("", 0, "", "");
	check_written("a<b>&\"'", 7, "a&lt;b&gt;&amp;\"'", "a&lt;b&gt;&amp;&quot;'");
	check_written("\t\n\r", 3, "\t\n&#13;", "&#9;&#10;&#13;");
	check_written("é\x01\xFF\xEF\xBF\xBF", 7, "é\uFFFD\uFFFD\uFFFD", "é\uFFFD\uFFFD\uFFFD");
	check_written("a\0b", 3, "a\uFFFDb", "a\uFFFDb");
}

/* Text is looked at eight bytes at a time: wherever one stands, it is found. */
static void each_byte_is_found_anywhere(void **state)
{
	for (unsigned c = 0; c < 256; c++)
		for (size_t len = 1; len <= 20; len++)
			for (size_t at = 0; at < len; at++) {
				char s[20], one = (char)c;
				auto_sbuf alone = {0}, whole = {0}, expected = {0};

				memset(s, 'x', sizeof(s));
				s[at] = one;
				xml_add_text(&alone, &one, 1);
				sbuf_add(&expected, "xxxxxxxxxxxxxxxxxxxx", at);
				sbuf_add(&expected, sbuf_data(&alone), sbuf_len(&alone));
				sbuf_add(&expected, "xxxxxxxxxxxxxxxxxxxx", len - at - 1);
				xml_add_text(&whole, s, len);
				assert_string_equal(sbuf_str(&whole), sbuf_str(&expected));
			}
}

static void what_is_written_comes_back(void **state)
{
	static const char s[] = " <&>\"'\t\n\r\r\n é€𝄞]]> ";
	auto_arena a = {0};
	auto_sbuf b = {0};

	sbuf_adds(&b, "<a x=\"");
	xml_add_attr(&b, s, sizeof(s) - 1);
	sbuf_adds(&b, "\">");
	xml_add_text(&b, s, sizeof(s) - 1);
	sbuf_adds(&b, "</a>");
	const struct xml_node *root = parse(sbuf_str(&b), &a);
	assert_string_equal(root->text, s);
	assert_string_equal(xml_attr_value(root, "x"), s);
}

TEST_MAIN(TEST(trees), TEST(mixed_text_is_joined), TEST(other_encodings_become_utf8),
	TEST(what_is_no_xml), TEST(no_doctype), TEST(limits_hold), TEST(memory_is_bounded),
	TEST(writes_escapes), TEST(each_byte_is_found_anywhere), TEST(what_is_written_comes_back))
