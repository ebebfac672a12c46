/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What idlc knows of an interface: the tree that parse.c builds, check.c completes and the emitters
 * read. Everything lies in one arena and is never freed piece by piece; idlc has one thread.
 */
#ifndef XENITH_IDL_AST_H
#define XENITH_IDL_AST_H

#include "common/arena.h"
#include "common/map.h"

struct source {
	const char *path; /* as it was given: what messages show */
	const char *text;
	size_t len;
};

/* A place in a file; the line and the column are counted when a message needs them. */
struct loc {
	const struct source *source;
	size_t offset;
};

enum base_kind {
	BASE_BOOL,
	BASE_INT,
	BASE_FLOAT,
	BASE_STRING,
	BASE_SECRET,
	BASE_BYTES,
	BASE_DATETIME,
	BASE_ANY,
};

enum type_form {
	FORM_BASE,
	FORM_NAMED, /* id, enum, record or variant */
	FORM_LIST,
	FORM_SET, /* a list without duplicates */
	FORM_MAP,
	FORM_OPTION,
	FORM_REF, /* a reference to an object of a class */
};

struct decl;

/* A type where it is used. */
struct type_use {
	enum type_form form;
	struct loc at;
	enum base_kind base; /* BASE */
	const char *from; /* NAMED: the interface before the dot, or NULL */
	const char *name; /* NAMED, REF */
	bool is_class; /* NAMED: the record of a class */
	struct type_use *key; /* MAP: what its keys mean, or NULL: strings */
	struct type_use *of; /* LIST, SET, MAP, OPTION */
	struct decl *decl; /* NAMED, REF: what the name means, once checked */
};

enum literal_kind {
	LITERAL_NULL,
	LITERAL_BOOL,
	LITERAL_INTEGER,
	LITERAL_REAL,
	LITERAL_STRING,
	LITERAL_WORD, /* a case of an enum or a variant */
	LITERAL_LIST, /* [] */
	LITERAL_OBJECT, /* {} */
};

struct literal {
	enum literal_kind kind;
	struct loc at;
	const char *text; /* as written, which is JSON but for WORD */
	const char *string; /* STRING: what it means */
	struct literal *items; /* LIST, OBJECT: the values */
	const char *text_before; /* of an item: it with those before it */
	struct literal *next; /* of those in one list or object */
};

/* The least role that may do something; NULL for none. */
struct role_use {
	const char *name;
	const char *other; /* one that may as well, or NULL */
	struct loc at, other_at;
};

/* Whoever may set the keys that fit a pattern. */
struct key_role {
	struct key_role *next;
	struct loc at;
	const char *key;
	const char *role;
};

enum access {
	ACCESS_READ_ONLY,
	ACCESS_READ_WRITE,
	ACCESS_CREATE,
};

/* A field, a parameter, or a case of an enum or a variant. */
struct member {
	struct member *next;
	struct loc at;
	const char *name;
	const char *doc; /* or NULL */
	struct type_use *type; /* NULL: a case without value */
	struct literal *value; /* the default, or NULL */
	const char *since; /* or NULL */
	const char *deprecated; /* what to use instead, or NULL */
	/* of a class's field only: */
	enum access access;
	bool is_persistent;
	bool is_unique;
	struct role_use role; /* that may set it */
	struct role_use reader; /* that may read it */
	const char *inverse; /* the field of the other class that this one mirrors, or NULL */
	struct loc inverse_at;
	unsigned marks; /* of marks.h */
	struct key_role *keys;
};

/* An error that a call declares. */
struct error_use {
	struct error_use *next;
	struct loc at;
	const char *code;
	struct decl *decl; /* once checked */
};

enum decl_kind {
	DECL_ID,
	DECL_ENUM,
	DECL_RECORD,
	DECL_VARIANT,
	DECL_ERROR,
	DECL_CALL,
	DECL_CLASS,
};

struct interface_decl;

/* How far check.c is with something that could lead back to itself. */
enum walk {
	WALK_NEW,
	WALK_OPEN,
	WALK_DONE,
};

struct decl {
	struct decl *next;
	enum decl_kind kind;
	struct loc at;
	struct interface_decl *owner;
	const char *name; /* a call's whole name, "VM.start" */
	const char *c_name; /* its part of C names, "vm_start" */
	const char *doc;
	struct member *members; /* fields, cases or parameters */
	size_t n_members;
	/* ENUM: what an unknown name becomes, or NULL */
	const char *unknown;
	struct loc unknown_at;
	/* CALL */
	struct decl *class; /* the class that it is a message of, or NULL */
	struct type_use *result; /* NULL: none */
	struct error_use *errors;
	bool is_task;
	bool is_read;
	bool is_static; /* a message that is of no one object */
	struct role_use role;
	struct loc self_at;
	const char *self; /* what the first parameter of a message is called */
	unsigned marks; /* of marks.h: CALL, CLASS */
	const char *since;
	const char *deprecated;
	/* CLASS */
	bool is_persistent;
	struct role_use reader; /* that may read its objects */
	enum walk walk; /* over types that contain each other */
};

struct import {
	struct import *next;
	struct loc at;
	const char *name;
	struct interface_decl *interface; /* once loaded */
};

struct role_decl {
	struct role_decl *next;
	struct loc at;
	const char *name;
};

/* One interface, of one file or several. */
struct interface_decl {
	struct interface_decl *next; /* of those that are loaded */
	const char *name;
	struct loc at;
	long version;
	const char *handlers; /* the first part of the handlers' names: "api" */
	const char *doc;
	bool doc_is_meant; /* it was a ## one */
	struct import *imports, **imports_end;
	struct role_decl *roles, **roles_end; /* least first */
	struct decl *decls, **decls_end; /* all, messages of classes too, in their order */
	struct map types; /* by name: what a type_use may mean */
	struct map errors; /* by code */
	struct map calls; /* by whole name */
	struct map classes;
	struct decl **methods; /* the calls, sorted by name; once checked */
	size_t n_methods;
	struct decl *
		*by_value; /* records, variants and classes, contained ones first; once checked */
	size_t n_by_value;
	enum walk check;
};

/* How idlc gets at a file: its text in the arena, or NULL. The fuzzer brings its own. */
typedef const struct source *read_source_fn(struct arena *a, const char *path);

struct sbuf;

/* A run of the compiler. */
struct idl {
	struct arena arena;
	struct sbuf *messages; /* what went wrong, for people */
	unsigned n_errors;
	read_source_fn *read_source;
	const char *import_dir; /* or NULL */
	struct interface_decl *interfaces; /* the first is the one that is compiled */
	struct source_list {
		struct source_list *next;
		const struct source *source;
	} * sources; /* every file that was read: the depfile */
};

#endif
