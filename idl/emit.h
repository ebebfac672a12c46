/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the emitters share, and the emitters themselves. Each adds one file's text to a buffer;
 * main.c writes it.
 */
#ifndef XENITH_IDL_EMIT_H
#define XENITH_IDL_EMIT_H

#include "common/sbuf.h"
#include "idl/cname.h"

struct emitter {
	struct idl *idl;
	const struct interface_decl *interface;
	struct sbuf out;
	bool is_nested; /* the members of a struct in an array are being written */
};

#define emit(e, ...) sbuf_printf(&(e)->out, __VA_ARGS__)

/* The first line of every file. */
void emit_head(struct emitter *e, const char *what);
/* A comment of C, each line with INDENT before it; nothing for NULL. */
void emit_comment(struct emitter *e, const char *indent, const char *text);
/* A further argument or parameter of a function, on a line of its own if there is no room. */
void emit_argument(struct emitter *e, const char *fmt, ...) printf_like(2, 3);
/* A string literal of C. */
void emit_string(struct emitter *e, const char *s);
/* The same as JSON. */
void emit_json_string(struct emitter *e, const char *s);
/* A default value as JSON. */
const char *literal_json(struct idl *idl, const struct literal *l);

void emit_types(struct emitter *e); /* X.gen.h */
void emit_tables(struct emitter *e); /* X.gen.c */
void emit_client(struct emitter *e); /* X_client.gen.c */
void emit_service(struct emitter *e); /* X_service.gen.c */
void emit_markdown(struct emitter *e);
void emit_openrpc(struct emitter *e);
void emit_ast(struct emitter *e);
/* The defaults, for X.gen.h. */
void emit_inits(struct emitter *e);
/* The prototypes, for X.gen.h. */
void emit_client_prototypes(struct emitter *e);
void emit_handler_prototypes(struct emitter *e);
/* The calls' part of X.gen.c. */
void emit_methods(struct emitter *e);
/* The classes' part of X.gen.c. */
void emit_classes(struct emitter *e);
/* The table of a record's or a class's fields, or of a call's parameters. */
void emit_fields(struct emitter *e, const struct decl *d, const char *table, const char *c_struct);
/* ".name = "…"" and so on, for what is there. */
void emit_text_member(struct emitter *e, const char *member, const char *text);

/* Writes TEXT to PATH unless that is what it holds already; 0 or -errno. */
int write_if_changed(const char *path, struct sbuf *text);

#endif
