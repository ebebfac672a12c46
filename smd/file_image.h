/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes and changes the images of an SR of type file: raw ones by itself, qcow2 ones by qemu-img, a
 * helper process. What is made is on the disk when a function returns. Fibers.
 */
#ifndef XENITH_SMD_FILE_IMAGE_H
#define XENITH_SMD_FILE_IMAGE_H

#include "smd/file_sr.h"

/* Makes the file of a new node: sparse and empty, or what is behind it. */
MAY_WAIT must_check struct err *file_image_create(
	const struct file_sr *sr, const struct file_node *n);
/* The same with the contents of another image. */
MAY_WAIT must_check struct err *file_image_copy(
	const struct file_sr *sr, const struct file_node *n, const struct storage_image_file *from);
/* Makes an image larger that nobody else refers to. */
MAY_WAIT must_check struct err *file_image_grow(
	const struct file_sr *sr, const struct file_node *n, int64_t size_bytes);
/* Bytes on the disk of one image. */
MAY_WAIT must_check struct err *file_image_usage(
	const struct file_sr *sr, const struct file_node *n, int64_t *out);

#endif
