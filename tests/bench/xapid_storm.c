/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes all at once: an event to many clients, many VMs that start, thousands of connections.
 */
#include "tests/bench/xapid_rows.h"

void xapid_storm(struct xapid_rows *rows)
{
}
