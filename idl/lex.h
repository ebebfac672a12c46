/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tokens of an interface file. Only parse.c uses it.
 */
#ifndef XENITH_IDL_LEX_H
#define XENITH_IDL_LEX_H

#include "idl/idlc.h"

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_NUMBER,
	TOKEN_STRING,
	TOKEN_PUNCTUATION, /* one of { } ( ) [ ] ; , : . = ? */
	TOKEN_BAD, /* said so already */
};

struct token {
	enum token_kind kind;
	struct loc at;
	size_t len; /* bytes in the source */
	const char *text; /* as written; a string with its quotes */
	const char *string; /* STRING: what it means */
	const char *doc; /* the doc comment before it, or NULL */
	struct loc doc_at;
	const char *comment; /* every comment before it, or NULL */
	bool begins_line; /* in its first column */
};

struct lexer {
	struct idl *idl;
	const struct source *source;
	size_t at;
	size_t last_end; /* of the token before */
};

struct token lex_next(struct lexer *l);

#endif
