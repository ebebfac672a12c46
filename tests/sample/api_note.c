/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class Note. No answer leaves before what it tells of is durable.
 */
#include "common/clock.h"
#include "common/codec.h"
#include "common/rpc.h"
#include "common/uuid.h"
#include "sample.gen.h"
#include "tests/sample/note.h"
#include "tests/sample/sample.h"

#include <string.h>

MAY_WAIT struct err *api_note_add(
	struct call *c, const struct sample_note_add_in *in, const char **out)
{
	char id[UUID_TEXT_SIZE];
	struct sample_note note = {
		.id = uuid_random_text(id),
		.text = in->text,
		.mood = in->mood,
		.tags = in->tags,
		.created = clock_real_ns() / NS_PER_S,
		.owner_key = in->owner_key,
	};

	if (!*in->text)
		return err(EMPTY_NOTE);
	TRY(note_add(&note));
	TRY(notes_settle());
	*out = arena_strdup(c->arena, id);
	return NULL;
}

MAY_WAIT struct err *api_note_get(
	struct call *c, const struct sample_note_get_in *in, struct sample_note *out)
{
	struct note *n;

	TRY(notes_settle());
	TRY(note_find(in->note, &n));
	codec_copy(&sample_type_note, &n->value, c->arena, out);
	return NULL;
}

MAY_WAIT struct err *api_note_list(struct call *c, struct sample_note_list *out)
{
	size_t i = 0;

	TRY(notes_settle());
	out->n = sample.by_id.n;
	out->v = arena_calloc(c->arena, out->n, sizeof(*out->v));
	list_for_each (n, &sample.notes, struct note, link)
		codec_copy(&sample_type_note, &n->value, c->arena, &out->v[i++]);
	return NULL;
}

MAY_WAIT struct err *api_note_remove(struct call *c, const struct sample_note_remove_in *in)
{
	TRY(note_remove(in->note));
	return notes_settle();
}
