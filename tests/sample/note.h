/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The notes: in memory, each change also given to the store. A change is told to watchers when it
 * is durable, and taken back when it cannot be.
 */
#ifndef XENITH_TESTS_SAMPLE_NOTE_H
#define XENITH_TESTS_SAMPLE_NOTE_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"
#include "common/list.h"

#include "sample.gen.h"

struct note {
	struct list link;
	struct arena arena; /* of all that value points to */
	struct sample_note value;
};

/* Opens the store at PATH and reads every note. */
MAY_WAIT must_check struct err *notes_open(const char *path);
void notes_close(void);

/* Both change the memory at once; what they did is on the disk when notes_settle returns. */
must_check struct err *note_add(const struct sample_note *value);
must_check struct err *note_remove(const char *id);
/* NO_SUCH_NOTE. */
must_check struct err *note_find(const char *id, struct note **out);

/* Waits until everything that the caller can have seen is durable: before each answer. */
MAY_WAIT must_check struct err *notes_settle(void);

#endif
