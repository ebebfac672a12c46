/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parser's own parts: parse.c holds the cursor and the statements, parse_type.c types and
 * default values, parse_member.c fields, parameters and cases, parse_call.c calls. A function that
 * returns false has said why; who called it goes on behind the next ';' or '}'.
 */
#ifndef XENITH_IDL_PARSE_H
#define XENITH_IDL_PARSE_H

#include "idl/lex.h"

struct parser {
	struct idl *idl;
	struct lexer lexer;
	struct token token; /* the next one */
	struct loc end; /* behind the one before */
	struct interface_decl *interface;
	int depth; /* of { } */
	struct loc member_at; /* where the member begins that is being parsed */
	bool member_is_odd; /* it looks like a statement */
	bool may_have_items; /* the default that comes next */
	bool recovering; /* since an error: comments that belong nowhere are no news */
};

/* ---- the cursor (parse.c) ---- */

void parser_advance(struct parser *p);
bool parser_at(const struct parser *p, char punctuation);
bool parser_at_word(const struct parser *p, const char *word);
/* Passes over it if it is next. */
bool parser_accept(struct parser *p, char punctuation);
bool parser_accept_word(struct parser *p, const char *word);
/* It must be next; WHERE says in the message what it ends or begins. */
bool parser_expect(struct parser *p, char punctuation, const char *where);
/* Says that WHAT should stand here; returns false. */
bool parser_expected(struct parser *p, const char *what);
/* The doc comment before the next token, which thereby has its use; or NULL. */
const char *parser_take_doc(struct parser *p);
/* A name: letters, digits and '_'. WHAT is for the message. */
bool parse_name(struct parser *p, const char *what, const char **out, struct loc *at);
/* A name that may have '-' inside: a role. */
bool parse_dashed_name(struct parser *p, const char *what, const char **out, struct loc *at);
bool parse_string(struct parser *p, const char *what, const char **out);
/* Notes that a mark was met; false if it was before. */
bool parse_mark_once(struct parser *p, unsigned *seen, unsigned bit);
/* After an error inside { } of the given depth: to the next member, or to the end. */
void parser_skip_member(struct parser *p, int depth);
/* Whether no more members come. */
bool parser_at_end(struct parser *p);
/* The '}' after the members. */
bool parser_close(struct parser *p, const char *where);

/* A role, and behind "or" one that may as well. */
bool parse_role(struct parser *p, struct role_use *out);

/* ---- parse_type.c ---- */

bool parse_type(struct parser *p, struct type_use **out);
bool parse_literal(struct parser *p, struct literal **out);

/* ---- parse_member.c ---- */

/* What stands between { and }; D->kind tells which kind it is. */
bool parse_members(struct parser *p, struct decl *d);
bool parse_cases(struct parser *p, struct decl *d);
bool parse_class_body(struct parser *p, struct decl *d);
/* What stands between ( and ). */
bool parse_parameters(struct parser *p, struct decl *d);

/* A new declaration that stands at the end of the interface's. */
struct decl *parse_decl_new(struct parser *p, enum decl_kind kind, const char *doc);

/* ---- parse_call.c ---- */

/* A call behind the word `call`. CLASS: the one that it is a message of, or NULL. */
bool parse_call(struct parser *p, struct decl *class, const char *doc);

#endif
