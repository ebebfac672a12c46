/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the emitters share: comments, string literals, and writing a file only if it changed, so
 * that nothing is compiled again because of a comment in an interface.
 */
#include "idl/emit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void emit_head(struct emitter *e, const char *what)
{
	emit(e, "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n");
	emit(e, "/*\n * Interface %s, version %ld: %s.\n", e->interface->name,
		e->interface->version, what);
	emit(e, " * Made by idlc; edit the interface, not this file.\n */\n");
}

/* A line of a comment, in which no comment may begin or end. */
static void emit_comment_line(struct emitter *e, const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sbuf_addc(&e->out, line[i]);
		if (i + 1 < len && (line[i] == '*' || line[i] == '/') &&
			(line[i + 1] == '*' || line[i + 1] == '/'))
			sbuf_addc(&e->out, ' ');
	}
}

void emit_comment(struct emitter *e, const char *indent, const char *text)
{
	if (!text)
		return;
	bool is_one_line = !strchr(text, '\n') && strlen(text) + 8 * strlen(indent) < 94;
	emit(e, is_one_line ? "%s/* " : "%s/*\n", indent);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!is_one_line)
			emit(e, strcspn(line, "\n") ? "%s * " : "%s *", indent);
		emit_comment_line(e, line, strcspn(line, "\n"));
		if (!is_one_line)
			sbuf_addc(&e->out, '\n');
	}
	emit(e, is_one_line ? "%s */\n" : "%s */\n", is_one_line ? "" : indent);
}

void emit_string(struct emitter *e, const char *s)
{
	sbuf_addc(&e->out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			emit(e, "\\%c", *s);
		else if (*s == '\n')
			sbuf_adds(&e->out, "\\n");
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			emit(e, "\\%03o", *s);
		else
			sbuf_addc(&e->out, *s);
	}
	sbuf_addc(&e->out, '"');
}

void emit_json_string(struct emitter *e, const char *s)
{
	sbuf_addc(&e->out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			emit(e, "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			emit(e, "\\u%04x", *s);
		else
			sbuf_addc(&e->out, *s);
	}
	sbuf_addc(&e->out, '"');
}

/* The column in which the next byte will stand. */
static size_t column(struct emitter *e)
{
	size_t n = 0;

	for (const char *p = sbuf_data(&e->out) + sbuf_len(&e->out);
		p > sbuf_data(&e->out) && p[-1] != '\n'; p--)
		n += p[-1] == '\t' ? 8 : 1;
	return n;
}

void emit_argument(struct emitter *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const char *text = arena_vprintf(&e->idl->arena, fmt, ap);
	va_end(ap);
	emit(e, column(e) + strlen(text) > 96 ? ",\n\t%s" : ", %s", text);
}

void emit_text_member(struct emitter *e, const char *member, const char *text)
{
	if (!text)
		return;
	emit(e, "%s.%s = ", e->is_nested ? "\t\t" : "\t", member);
	emit_string(e, text);
	sbuf_adds(&e->out, ",\n");
}

const char *literal_json(struct idl *idl, const struct literal *l)
{
	return l->kind == LITERAL_WORD ? arena_printf(&idl->arena, "\"%s\"", l->text) : l->text;
}

/* ---- files ---- */

static int read_all(int fd, struct sbuf *out)
{
	ssize_t n;

	while ((n = read(fd, sbuf_room(out, 65536), 65536)) > 0)
		sbuf_added(out, (size_t)n);
	return n < 0 ? -errno : 0;
}

static bool holds(const char *path, struct sbuf *text)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_sbuf old = {0};

	return fd >= 0 && !read_all(fd, &old) && sbuf_len(&old) == sbuf_len(text) &&
		!memcmp(sbuf_str(&old), sbuf_str(text), sbuf_len(text));
}

static int write_all(int fd, const char *p, size_t left)
{
	while (left) {
		ssize_t n = write(fd, p, left);

		if (n < 0)
			return -errno;
		p += n;
		left -= (size_t)n;
	}
	return 0;
}

/* Whether PATH can be replaced by another file; a pipe or a terminal is written to as it is. */
static bool may_replace(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 || S_ISREG(st.st_mode);
}

static int write_to(const char *path, struct sbuf *text)
{
	auto_fd fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	return fd < 0 ? -errno : write_all(fd, sbuf_str(text), sbuf_len(text));
}

int write_if_changed(const char *path, struct sbuf *text)
{
	auto_sbuf tmp = {0};

	if (!may_replace(path))
		return write_to(path, text);
	if (holds(path, text))
		return 0;
	sbuf_printf(&tmp, "%s.tmp", path);
	int r = write_to(sbuf_str(&tmp), text);
	if (r < 0)
		return r;
	return rename(sbuf_str(&tmp), path) < 0 ? -errno : 0;
}
