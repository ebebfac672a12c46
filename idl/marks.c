/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The marks of a data model that are one word: which there are, what they may stand behind, and
 * the flags of common/schema.h that they become. Parser and emitters walk this one table.
 */
#include "idl/marks.h"

#include "common/sbuf.h"

#include <string.h>

static const struct {
	const char *word;
	enum mark mark;
	unsigned places; /* what it may stand behind: bits 1 << mark_place */
	const char *flag; /* without FIELD_, METHOD_ or CLASS_ */
} marks[] = {
	{"internal", MARK_INTERNAL, 1 << MARK_OF_FIELD, "INTERNAL"},
	{"dangling", MARK_DANGLING, 1 << MARK_OF_FIELD, "DANGLING"},
	{"effect", MARK_EFFECT, 1 << MARK_OF_FIELD | 1 << MARK_OF_CLASS, "EFFECT"},
	{"async", MARK_ASYNC, 1 << MARK_OF_CALL, "ASYNC"},
	{"hidden", MARK_HIDDEN, 1 << MARK_OF_CALL, "HIDDEN"},
	{"intrapool", MARK_INTRAPOOL, 1 << MARK_OF_CALL, "INTRAPOOL"},
	{"emergency", MARK_EMERGENCY, 1 << MARK_OF_CALL, "EMERGENCY"},
	{"sessionless", MARK_SESSIONLESS, 1 << MARK_OF_CALL, "SESSIONLESS"},
	{"uncounted", MARK_UNCOUNTED, 1 << MARK_OF_CALL, "UNCOUNTED"},
	{"resident", MARK_RESIDENT, 1 << MARK_OF_CALL, "RESIDENT"},
	{"constructed", MARK_CONSTRUCTED, 1 << MARK_OF_CLASS, "CONSTRUCTED"},
	{"listed", MARK_LISTED, 1 << MARK_OF_CLASS, "LISTED"},
	{"events", MARK_EVENTS, 1 << MARK_OF_CLASS, "EVENTS"},
	{"stateless", MARK_STATELESS, 1 << MARK_OF_CLASS, "STATELESS"},
	{"kept", MARK_KEPT, 1 << MARK_OF_CLASS, "KEPT"},
	{"singleton", MARK_SINGLETON, 1 << MARK_OF_CLASS, "SINGLETON"},
	{"removed", MARK_REMOVED, 1 << MARK_OF_FIELD | 1 << MARK_OF_CALL | 1 << MARK_OF_CLASS,
		"REMOVED"},
	{"prototyped", MARK_PROTOTYPED, 1 << MARK_OF_FIELD | 1 << MARK_OF_CALL | 1 << MARK_OF_CLASS,
		"PROTOTYPED"},
};

bool parse_word_mark(struct parser *p, enum mark_place place, unsigned *seen, bool *found)
{
	*found = false;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (!(marks[i].places & 1U << place) || !parser_at_word(p, marks[i].word))
			continue;
		*found = true;
		if (!parse_mark_once(p, seen, marks[i].mark))
			return false;
		parser_advance(p);
		return true;
	}
	return true;
}

void emit_mark_words(struct emitter *e, unsigned set)
{
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (set & marks[i].mark)
			emit(e, " %s", marks[i].word);
}

const char *mark_flags(struct idl *idl, const char *flags, const char *prefix, unsigned set)
{
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (set & marks[i].mark)
			flags = arena_printf(&idl->arena, "%s%s%s_%s", flags, *flags ? " | " : "",
				prefix, marks[i].flag);
	return flags;
}
