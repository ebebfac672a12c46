/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store's writer thread, for common/store*.c alone. It owns the file from its start to its end;
 * the loop gives it changes and takes what became of them. All functions are for the loop's thread.
 */
#ifndef XENITH_COMMON_STORE_WRITER_H
#define XENITH_COMMON_STORE_WRITER_H

#include "common/store_file.h"

struct store_writer;

struct store_writer_options {
	struct store_file *file; /* taken over; closed at the end */
	void (*on_news)(void *arg); /* from the writer's thread: look at the news */
	void *arg;
	void (*on_fatal)(
		const char *why, void *owner); /* from the writer's thread; ends the process */
	void *owner;
};

/* What happened since the last look. The lists are of struct store_change, oldest first. */
struct store_news {
	struct list done; /* durable now */
	struct list undone; /* failed, and all that was queued behind */
	char *problem; /* owned; why they are undone or the probe failed; NULL: neither */
	bool is_writable_again;
	bool is_backup_ended;
	struct err *backup_error; /* owned */
	uint64_t commits, checkpoints, largest_batch; /* so far */
};

must_check struct err *store_writer_start(
	struct store_writer **out, const struct store_writer_options *options);
/* Writes what is queued, ends the thread, closes the file. The news can still be looked at. */
void store_writer_stop(struct store_writer *w);
/* Nothing that it holds may be needed any more. */
void store_writer_free(struct store_writer *w);

/* Takes over the list. Not while changes are refused for want of space. */
void store_writer_add(struct store_writer *w, struct list *changes);
/* After a failure for want of space: see whether there is some. */
void store_writer_probe(struct store_writer *w);
void store_writer_backup(struct store_writer *w);
void store_writer_news(struct store_writer *w, struct store_news *news);

#endif
