/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables that the IDL compiler writes: types, methods, interfaces, classes. Everything that
 * knows a wire form or a command line walks these; nothing of the kind is written by hand.
 *
 * How a value of each kind lives in C (all memory is the call's arena's):
 *	bool            bool
 *	int             int64_t
 *	float           double
 *	string, id      const char *         UTF-8, never NULL, no NUL inside
 *	secret          struct secret        a string that no log or dump shows
 *	bytes           struct bytes         base64 on the wire
 *	datetime        int64_t              seconds since 1970, UTC; ISO 8601 on the wire
 *	any             struct json_text     any JSON value, checked but not looked into
 *	enum            enum of its name     a string on the wire
 *	record          struct of its name   an object on the wire
 *	variant         struct {enum; union} "name", or {"name": value} when the case has a value
 *	list T          struct {T *v; size_t n;}
 *	map T           struct {struct {const char *key; T value;} *v; size_t n;}   keys are strings
 *	T?              T *                  NULL: absent (of a string: the const char * itself)
 */
#ifndef XENITH_COMMON_SCHEMA_H
#define XENITH_COMMON_SCHEMA_H

#include "common/dialect.h"

struct call;
struct err;
struct err_kind;

struct secret {
	const char *hidden;
};

struct bytes {
	const unsigned char *v;
	size_t n;
};

/* A JSON value as text, one line, without outer white space. */
struct json_text {
	const char *text;
	size_t len;
};

/* The layout that all lists and all maps share; it may be used to look at any of them. */
struct any_list {
	void *v;
	size_t n;
} __attribute__((__may_alias__));

enum type_kind {
	TYPE_VOID,
	TYPE_BOOL,
	TYPE_INT,
	TYPE_FLOAT,
	TYPE_STRING,
	TYPE_SECRET,
	TYPE_BYTES,
	TYPE_DATETIME,
	TYPE_ANY,
	TYPE_ENUM,
	TYPE_RECORD,
	TYPE_VARIANT,
	TYPE_LIST,
	TYPE_MAP,
	TYPE_OPTION,
};

struct type;
struct class;

enum field_flags {
	FIELD_HAS_DEFAULT = 1, /* may be missing on the wire: default_json, read into the field */
	FIELD_DEPRECATED = 2,
	/* of a class's field only: */
	FIELD_READ_WRITE = 4, /* clients may set it */
	FIELD_CREATE = 8, /* an argument of create, read-only afterwards */
	FIELD_PERSISTENT = 16, /* kept in the database file; else it ends with the daemon */
	FIELD_UNIQUE = 32,
	FIELD_INTERNAL = 64, /* no record and no getter has it */
	FIELD_DANGLING = 128, /* may refer to what is not there */
	FIELD_EFFECT = 256, /* to set it does more than to note it */
	FIELD_REMOVED = 512,
	FIELD_PROTOTYPED = 1024,
};

struct map_key_role {
	const char *key; /* a key, or a prefix that ends in '*' */
	const char *role;
};

struct field {
	const char *name;
	const struct type *type;
	uint32_t offset;
	uint32_t flags;
	const char *default_json; /* NULL: mandatory (an option is never mandatory) */
	const char *doc;
	const char *since;
	const char *deprecated; /* what to use instead */
	/* of a class's field only: */
	const char *role; /* who may set it */
	const char *other_role; /* who may as well, though of less */
	const char *reader; /* who may read it; NULL: whoever may read the object */
	const char *inverse; /* the field of the other class that mirrors this one */
	const struct map_key_role *map_keys;
	uint32_t n_map_keys;
};

/* A name of an enum, or a case of a variant. */
struct type_case {
	const char *name;
	int value;
	const struct type *type; /* NULL: without value */
	const char *doc;
};

struct type {
	enum type_kind kind;
	uint32_t size; /* sizeof the C form */
	const char *name; /* as the IDL has it; an id's own name too */
	const char *doc;
	const struct type *of; /* LIST, MAP, OPTION: the element */
	const struct type *key; /* MAP: what keys mean, which are strings; NULL: nothing more */
	const struct field *fields; /* RECORD */
	const struct type_case *cases; /* ENUM, VARIANT */
	uint32_t n; /* fields or cases */
	uint32_t value_offset; /* MAP: of the value in an entry; VARIANT: of the union */
	uint32_t entry_size; /* MAP */
	int unknown_case; /* ENUM: what an unknown name becomes, or -1: it is refused */
	bool is_set; /* LIST: no value is there twice */
	const struct class *class; /* STRING: the class that it refers to an object of, or NULL */
};

enum method_flags {
	METHOD_TASK = 1, /* answers with a task's id; the result is the task's */
	METHOD_DEPRECATED = 2,
	METHOD_READ_ONLY = 4, /* changes nothing: no audit line, may be retried */
	/* of a class's message only: */
	METHOD_STATIC = 8, /* of no one object */
	METHOD_ASYNC = 16, /* there as Async.… too, which answers with a task */
	METHOD_HIDDEN = 32, /* not for the public: no reference tells of it */
	METHOD_INTRAPOOL = 64, /* only for other hosts of the pool */
	METHOD_EMERGENCY = 128, /* served in emergency mode and by hosts that are not the master */
	METHOD_SESSIONLESS = 256, /* no session comes first */
	METHOD_UNCOUNTED = 512, /* not among current_operations */
	METHOD_REMOVED = 1024,
	METHOD_PROTOTYPED = 2048,
	METHOD_RESIDENT = 4096, /* the host runs it that has the object of its first argument */
};

typedef struct err *(*method_fn)(struct call *c, const void *in, void *out);

struct method {
	const char *name; /* "VM.start" */
	const struct type *in; /* a record */
	const struct type *out; /* any type; TYPE_VOID: none */
	uint32_t flags;
	const struct err_kind *const *errors; /* declared ones */
	uint32_t n_errors;
	const char *doc, *since, *deprecated;
	const char *role; /* least role, where the interface has roles */
	const char *other_role; /* one that may as well, though it is less */
};

struct interface {
	const char *name;
	int version;
	const char *doc;
	const struct method *methods; /* sorted by name */
	uint32_t n_methods;
	const struct type *const *types; /* every named type */
	uint32_t n_types;
	const struct err_kind *const *errors;
	uint32_t n_errors;
	const struct class *const *classes; /* of a data model */
	uint32_t n_classes;
	const char *const *roles; /* least first */
	uint32_t n_roles;
	const char *fingerprint; /* of the wire form */
};

/* The server's side of an interface: handlers[i] serves methods[i]; NULL: not built. */
struct service {
	const struct interface *interface;
	const method_fn *handlers;
};

enum class_flags {
	CLASS_CONSTRUCTED = 1, /* has create and destroy made of its fields */
	CLASS_LISTED = 2, /* has get_all and the like */
	CLASS_EVENTS = 4, /* its changes are events */
	CLASS_STATELESS =
		8, /* no message follows from it, and it has no rows: the form of a result */
	CLASS_SINGLETON = 16, /* there is one object */
	CLASS_REMOVED = 32,
	CLASS_PROTOTYPED = 64,
	CLASS_EFFECT = 128, /* to create and to destroy one does more than to note it */
	CLASS_KEPT = 256, /* of a stateless one: its objects are rows all the same, and stay */
};

/* A class of the data model. */
struct class
{
	const char *name; /* "VM" */
	const char *doc;
	const struct type *record; /* all fields, as a record type */
	const struct field *fields; /* the same table, with the class's own flags */
	uint32_t n_fields;
	const struct method *const *messages; /* the explicit ones */
	uint32_t n_messages;
	uint32_t flags;
	const char *since, *deprecated;
	const char *role; /* who may create and destroy */
	const char *other_role;
	const char *reader; /* who may read its objects */
	bool is_persistent;
};

/* Whether objects of the class are rows of a database, and whether they stay. */
static inline bool class_has_rows(const struct class *c)
{
	return !(c->flags & CLASS_STATELESS) || c->flags & CLASS_KEPT;
}

static inline bool class_is_kept(const struct class *c)
{
	return c->is_persistent || c->flags & CLASS_KEPT;
}

extern const struct type type_void, type_bool, type_int, type_float, type_string, type_secret,
	type_bytes, type_datetime, type_any;

/*
 * Lists and maps of base types, which many interfaces share. An id is a string, so a list of ids is
 * a string_list too. Those of an interface's own types are the interface's.
 */
struct string_list {
	const char **v;
	size_t n;
};

struct int_list {
	int64_t *v;
	size_t n;
};

struct float_list {
	double *v;
	size_t n;
};

struct bool_list {
	bool *v;
	size_t n;
};

struct string_map_entry {
	const char *key;
	const char *value;
};

struct string_map {
	struct string_map_entry *v;
	size_t n;
};

struct int_map_entry {
	const char *key;
	int64_t value;
};

struct int_map {
	struct int_map_entry *v;
	size_t n;
};

struct float_map_entry {
	const char *key;
	double value;
};

struct float_map {
	struct float_map_entry *v;
	size_t n;
};

struct bool_map_entry {
	const char *key;
	bool value;
};

struct bool_map {
	struct bool_map_entry *v;
	size_t n;
};

extern const struct type type_list_string, type_list_int, type_list_float, type_list_bool,
	type_map_string, type_map_int, type_map_float, type_map_bool;

/* NULL when the key is not there. */
const char *string_map_get(const struct string_map *m, const char *key);

/* NULL when there is none. */
const struct method *interface_method(const struct interface *i, const char *name, size_t len);
const struct type *interface_type(const struct interface *i, const char *name);
/* Of an ENUM or VARIANT; NULL when VALUE is none of its cases. */
const struct type_case *type_case_of(const struct type *t, int value);
const struct type_case *type_case_named(const struct type *t, const char *name, size_t len);
/* NULL when VALUE is no case of the type. */
const char *type_case_name(const struct type *t, int value);
/* Whether a value of the type contains a secret somewhere. */
bool type_has_secret(const struct type *t);

#endif
