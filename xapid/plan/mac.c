/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MAC addresses (mac.h). The two lowest bits of the first byte say that it is one card's, and not
 * its maker's.
 */
#include "xapid/plan/mac.h"

#include "common/uuid.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

char *mac_random(char out[static MAC_TEXT_SIZE])
{
	unsigned char b[6];

	random_bytes(b, sizeof(b));
	b[0] = (unsigned char)((b[0] & 0xfc) | 2);
	snprintf(out, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		b[5]);
	return out;
}

bool mac_is_valid(const char *text)
{
	if (strlen(text) != MAC_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < MAC_TEXT_SIZE - 1; i++) {
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}
