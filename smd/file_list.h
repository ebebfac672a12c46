/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the directory of an SR of type file: its images, of which nothing is taken on trust, and
 * its JSON files. These functions block; they touch no state and are for the pool.
 */
#ifndef XENITH_SMD_FILE_LIST_H
#define XENITH_SMD_FILE_LIST_H

#include "common/dialect.h"
#include "common/vec.h"
#include "smd/qcow2.h"

struct file_entry {
	char *name; /* owned */
	char *json; /* owned: the text of a VDI's file; NULL: it is an image */
	size_t json_len;
	bool is_raw;
	struct qcow2_head head; /* of an image; of a raw one only its size */
	const char *problem; /* why it is not to be used, or NULL */
};

struct file_listing {
	vec_of(struct file_entry) entries;
};

#define NODE_START "node-"

/* 0 or -errno. */
must_check int file_list(const char *dir, struct file_listing *out);
void file_listing_fini(struct file_listing *l);
/* One image: a regular file with a plain name. Its problem if there is one. */
void file_look(const char *dir, const char *name, struct file_entry *out);

/* Whether a name is one of an image that we use: letters, digits and a few signs, so that no
 * program takes it for an option or a protocol; IS_RAW by its end. */
bool file_is_image_name(const char *name, bool *is_raw);

#endif
