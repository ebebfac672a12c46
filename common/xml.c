/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XML in memory (xml.h). What xml_plain.c does not read, expat does: it calls back for each start,
 * end and run of characters; the tree grows in the arena meanwhile. One parser is kept for the next
 * text, as making one costs more than most texts do.
 */
#include "common/xml.h"

#include "common/mem.h"
#include "common/utf8.h"
#include "common/xml_plain.h"
#include "core.gen.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include <expat.h>

/* After a text larger than this a parser is not kept: its buffers have grown. */
#define KEEP_PARSER_BELOW (1 << 20)

/* An element that has begun and not ended. */
struct open_element {
	struct xml_node *node;
	struct xml_node **tail; /* where its next child goes */
	size_t text_start; /* of its text, in struct parse's text */
};

struct parse {
	XML_Parser parser;
	struct arena *arena;
	size_t memory_limit; /* for arena->used */
	unsigned max_depth, depth;
	bool counts_lines;
	struct xml_node *root;
	struct sbuf text; /* of all open elements, outermost first */
	struct err *e; /* why the parser was stopped */
	struct open_element open[XML_MAX_DEPTH];
};

/* E is kept for the end; nothing more is looked at. */
static void stop(struct parse *p, struct err *e)
{
	if (p->e)
		err_free(e);
	else
		p->e = e;
	XML_StopParser(p->parser, XML_FALSE);
}

static void copy_attrs(struct parse *p, struct xml_node *node, const char **attrs)
{
	size_t n = 0;

	while (attrs[2 * n])
		n++;
	struct xml_attr *copy = arena_calloc(p->arena, n, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = (struct xml_attr){arena_strdup(p->arena, attrs[2 * i]),
			arena_strdup(p->arena, attrs[2 * i + 1])};
	node->attrs = copy;
	node->n_attrs = n;
}

static void on_start(void *arg, const char *name, const char **attrs)
{
	struct parse *p = arg;

	if (p->e)
		return;
	if (p->depth == p->max_depth) {
		auto_str limit = xasprintf("%u", p->max_depth);
		stop(p, err(LIMIT_EXCEEDED, "nesting of XML", limit));
		return;
	}
	if (p->arena->used > p->memory_limit) {
		stop(p, err(LIMIT_EXCEEDED, "memory of an XML text", "256 MiB"));
		return;
	}
	struct xml_node *node = arena_new(p->arena, struct xml_node);
	node->name = arena_strdup(p->arena, name);
	node->text = "";
	if (p->counts_lines)
		node->line = XML_GetCurrentLineNumber(p->parser);
	if (attrs[0])
		copy_attrs(p, node, attrs);
	if (p->depth) {
		struct open_element *outer = &p->open[p->depth - 1];

		*outer->tail = node;
		outer->tail = &node->next;
	} else {
		p->root = node;
	}
	p->open[p->depth++] = (struct open_element){node, &node->first, sbuf_len(&p->text)};
}

static bool is_blank(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] != ' ' && s[i] != '\n' && s[i] != '\t' && s[i] != '\r')
			return false;
	return true;
}

static void on_end(void *arg, const char *name)
{
	struct parse *p = arg;

	if (p->e)
		return;
	struct open_element *open = &p->open[--p->depth];
	size_t len = sbuf_len(&p->text) - open->text_start;
	if (!len)
		return;
	const char *text = sbuf_data(&p->text) + open->text_start;
	/* Between children, blanks are layout. */
	if (!open->node->first || !is_blank(text, len)) {
		open->node->text = arena_strndup(p->arena, text, len);
		open->node->text_len = len;
	}
	sbuf_truncate(&p->text, open->text_start);
}

static void on_text(void *arg, const char *s, int len)
{
	struct parse *p = arg;

	if (!p->e)
		sbuf_add(&p->text, s, (size_t)len);
}

static void on_doctype(
	void *arg, const char *name, const char *system_id, const char *public_id, int has_subset)
{
	stop(arg, err(BAD_REQUEST, "XML with a DOCTYPE is not taken"));
}

static _Atomic(XML_Parser) spare;

static XML_Parser parser_take(void)
{
	XML_Parser parser = atomic_exchange(&spare, NULL);

	if (!parser || !XML_ParserReset(parser, NULL)) {
		if (parser)
			XML_ParserFree(parser);
		parser = XML_ParserCreate(NULL);
	}
	if (!parser)
		abort(); /* out of memory */
	return parser;
}

static void parser_give_back(XML_Parser parser, size_t len)
{
	if (len < KEEP_PARSER_BELOW)
		parser = atomic_exchange(&spare, parser);
	if (parser)
		XML_ParserFree(parser);
}

/* What expat has against the text. */
static struct err *syntax(XML_Parser parser)
{
	auto_str reason = xasprintf("not XML: %s (line %lu, column %lu)",
		XML_ErrorString(XML_GetErrorCode(parser)), XML_GetCurrentLineNumber(parser),
		XML_GetCurrentColumnNumber(parser) + 1);

	return err(BAD_REQUEST, reason);
}

static struct err *run(struct parse *p, const char *text, size_t len)
{
	XML_SetUserData(p->parser, p);
	XML_SetElementHandler(p->parser, on_start, on_end);
	XML_SetCharacterDataHandler(p->parser, on_text);
	XML_SetStartDoctypeDeclHandler(p->parser, on_doctype);
	enum XML_Status status = XML_Parse(p->parser, text, (int)len, XML_TRUE);
	if (p->e && p->counts_lines)
		return err_wrap(take(p->e), "line %lu", XML_GetCurrentLineNumber(p->parser));
	if (p->e)
		return take(p->e);
	return status == XML_STATUS_OK ? NULL : syntax(p->parser);
}

struct err *xml_read_any(const struct xml_source *s, const struct xml_node **root)
{
	struct parse p = {.parser = parser_take(),
		.arena = s->arena,
		.memory_limit = s->memory_limit,
		.max_depth = s->max_depth,
		.counts_lines = s->counts_lines};
	struct err *e = run(&p, s->text, s->len);

	parser_give_back(p.parser, s->len);
	sbuf_fini(&p.text);
	if (!e)
		*root = p.root;
	return e;
}

struct err *xml_parse(const char *text, size_t len, const struct xml_limits *limits,
	struct arena *a, const struct xml_node **root)
{
	const struct xml_source s = {.text = text,
		.len = len,
		.arena = a,
		.memory_limit = a->used + XML_MAX_MEMORY,
		.max_depth = limits->depth < XML_MAX_DEPTH ? limits->depth : XML_MAX_DEPTH,
		.counts_lines = limits->counts_lines};

	if (len > limits->size || len > INT_MAX) {
		auto_str limit = xasprintf("%zu bytes", limits->size);
		return err(LIMIT_EXCEEDED, "size of an XML text", limit);
	}
	return xml_read_plain(&s, root) ? NULL : xml_read_any(&s, root);
}

const struct xml_node *xml_child(const struct xml_node *node, const char *name)
{
	for (const struct xml_node *child = node->first; child; child = child->next)
		if (!name || !strcmp(child->name, name))
			return child;
	return NULL;
}

const char *xml_attr_value(const struct xml_node *node, const char *name)
{
	for (size_t i = 0; i < node->n_attrs; i++)
		if (!strcmp(node->attrs[i].name, name))
			return node->attrs[i].value;
	return NULL;
}

/* ---- writing ---- */

/* What stands for an ASCII character; NULL: itself. */
static const char *escape_of(char c, bool in_attr)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\r': /* a reader would make a line feed of it */
		return "&#13;";
	case '"':
		return in_attr ? "&quot;" : NULL;
	case '\n':
		return in_attr ? "&#10;" : NULL;
	case '\t':
		return in_attr ? "&#9;" : NULL;
	default:
		return (unsigned char)c < ' ' ? UTF8_REPLACEMENT : NULL;
	}
}

#define EACH_BYTE(c) (UINT64_MAX / 255 * (c))

/* Whether one of eight bytes is below a blank, above ASCII, or one of & < > ". A byte that has its
 * highest bit is found by it; as long as there is none, taking something from all bytes at once
 * sets such a bit only if one of them was less than that. */
static bool has_odd(const char *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	uint64_t angle = (v | EACH_BYTE('<' ^ '>')) ^ EACH_BYTE('>'); /* a zero: it is one */
	uint64_t other = (v | EACH_BYTE('"' ^ '&')) ^ EACH_BYTE('&');
	uint64_t found = v | (v - EACH_BYTE(' ')) | (angle - EACH_BYTE(1)) | (other - EACH_BYTE(1));

	return found & EACH_BYTE(128);
}

/* How many bytes before END stand for themselves, in text and attributes alike. */
static size_t plain_length(const char *s, const char *end)
{
	static const bool is_odd[256] = {[0 ... 31] = true,
		['&'] = true,
		['<'] = true,
		['>'] = true,
		['"'] = true,
		[128 ... 255] = true};
	const char *p = s;

	while (end - p >= 8 && !has_odd(p))
		p += 8;
	/* The last of a long text are looked at together with some before them. */
	if (end - s >= 8 && end - p < 8 && !has_odd(end - 8))
		return (size_t)(end - s);
	while (p != end && !is_odd[(unsigned char)*p])
		p++;
	return (size_t)(p - s);
}

static void add_escaped(struct sbuf *b, const char *s, size_t len, bool in_attr)
{
	const char *end = s + len, *from = s;

	for (s += plain_length(s, end); s < end; s += plain_length(s, end)) {
		uint32_t c;
		size_t n = 1;
		const char *escape = escape_of(*s, in_attr);

		if ((unsigned char)*s >= 0x80) {
			n = utf8_decode(s, (size_t)(end - s), &c);
			if (!n || c == 0xFFFE || c == 0xFFFF)
				escape = UTF8_REPLACEMENT;
			n = n ? n : 1;
		}
		if (escape) {
			sbuf_add(b, from, (size_t)(s - from));
			sbuf_adds(b, escape);
			from = s + n;
		}
		s += n;
	}
	sbuf_add(b, from, (size_t)(end - from));
}

void xml_add_string(struct sbuf *b, const char *s)
{
	add_escaped(b, s, strlen(s), false);
}

void xml_add_text(struct sbuf *b, const char *s, size_t len)
{
	add_escaped(b, s, len, false);
}

void xml_add_attr(struct sbuf *b, const char *s, size_t len)
{
	add_escaped(b, s, len, true);
}
