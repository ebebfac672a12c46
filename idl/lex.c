/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From bytes to tokens: words, numbers and strings as in JSON, single punctuation marks, and
 * comments, which go with the token that they stand before.
 */
#include "idl/lex.h"

#include "common/sbuf.h"

#include <string.h>

static int peek(const struct lexer *l, size_t ahead)
{
	size_t i = l->at + ahead;

	return i < l->source->len ? (unsigned char)l->source->text[i] : -1;
}

static struct loc here(const struct lexer *l)
{
	return (struct loc){l->source, l->at};
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_word_start(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word_part(int c)
{
	return is_word_start(c) || is_digit(c);
}

/* ---- comments ---- */

struct comments {
	struct sbuf doc; /* the ## lines */
	struct sbuf all; /* # lines too */
	struct loc doc_at;
};

static void add_line(struct sbuf *b, const char *line, size_t len)
{
	if (sbuf_len(b))
		sbuf_addc(b, '\n');
	sbuf_add(b, line, len);
}

/* Whether something else than white space stands before the comment on its line. */
static bool trails(const struct lexer *l)
{
	for (size_t i = l->at; i > l->last_end; i--)
		if (l->source->text[i - 1] == '\n')
			return false;
	return l->last_end > 0;
}

static void read_comment(struct lexer *l, struct comments *c)
{
	static const char license[] = "SPDX-License-Identifier:";
	struct loc at = here(l);
	bool is_doc = peek(l, 1) == '#', is_trailing = trails(l);

	l->at += is_doc ? 2 : 1;
	if (peek(l, 0) == ' ')
		l->at++;
	const char *line = l->source->text + l->at;
	while (peek(l, 0) != '\n' && peek(l, 0) != -1)
		l->at++;
	size_t len = (size_t)(l->source->text + l->at - line);
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	if (is_doc && is_trailing)
		error_at(l->idl, at,
			"a doc comment stands on a line of its own, before what it documents");
	if (is_doc && !sbuf_len(&c->doc))
		c->doc_at = at;
	if (is_doc)
		add_line(&c->doc, line, len);
	if (len < strlen(license) || memcmp(line, license, strlen(license)) != 0)
		add_line(&c->all, line, len);
}

static void skip_space(struct lexer *l, struct comments *c)
{
	for (;; l->at++) {
		while (peek(l, 0) == '#')
			read_comment(l, c);
		int next = peek(l, 0);
		if (next != ' ' && next != '\t' && next != '\n')
			return;
	}
}

/* ---- numbers and strings ---- */

static size_t digits(struct lexer *l)
{
	size_t n = 0;

	for (; is_digit(peek(l, 0)); n++)
		l->at++;
	return n;
}

/* JSON's grammar: -? int frac? exp? */
static bool read_number(struct lexer *l)
{
	l->at += peek(l, 0) == '-';
	bool starts_with_zero = peek(l, 0) == '0';
	size_t n = digits(l);

	if (!n || (starts_with_zero && n > 1))
		return false;
	if (peek(l, 0) == '.') {
		l->at++;
		if (!digits(l))
			return false;
	}
	if (peek(l, 0) == 'e' || peek(l, 0) == 'E') {
		l->at++;
		l->at += peek(l, 0) == '+' || peek(l, 0) == '-';
		if (!digits(l))
			return false;
	}
	return !is_word_part(peek(l, 0));
}

static int hex_digit(int c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \uXXXX: no NUL, and no halves of pairs, which nobody needs here. */
static bool read_unicode_escape(struct lexer *l, struct sbuf *b)
{
	unsigned code = 0;

	for (size_t i = 0; i < 4; i++) {
		int digit = hex_digit(peek(l, i));

		if (digit < 0)
			return false;
		code = code * 16 + (unsigned)digit;
	}
	l->at += 4;
	if (!code || (code >= 0xd800 && code <= 0xdfff))
		return false;
	if (code < 0x80) {
		sbuf_addc(b, (char)code);
	} else if (code < 0x800) {
		sbuf_addc(b, (char)(0xc0 | code >> 6));
		sbuf_addc(b, (char)(0x80 | (code & 0x3f)));
	} else {
		sbuf_addc(b, (char)(0xe0 | code >> 12));
		sbuf_addc(b, (char)(0x80 | (code >> 6 & 0x3f)));
		sbuf_addc(b, (char)(0x80 | (code & 0x3f)));
	}
	return true;
}

static bool read_escape(struct lexer *l, struct sbuf *b)
{
	static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	int c = peek(l, 0);

	if (c == -1)
		return false;
	l->at++;
	if (c == 'u')
		return read_unicode_escape(l, b);
	const char *found = strchr(escapes, c);
	if (!found || !c)
		return false;
	sbuf_addc(b, meanings[found - escapes]);
	return true;
}

static bool read_string(struct lexer *l, struct sbuf *b)
{
	for (l->at++; peek(l, 0) != '"';) {
		int c = peek(l, 0);

		if (c == -1 || c == '\n') {
			error_at(l->idl, here(l), "the string is not closed on its line");
			return false;
		}
		l->at++;
		if (c != '\\') {
			sbuf_addc(b, (char)c);
			continue;
		}
		struct loc at = {l->source, l->at - 1};
		if (!read_escape(l, b)) {
			error_at(l->idl, at, "strings know the escapes of JSON only");
			return false;
		}
	}
	l->at++;
	return true;
}

/* After an error in it: behind what should be its end. */
static void skip_string(struct lexer *l)
{
	while (peek(l, 0) != -1 && peek(l, 0) != '\n' && peek(l, 0) != '"')
		l->at++;
	l->at += peek(l, 0) == '"';
}

/* ---- tokens ---- */

static enum token_kind read_string_token(struct lexer *l, struct token *t)
{
	auto_sbuf b = {0};

	if (!read_string(l, &b)) {
		skip_string(l);
		return TOKEN_BAD;
	}
	t->string = arena_strndup(&l->idl->arena, sbuf_str(&b), sbuf_len(&b));
	return TOKEN_STRING;
}

/* A '-' may stand inside a word (vm-operator); where it may not, the parser says so. */
static enum token_kind read_word(struct lexer *l)
{
	while (is_word_part(peek(l, 0)) || (peek(l, 0) == '-' && is_word_part(peek(l, 1))))
		l->at++;
	return TOKEN_WORD;
}

static enum token_kind read_token(struct lexer *l, struct token *t)
{
	int c = peek(l, 0);

	if (c == -1)
		return TOKEN_END;
	if (is_word_start(c))
		return read_word(l);
	if (c == '"')
		return read_string_token(l, t);
	if (is_digit(c) || c == '-') {
		if (read_number(l))
			return TOKEN_NUMBER;
		error_at(l->idl, t->at, "numbers are written as in JSON");
		return TOKEN_BAD;
	}
	l->at++;
	if (c && strchr("{}()[];,:.=?", c))
		return TOKEN_PUNCTUATION;
	while ((peek(l, 0) & 0xc0) == 0x80)
		l->at++;
	error_at(l->idl, t->at, "'%.*s' means nothing here", (int)(l->at - t->at.offset),
		l->source->text + t->at.offset);
	return TOKEN_BAD;
}

static const char *text_or_null(struct lexer *l, struct sbuf *b)
{
	return sbuf_len(b) ? arena_strndup(&l->idl->arena, sbuf_str(b), sbuf_len(b)) : NULL;
}

struct token lex_next(struct lexer *l)
{
	struct comments c = {0};
	struct token t = {0};

	skip_space(l, &c);
	t.doc = text_or_null(l, &c.doc);
	t.doc_at = c.doc_at;
	t.comment = text_or_null(l, &c.all);
	sbuf_fini(&c.doc);
	sbuf_fini(&c.all);
	t.at = here(l);
	t.begins_line = !l->at || l->source->text[l->at - 1] == '\n';
	t.kind = read_token(l, &t);
	t.len = l->at - t.at.offset;
	t.text = arena_strndup(&l->idl->arena, l->source->text + t.at.offset, t.len);
	l->last_end = l->at;
	return t;
}
