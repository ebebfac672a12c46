/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the name of a message means: the class, and either an explicit message of the model, which
 * has a handler of its own (xapi_CLASS_MESSAGE), or one that follows from a field or from what the
 * class is, which generic code serves (xapid/api/implicit.h). Everything else that the gate has to
 * know of a message stands here too: what it takes and answers, and who may send it.
 */
#ifndef XENITH_XAPID_GATE_MESSAGE_H
#define XENITH_XAPID_GATE_MESSAGE_H

#include "common/schema.h"

struct arena;

enum message_kind {
	MESSAGE_EXPLICIT,
	MESSAGE_GET_ALL, /* () : set of refs */
	MESSAGE_GET_ALL_WHERE, /* (expr) : set of refs */
	MESSAGE_GET_ALL_RECORDS, /* () : map from ref to record */
	MESSAGE_GET_ALL_RECORDS_WHERE, /* (expr) : the same */
	MESSAGE_GET_BY_UUID, /* (uuid) : ref */
	MESSAGE_GET_BY_NAME_LABEL, /* (label) : set of refs */
	MESSAGE_GET_RECORD, /* (self) : record */
	MESSAGE_CREATE, /* (record) : ref */
	MESSAGE_DESTROY, /* (self) */
	MESSAGE_GET, /* get_F(self) : the field's type */
	MESSAGE_SET, /* set_F(self, value) */
	MESSAGE_ADD_TO, /* add_to_F(self, key, value): of a map */
	MESSAGE_REMOVE_FROM, /* remove_from_F(self, key) */
	MESSAGE_ADD, /* add_F(self, value): of a set */
	MESSAGE_REMOVE, /* remove_F(self, value) */
};

#define MESSAGE_MAX_ARGS 3 /* of an implicit one */

/* A message, resolved. Lives for ever. */
struct message {
	enum message_kind kind;
	const struct class *class;
	const struct method *method; /* EXPLICIT */
	size_t handler; /* EXPLICIT: its index in the service */
	const struct field *field; /* GET, SET, ADD_TO, REMOVE_FROM, ADD, REMOVE */
	/* The map that it changes, and how (SET, ADD_TO, REMOVE_FROM), where keys of it have roles
	 * of their own; of an explicit one too. NULL: there is none. */
	const struct field *map;
	enum message_kind map_change;
	/* Of an implicit one, the positional arguments behind the session; self is a string. Of
	 * CREATE there is one: the class's record, with those fields that clients may give. */
	const struct type *args[MESSAGE_MAX_ARGS];
	size_t n_args;
	/* TYPE_VOID: none; NULL: records, which the server has as bytes (xapi_call.wire). */
	const struct type *result;
	const char *role; /* the least that may send it; NULL: whoever has a session */
	const char *other_role; /* one that may as well, or NULL */
	bool is_read_only; /* changes nothing: no audit line */
	bool is_async; /* there as Async.… too */
	bool is_removed;
};

/* NAME is "Class.message", or "Class_message". NULL: there is none of this name. */
const struct message *message_resolve(const char *name);

/* "Class.message" of every message that can be sent synchronously, class by class. */
void message_list(struct arena *a, struct string_list *out);

/* Whether an implicit message has to do more than to read or note something: it is only there where
 * a function does that (xapid/api/hooks.h). */
bool message_needs_hook(const struct message *m);

/* At the end: forgets what was resolved. */
void message_forget(void);

/* The class with this name, whatever the case of its letters; NULL: none. */
const struct class *message_class(const char *name, size_t len);

#endif
