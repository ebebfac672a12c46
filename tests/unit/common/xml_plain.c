/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * common/xml_plain.c: it reads what clients send, and makes the same tree of it as expat. What it
 * leaves to expat is for expat to say.
 */
#include "common/xml_plain.h"

#include "tests/unit/test.h"

#include <string.h>

static struct xml_source source_of(const char *text, size_t len, struct arena *a)
{
	return (struct xml_source){.text = text,
		.len = len,
		.arena = a,
		.memory_limit = a->used + XML_MAX_MEMORY,
		.max_depth = 16};
}

static bool is_read(const char *text)
{
	auto_arena a = {0};
	const struct xml_node *root;
	const struct xml_source s = source_of(text, strlen(text), &a);

	return xml_read_plain(&s, &root);
}

static void what_clients_send_is_plain(void **state)
{
	static const char *const texts[] = {
		"<?xml version='1.0'?>\n<methodCall>\n<methodName>VM.start</methodName>\n<params>\n"
		"<param>\n<value><string>OpaqueRef:1</string></value>\n</param>\n"
		"<param>\n<value><boolean>0</boolean></value>\n</param>\n</params>\n</methodCall>\n",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a><b/>text<c>1</c></a>",
		"<?xml version=\"1.0\" encoding='utf-8'?><a>&lt;&amp;&gt; é€𝄞 \"'</a>",
		"<a />",
		"<a></a >",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_true(is_read(texts[i]));
}

static void the_rest_is_left_alone(void **state)
{
	static const char *const texts[] = {"", " ", "a", "<a>", "<a></b>", "<a></ab>", "<ab></a>",
		"<a/><b/>", "<a/>x", "<a", "<", "</a>", "<a>&x;</a>", "<a>&#65;</a>", "<a>&lt</a>",
		"<a>\r\n</a>", "<a x='1'/>", "<a><!-- --></a>", "<a><![CDATA[]]></a>", "<a>]]></a>",
		"<!DOCTYPE a><a/>", "<?pi?><a/>", " <?xml version='1.0'?><a/>",
		"<?xml version='1.1'?><a/>", "<?xml version='1.0\"?><a/>",
		"<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "<?xml encoding='UTF-8'?><a/>",
		"<x:a/>", "<1/>", "< a/>", "<a/ >", "<a>\xEF\xBF\xBF</a>", "<a>\xC0\x80</a>",
		"\xEF\xBB\xBF<a/>"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (is_read(texts[i]))
			fail_msg("plain: %s", texts[i]);
}

/* ---- both readers ---- */

static void check_same(const struct xml_node *a, const struct xml_node *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->text_len, b->text_len);
	assert_memory_equal(a->text, b->text, a->text_len + 1);
	assert_int_equal(a->n_attrs, b->n_attrs);
	assert_int_equal(!a->first, !b->first);
	assert_int_equal(!a->next, !b->next);
	if (a->first)
		check_same(a->first, b->first);
	if (a->next)
		check_same(a->next, b->next);
}

/* Whether it was plain; then both read it alike. */
static bool check(const char *text, size_t len)
{
	auto_arena a = {0};
	const struct xml_node *plain, *any;
	const struct xml_source s = source_of(text, len, &a);

	if (!xml_read_plain(&s, &plain))
		return false;
	auto_err e = xml_read_any(&s, &any);
	if (e)
		fail_msg("%s: %s", err_text(e), text);
	check_same(plain, any);
	return true;
}

static unsigned dice;

static unsigned roll(unsigned sides)
{
	dice = dice * 1103515245 + 12345;
	return (dice >> 16) % sides;
}

static void add_random_text(struct sbuf *b)
{
	static const char *const pieces[] = {"x", "long text here", " ", "\n\t", "&lt;", "&amp;",
		"&gt;", "&quot;", "&apos;", "é", "€", "𝄞", ">", "]", "]]", "'", "\"", "\x7f", "=",
		"/"};

	for (unsigned n = roll(4); n; n--)
		sbuf_adds(b, pieces[roll(ARRAY_LEN(pieces))]);
}

static void add_random_element(struct sbuf *b, unsigned depth)
{
	static const char *const names[] = {"value", "a", "x-1", "i4", "_n.m"};
	const char *name = names[roll(ARRAY_LEN(names))];

	if (!roll(8)) {
		sbuf_printf(b, roll(2) ? "<%s/>" : "<%s\n/>", name);
		return;
	}
	sbuf_printf(b, "<%s>", name);
	for (unsigned n = depth < 14 ? roll(4) : 0; n; n--) {
		add_random_text(b);
		add_random_element(b, depth + 1);
	}
	add_random_text(b);
	sbuf_printf(b, roll(8) ? "</%s>" : "</%s >", name);
}

/* Something that may make it anything else. */
static void spoil(struct sbuf *b)
{
	static const char bytes[] = "<>&;/!?[] \r\n\x01x\x80\xC3=\"'";
	size_t at = roll((unsigned)sbuf_len(b));

	sbuf_data(b)[at] = bytes[roll(sizeof(bytes))];
}

static void both_readers_agree(void **state)
{
	unsigned n_plain = 0, n_spoilt = 0;

	dice = 1;
	for (unsigned i = 0; i < 4000; i++) {
		auto_sbuf b = {0};

		if (roll(2))
			sbuf_adds(&b, roll(2) ? "<?xml version='1.0'?>" : "\n");
		add_random_element(&b, 1);
		n_plain += check(sbuf_str(&b), sbuf_len(&b));
		for (unsigned n = roll(4); n; n--) {
			spoil(&b);
			n_spoilt += check(sbuf_str(&b), sbuf_len(&b));
		}
	}
	assert_true(n_plain > 2000);
	assert_true(n_spoilt > 100);
}

TEST_MAIN(TEST(what_clients_send_is_plain), TEST(the_rest_is_left_alone), TEST(both_readers_agree))
