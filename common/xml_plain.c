/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plain XML in one pass (xml_plain.h): UTF-8, a declaration that says nothing else, elements
 * without attributes, text with the five entities that everybody knows. It gives up at the first
 * byte that it does not understand, and never guesses: a tree is only made of what expat would make
 * the same one of. Any thread.
 */
#include "common/xml_plain.h"

#include "common/utf8.h"

#include <string.h>

/* An element that has begun and not ended. */
struct open_element {
	struct xml_node *node;
	struct xml_node **tail; /* where its next child goes */
	size_t text_start; /* of its text, in struct scan's text */
};

struct scan {
	const struct xml_source *source;
	const char *at, *end;
	unsigned depth;
	struct xml_node *root;
	struct sbuf text; /* of all open elements, outermost first, that could not be taken as is */
	struct open_element open[XML_MAX_DEPTH];
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t';
}

static void skip_blanks(struct scan *s)
{
	while (s->at < s->end && is_blank(*s->at))
		s->at++;
}

static bool eat(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return false;
	s->at += len;
	return true;
}

/* ---- the declaration ---- */

/* One of these words, in quotes of either kind. */
static bool eat_quoted(struct scan *s, const char *word, const char *or_word)
{
	char quote = s->at < s->end ? *s->at++ : 0;

	if (quote != '"' && quote != '\'')
		return false;
	if (!eat(s, word) && !eat(s, or_word))
		return false;
	return s->at < s->end && *s->at++ == quote;
}

/* There need be none. */
static bool read_declaration(struct scan *s)
{
	if (!eat(s, "<?xml "))
		return true;
	if (!eat(s, "version=") || !eat_quoted(s, "1.0", "1.0"))
		return false;
	if (eat(s, " encoding=") && !eat_quoted(s, "UTF-8", "utf-8"))
		return false;
	return eat(s, "?>");
}

/* ---- tags ---- */

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

/* How long the name is that stands here; 0: none. */
static size_t name_len(const struct scan *s)
{
	const char *p = s->at;

	if (p == s->end || !is_name_start(*p))
		return 0;
	while (p < s->end && is_name(*p))
		p++;
	return (size_t)(p - s->at);
}

static struct xml_node *add_node(struct scan *s, const char *name, size_t len)
{
	struct xml_node *node = arena_new(s->source->arena, struct xml_node);

	node->name = arena_strndup(s->source->arena, name, len);
	node->text = "";
	if (s->depth) {
		struct open_element *outer = &s->open[s->depth - 1];

		*outer->tail = node;
		outer->tail = &node->next;
	} else {
		s->root = node;
	}
	return node;
}

/* Behind the '<'. */
static bool read_start(struct scan *s)
{
	const char *name = s->at;
	size_t len = name_len(s);

	if (!len || s->depth == s->source->max_depth ||
		s->source->arena->used > s->source->memory_limit)
		return false;
	s->at += len;
	skip_blanks(s);
	bool is_empty = eat(s, "/");
	if (!eat(s, ">"))
		return false;
	struct xml_node *node = add_node(s, name, len);
	if (!is_empty)
		s->open[s->depth++] = (struct open_element){node, &node->first, sbuf_len(&s->text)};
	return true;
}

static bool is_all_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_blank(text[i]))
			return false;
	return true;
}

static void set_text(struct scan *s, struct xml_node *node, const char *text, size_t len)
{
	node->text = arena_strndup(s->source->arena, text, len);
	node->text_len = len;
}

/* What was gathered of an element's text. Between children, blanks are layout. */
static void end_text(struct scan *s, const struct open_element *open)
{
	size_t len = sbuf_len(&s->text) - open->text_start;

	if (!len)
		return;
	const char *text = sbuf_data(&s->text) + open->text_start;
	if (!open->node->first || !is_all_blank(text, len))
		set_text(s, open->node, text, len);
	sbuf_truncate(&s->text, open->text_start);
}

/* Behind the '</'. */
static bool read_end(struct scan *s)
{
	if (!s->depth)
		return false;
	struct open_element *open = &s->open[s->depth - 1];
	size_t len = name_len(s);
	if (!len || strncmp(open->node->name, s->at, len) != 0 || open->node->name[len])
		return false;
	s->at += len;
	skip_blanks(s);
	if (!eat(s, ">"))
		return false;
	end_text(s, open);
	s->depth--;
	return true;
}

/* ---- text ---- */

/* Bytes of text that stand for themselves, whatever is around them. */
static bool is_itself(char c)
{
	return ((unsigned char)c >= ' ' && c != '&' && c != '>' && (unsigned char)c < 0x80) ||
		c == '\n' || c == '\t';
}

/* The bytes at FROM, up to TO, that are text as they stand; *OUT: the first that is not. */
static bool check_run(const char *from, const char *to, const char **out)
{
	const char *p = from;

	for (;;) {
		uint32_t c;

		while (p < to && is_itself(*p))
			p++;
		if (p == to || *p == '&')
			break;
		if (*p == '>' && (p - from < 2 || p[-1] != ']' || p[-2] != ']')) {
			p++;
			continue;
		}
		size_t n = (unsigned char)*p >= 0x80 ? utf8_decode(p, (size_t)(to - p), &c) : 0;
		if (!n || c == 0xfffe || c == 0xffff)
			return false;
		p += n;
	}
	*out = p;
	return true;
}

static bool read_entity(struct scan *s)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {
		{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (eat(s, known[i].name)) {
			sbuf_addc(&s->text, known[i].c);
			return true;
		}
	}
	return false;
}

/* All up to the next '<', of which there is one. */
static bool read_text(struct scan *s, const char *to)
{
	struct open_element *open = &s->open[s->depth - 1];
	const char *from = s->at;

	if (!check_run(from, to, &s->at))
		return false;
	/* Nearly always it is all that the element has. */
	if (s->at == to && to + 1 < s->end && to[1] == '/' && !open->node->first &&
		sbuf_len(&s->text) == open->text_start) {
		set_text(s, open->node, from, (size_t)(to - from));
		return true;
	}
	for (;;) {
		sbuf_add(&s->text, from, (size_t)(s->at - from));
		if (s->at == to)
			return true;
		if (!read_entity(s))
			return false;
		from = s->at;
		if (!check_run(from, to, &s->at))
			return false;
	}
}

/* ---- a text ---- */

static bool read_tag(struct scan *s)
{
	s->at++;
	return eat(s, "/") ? read_end(s) : read_start(s);
}

static bool read_elements(struct scan *s)
{
	do {
		const char *tag =
			s->at < s->end ? memchr(s->at, '<', (size_t)(s->end - s->at)) : NULL;

		if (!tag)
			return false;
		if (tag > s->at && (!s->depth || !read_text(s, tag)))
			return false;
		if (!read_tag(s))
			return false;
	} while (s->depth);
	return true;
}

bool xml_read_plain(const struct xml_source *source, const struct xml_node **root)
{
	struct scan s;

	s.source = source;
	s.at = source->text;
	s.end = source->text + source->len;
	s.depth = 0;
	s.root = NULL;
	s.text = (struct sbuf){0};
	bool is_plain = !source->counts_lines && read_declaration(&s);
	if (is_plain) {
		skip_blanks(&s);
		is_plain = read_elements(&s);
		skip_blanks(&s);
	}
	sbuf_fini(&s.text);
	if (!is_plain || s.at < s.end)
		return false;
	*root = s.root;
	return true;
}
