/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors as values (err.h). Safe from every thread; an error belongs to one owner at a time.
 */
#include "common/err.h"

#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"

#include <string.h>

struct err *err_new(
	const char *file, int line, const char *code, size_t n_params, const char *const *params)
{
	struct err *e = xnew(struct err);

	e->code = xstrdup(code);
	e->n_params = n_params;
	e->params = xcalloc(n_params, sizeof(*e->params));
	for (size_t i = 0; i < n_params; i++)
		e->params[i] = xstrdup(params[i] ? params[i] : "");
	e->file = file;
	e->line = line;
	return e;
}

struct err *err_errno_at(const char *file, int line, int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_str what = xvasprintf(fmt, ap);
	va_end(ap);
	auto_str message = xasprintf("%s: %s", what, strerrordesc_np(errnum) ?: "unknown error");
	const char *name = strerrorname_np(errnum);
	return err_make_SYSTEM_ERROR(file, line, message, name ? name : "?");
}

struct err *err_wrap(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return NULL;
	va_start(ap, fmt);
	auto_str what = xvasprintf(fmt, ap);
	va_end(ap);
	auto_str inner = take(e->detail);
	e->detail = inner ? xasprintf("%s: %s", what, inner) : xstrdup(what);
	return e;
}

void err_free(struct err *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_params; i++)
		free(e->params[i]);
	free(e->params);
	free(e->detail);
	free(e->text);
	free(e->code);
	free(e);
}

bool err_is(const struct err *e, const struct err_kind *kind)
{
	return e && !strcmp(e->code, kind->code);
}

const char *err_text(struct err *e)
{
	struct sbuf b = {0};

	sbuf_adds(&b, e->code);
	for (size_t i = 0; i < e->n_params; i++)
		sbuf_printf(&b, "%s%s", i ? ", " : "(", e->params[i]);
	if (e->n_params)
		sbuf_addc(&b, ')');
	if (e->detail)
		sbuf_printf(&b, ": %s", e->detail);
	free(e->text);
	e->text = sbuf_take(&b);
	return e->text;
}
