/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: frames of xe's protocol. One that is read is written again as the same bytes.
 */
#include "xapid/cli/thin.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	auto_arena a = {0};
	auto_sbuf again = {0};
	struct thin_message m;
	auto_err e = thin_parse((const char *)bytes, size, &a, &m);

	if (e)
		return 0;
	thin_put(&again, &m);
	assert(sbuf_len(&again) == size + 4);
	assert(!memcmp(sbuf_data(&again) + 4, bytes, size));
	return 0;
}
