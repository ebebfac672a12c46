/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What idlc says of a wrong interface: file, line and column, the line itself and a mark under the
 * place. Every text that is given to error_at has a case in tests/unit/idl.
 */
#include "idl/idlc.h"

#include "common/sbuf.h"

#include <string.h>

unsigned loc_line(struct loc at)
{
	unsigned line = 1;

	for (size_t i = 0; i < at.offset; i++)
		line += at.source->text[i] == '\n';
	return line;
}

static size_t line_start(struct loc at)
{
	size_t start = at.offset;

	while (start && at.source->text[start - 1] != '\n')
		start--;
	return start;
}

size_t source_character(const struct source *s, size_t offset)
{
	const unsigned char *p = (const unsigned char *)s->text + offset;
	size_t n = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (*p < 0x80)
		return *p == '\t' || *p == '\n' || (*p >= ' ' && *p != 0x7f);
	if (*p < 0xc2 || *p > 0xf4 || n > s->len - offset)
		return 0;
	for (size_t k = 1; k < n; k++)
		if ((p[k] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Whether the byte begins a character: a column is a character, whatever it takes in UTF-8. */
static bool begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static unsigned loc_column(struct loc at)
{
	unsigned column = 1;

	for (size_t i = line_start(at); i < at.offset; i++)
		column += begins_character(at.source->text[i]);
	return column;
}

/* The line, and a caret below; tabs stay, so that the caret stands right whatever their width. */
static void show_line(struct sbuf *b, struct loc at)
{
	const char *text = at.source->text;
	size_t start = line_start(at), end = start;

	while (end < at.source->len && text[end] != '\n')
		end++;
	for (size_t i = start, n; i < end; i += n ? n : 1) {
		n = source_character(at.source, i);
		sbuf_add(b, n ? text + i : "?", n ? n : 1);
	}
	sbuf_addc(b, '\n');
	for (size_t i = start; i < at.offset; i++)
		if (begins_character(text[i]))
			sbuf_addc(b, text[i] == '\t' ? '\t' : ' ');
	sbuf_adds(b, "^\n");
}

static void say(struct idl *idl, struct loc at, const char *severity, const char *fmt, va_list ap)
{
	sbuf_printf(idl->messages, "%s:%u:%u: %s: ", at.source->path, loc_line(at), loc_column(at),
		severity);
	sbuf_vprintf(idl->messages, fmt, ap);
	sbuf_addc(idl->messages, '\n');
	show_line(idl->messages, at);
}

void error_at(struct idl *idl, struct loc at, const char *fmt, ...)
{
	va_list ap;

	if (++idl->n_errors > MAX_ERRORS)
		return;
	va_start(ap, fmt);
	say(idl, at, "error", fmt, ap);
	va_end(ap);
	if (idl->n_errors == MAX_ERRORS)
		sbuf_adds(idl->messages, "idlc: that is enough; further errors are not shown\n");
}

void note_at(struct idl *idl, struct loc at, const char *fmt, ...)
{
	va_list ap;

	if (idl->n_errors >= MAX_ERRORS)
		return;
	va_start(ap, fmt);
	say(idl, at, "note", fmt, ap);
	va_end(ap);
}
