/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is in an SR of type file: a directory, and in it
 *
 *	sr.json               whose SR it is, and its names
 *	UUID.json             a VDI: what it is called, and which image holds its contents
 *	node-UUID.raw|.qcow2  an image; a qcow2 one may have another one of the directory behind it
 *	anything.raw|.qcow2   an image that somebody put there: a scan makes it a VDI
 *
 * A VDI exists when its JSON file does, and that is replaced as a whole; so each change of a VDI is
 * one rename, and what was in flight when the daemon was killed left at most an image that no VDI
 * refers to: the next attach removes it. Several VDIs may refer to one image: a snapshot and a
 * clone are such a reference and no more. Who attaches a VDI to write while its image is not its
 * alone gets a new, empty one in front of it.
 *
 * So does who has it attached to write and wants it snapshotted. The VDI's JSON file names the new
 * image before the writer has gone over to it: as long as he has not it is empty, and the VDI has
 * what he writes either way. Only when he has may a snapshot refer to the image behind it.
 *
 * Only this daemon writes to the directory (it holds a lock on it). Fibers.
 */
#ifndef XENITH_SMD_FILE_SR_H
#define XENITH_SMD_FILE_SR_H

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/map.h"

#include "storage.gen.h"

/* Longer chains are not read, and are not made by half. */
#define FILE_MAX_DEPTH 64

struct file_node {
	char *name; /* of its file, in the SR's directory; owned */
	bool is_raw;
	bool is_ours; /* made by us: it goes when nobody refers to it any more */
	int64_t size_bytes; /* of its contents */
	struct file_node *parent; /* NULL: none */
	const char *problem; /* why it, or what is behind it, is not to be used, or NULL */
	unsigned n_refs; /* by VDIs, children, and fibers that are at work on it */
};

struct file_vdi {
	struct arena arena; /* of value */
	struct storage_vdi value;
	struct file_node *image;
	struct file_node *base; /* what its next boot begins from, or NULL: image */
};

struct file_sr {
	char *dir; /* owned; absolute */
	int lock_fd;
	struct arena arena; /* of about */
	struct storage_sr about; /* its id and names */
	struct map nodes; /* name to struct file_node */
	struct map vdis; /* id to struct file_vdi */
	struct mutex scanning;
	bool is_doubtful; /* something could not be understood: nothing is removed or guessed */
};

/* Opens the SR ID in DIR, takes it for this daemon, reads it and removes what is left over. */
MAY_WAIT must_check struct err *file_sr_open(struct file_sr **out, const char *dir, const char *id);
void file_sr_close(struct file_sr *sr);
/* Makes what was put into the directory VDIs. */
MAY_WAIT must_check struct err *file_sr_scan(struct file_sr *sr);
/* Writes sr.json. */
MAY_WAIT must_check struct err *file_sr_describe(const char *dir, const struct storage_sr *about);
/* Reads it; Does_not_exist. */
MAY_WAIT must_check struct err *file_sr_read(
	const char *dir, struct arena *a, struct storage_sr *out);
/* Removes the VDIs and the images that are theirs, and sr.json last. */
MAY_WAIT must_check struct err *file_sr_destroy(struct file_sr *sr);

/* Vdi_does_not_exist. Borrowed until the fiber waits without holding the VDI. */
must_check struct err *file_vdi_find(
	const struct file_sr *sr, const char *id, struct file_vdi **out);
/* Makes the VDI VALUE->vdi, or changes it: durably, and not cancelled once it began. */
MAY_WAIT must_check struct err *file_vdi_put(struct file_sr *sr, const struct storage_vdi *value,
	struct file_node *image, struct file_node *base);
MAY_WAIT must_check struct err *file_vdi_remove(struct file_sr *sr, struct file_vdi *vdi);

/* A name for a new image in front of PARENT (or NULL), with one reference, the caller's. */
struct file_node *file_node_new(
	struct file_sr *sr, struct file_node *parent, bool is_raw, int64_t size_bytes);
static inline void file_node_ref(struct file_node *n)
{
	n->n_refs++;
}
/* Gives a reference back; the file of one that nobody needs goes. */
MAY_WAIT void file_node_unref(struct file_sr *sr, struct file_node *n);
/* How many images are behind it, and itself. */
unsigned file_node_depth(const struct file_node *n);
/* Whether BEHIND is N, or one of those behind it. */
bool file_node_is_behind(const struct file_node *n, const struct file_node *behind);
char *file_node_path(const struct file_sr *sr, const struct file_node *n);
/* Looks at the files of a chain once more: each is what it was when it was read. Anybody who can
 * write to the directory could have put another there. */
MAY_WAIT must_check struct err *file_node_check(
	const struct file_sr *sr, const struct file_node *n);

#endif
