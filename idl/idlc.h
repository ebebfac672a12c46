/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stages of idlc, in the order in which main.c runs them: load (which lexes and parses),
 * check, emit. A stage that finds something wrong says so by error_at and goes on; who runs the
 * stages looks at n_errors.
 */
#ifndef XENITH_IDL_IDLC_H
#define XENITH_IDL_IDLC_H

#include "idl/ast.h"

#define MAX_ERRORS       20 /* then it gives up */
#define MAX_TYPE_DEPTH   8
#define MAX_SOURCE_BYTES (4 << 20)

/* load.c: reads the files of one interface and the interfaces that they import. NULL: none of it
 * could be read. */
struct interface_decl *idl_load(struct idl *idl, const char *const *paths, size_t n);
void idl_fini(struct idl *idl);

/* parse.c: adds one file to INTERFACE, which *INTERFACE becomes if it is NULL. */
void parse_source(struct idl *idl, const struct source *s, struct interface_decl **interface);

/* check.c: gives names their meaning and looks for everything that would not work. */
void check_interface(struct idl *idl, struct interface_decl *i);
/* check_default.c: whether the default value of a member can be one of its type. */
void check_default(struct idl *idl, const struct member *m);
/* check_names.c: whether two things would have the same name in C. */
void check_c_names(struct idl *idl, struct interface_decl *i);

/* message.c */
void error_at(struct idl *idl, struct loc at, const char *fmt, ...) printf_like(3, 4);
/* Where the other party to the last error stands. */
void note_at(struct idl *idl, struct loc at, const char *fmt, ...) printf_like(3, 4);
unsigned loc_line(struct loc at);
/* How many bytes the character at OFFSET has; 0: there is none, or a control character. */
size_t source_character(const struct source *s, size_t offset);

/* words.c: what the language, and C, keep for themselves. */
/* Whether WORD is a base type; then *OUT is set. */
bool base_type_find(const char *word, enum base_kind *out);
const char *base_type_name(enum base_kind b);
bool is_type_word(const char *word);
bool is_interface_word(const char *word);
bool is_c_word(const char *word);

/* fingerprint.c: a number for the wire form, 16 digits; it stays when only words for people, or the
 * order of things, change. */
const char *fingerprint(struct idl *idl, const struct interface_decl *i);

#endif
