/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MAC addresses of virtual network interfaces: made up, and looked at.
 */
#ifndef XENITH_XAPID_PLAN_MAC_H
#define XENITH_XAPID_PLAN_MAC_H

#include "common/dialect.h"

#define MAC_TEXT_SIZE 18

/* One that nobody has: random, of one card, administered locally. Returns OUT. */
char *mac_random(char out[static MAC_TEXT_SIZE]);
/* Whether TEXT is six bytes in hexadecimal with colons between. */
bool mac_is_valid(const char *text);

#endif
