/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: the head of a qcow2 image (smd/qcow2.c). What is taken is within its bounds.
 */
#include "smd/qcow2.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct qcow2_head head;

	memset(&head, 0xff, sizeof(head));
	if (qcow2_read(bytes, n, &head))
		return 0;
	assert(head.virtual_size_bytes >= 0);
	assert(strlen(head.backing) < sizeof(head.backing));
	assert(strlen(head.backing_format) < sizeof(head.backing_format));
	return 0;
}
