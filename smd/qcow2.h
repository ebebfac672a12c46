/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the head of a qcow2 image, which anybody may have made: what it refers to is looked at
 * before any program opens it. Pure; any thread.
 */
#ifndef XENITH_SMD_QCOW2_H
#define XENITH_SMD_QCOW2_H

#include "common/dialect.h"

/* This much of a file's beginning is enough to read every head. */
#define QCOW2_HEAD_BYTES 65536

struct qcow2_head {
	int64_t virtual_size_bytes;
	char backing[1024]; /* the name of the backing file as the image has it; "": none */
	char backing_format[32]; /* "": the image does not say */
};

/* NULL and *OUT; else why the image is not one that we open: no qcow2, damaged, encrypted, with its
 * data in another file or with features that nobody knows yet. */
must_check const char *qcow2_read(const void *bytes, size_t n, struct qcow2_head *out);

#endif
