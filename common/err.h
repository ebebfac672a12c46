/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one error type. An operation that can fail for a reason that a client may see returns
 * `struct err *`: NULL is success, anything else is owned by who receives it and must be looked at.
 * An error is a code and parameters, as they go over the wire, and a detail for the log.
 *
 *	return err(NO_SUCH_TASK, id);                     code and parameters come from the IDL
 *	TRY(vm_find(uuid, &vm));                          returns the error to the caller
 *	TRY_CTX(store_open(path), "opening %s", path);    the same, and says what was being done
 *	err_free(vm_stop(vm));                            deliberately not looked at
 *
 * Leaf functions that only wrap a system call return int, 0 or -errno, and err_errno converts. Out
 * parameters are untouched on failure and always set on success. Who returns an error does not log
 * it; who handles it does. "Cannot happen" is assert(); never for input.
 */
#ifndef XENITH_COMMON_ERR_H
#define XENITH_COMMON_ERR_H

#include "common/dialect.h"

#include <stdarg.h>

/* What the IDL declares of an error; one constant each, named ERR_ and the code. */
struct err_kind {
	const char *code;
	unsigned n_params;
	const char *const *params; /* their names */
	const char *doc;
};

struct err {
	char *code; /* owned, as all that follows but file */
	size_t n_params;
	char **params;
	char *detail; /* what was being done, outermost first, or NULL; for logs only */
	char *text; /* what err_text made last, or NULL */
	const char *file; /* where it was made; NULL: it came from a peer */
	int line;
};

/* An error that is there. Only clang's analyzer has to be told so; the others read attributes. */
#ifdef __clang_analyzer__
#define err_not_null(e) \
	({ \
		struct err *made_ = (e); \
		if (!made_) \
			__builtin_unreachable(); \
		made_; \
	})
#else
#define err_not_null(e) (e)
#endif

/*
 * err(CODE, param …): the IDL compiler writes a typed function err_make_CODE for each error, so a
 * wrong number of parameters does not compile.
 */
#define err(CODE, ...) err_not_null(err_make_##CODE(__FILE__, __LINE__ __VA_OPT__(, ) __VA_ARGS__))

/* A code with parameters as they came over a wire. FILE NULL: made elsewhere. */
must_check struct err *err_new(const char *file, int line, const char *code, size_t n_params,
	const char *const *params) __attribute__((__returns_nonnull__));

/* A failed system call; ERRNUM is positive. Its code is SYSTEM_ERROR. */
#define err_errno(errnum, ...) err_not_null(err_errno_at(__FILE__, __LINE__, errnum, __VA_ARGS__))
must_check struct err *err_errno_at(const char *file, int line, int errnum, const char *fmt, ...)
	printf_like(4, 5) __attribute__((__returns_nonnull__));

/* Puts what was being done before the detail of E; returns E. NULL stays NULL. */
must_check struct err *err_wrap(struct err *e, const char *fmt, ...) printf_like(2, 3);

void err_free(struct err *e);

/* Whether E is an error with the code of KIND; false for NULL. */
bool err_is(const struct err *e, const struct err_kind *kind);

/* One line for a log or a terminal: CODE(param, param): detail. Lives until E is freed. */
const char *err_text(struct err *e);

static inline void err_freep(struct err **e)
{
	err_free(*e);
}

#define auto_err __attribute__((unused)) AUTO(err_freep) struct err *

#define TRY(expr) \
	do { \
		struct err *try_ = (expr); \
		if (try_) \
			return try_; \
	} while (0)

#define TRY_CTX(expr, ...) \
	do { \
		struct err *try_ = (expr); \
		if (try_) \
			return err_not_null(err_wrap(try_, __VA_ARGS__)); \
	} while (0)

#endif
