/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Objects as those may see them who look for a fault: without secrets (db.h).
 */
#include "common/codec.h"
#include "common/json.h"
#include "xapid/db/db.h"

#include <string.h>

/* The reference of a session is as good as a password. */
static bool tells_of_sessions(const struct type *t)
{
	return t->class == &xenapi_class_session ||
		(t->of && t->of->class == &xenapi_class_session) ||
		(t->key && t->key->class == &xenapi_class_session);
}

/* A password that objects refer to, say. */
static bool is_hidden(const struct db_row *row, const struct field *f)
{
	if (tells_of_sessions(f->type))
		return true;
	return (f->reader ?: db_class(row)->reader) && strcmp(f->name, "uuid") != 0;
}

void db_dump_fields(const struct db_row *row, struct sbuf *out)
{
	const struct class *class = db_class(row);
	struct json_writer w;

	json_writer_init(&w, out);
	json_write_object(&w);
	for (uint32_t i = 0; i < class->n_fields; i++) {
		const struct field *f = &class->fields[i];

		json_write_name(&w, f->name);
		if (is_hidden(row, f))
			json_write_string(&w, "***");
		else
			codec_write(f->type, db_value(row, f), CODEC_MASK_SECRETS, &w);
	}
	json_write_object_end(&w);
}
