/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The marks of fields, messages and classes that are a single word (marks.c); docs/idl.md says
 * what each means. idlc has one thread.
 */
#ifndef XENITH_IDL_MARKS_H
#define XENITH_IDL_MARKS_H

#include "idl/emit.h"
#include "idl/parse.h"

enum mark {
	MARK_INTERNAL = 1,
	MARK_DANGLING = 2,
	MARK_EFFECT = 4,
	MARK_ASYNC = 8,
	MARK_HIDDEN = 16,
	MARK_INTRAPOOL = 32,
	MARK_EMERGENCY = 64,
	MARK_SESSIONLESS = 128,
	MARK_UNCOUNTED = 256,
	MARK_CONSTRUCTED = 512,
	MARK_LISTED = 1024,
	MARK_EVENTS = 2048,
	MARK_STATELESS = 4096,
	MARK_SINGLETON = 8192,
	MARK_REMOVED = 16384,
	MARK_PROTOTYPED = 32768,
	MARK_KEPT = 65536,
	MARK_RESIDENT = 131072,
};

enum mark_place {
	MARK_OF_FIELD,
	MARK_OF_CALL,
	MARK_OF_CLASS,
};

/* Adds the mark that is next to SEEN and passes over it; FOUND: whether there was one. */
bool parse_word_mark(struct parser *p, enum mark_place place, unsigned *seen, bool *found);
/* Each word with a space before it. */
void emit_mark_words(struct emitter *e, unsigned set);
/* FLAGS and those of the set: "FIELD_INTERNAL | FIELD_REMOVED", or "". */
const char *mark_flags(struct idl *idl, const char *flags, const char *prefix, unsigned set);

#endif
