/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: our JSON reader and writer beside jansson on any bytes.
 */
#include "tests/unit/json_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	json_oracle_check((const char *)bytes, size);
	return 0;
}
