/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What grows with the number of objects: all records of a class, memory, start-up, one object among
 * many.
 */
#include "tests/bench/xapid_rows.h"

void xapid_records(struct xapid_rows *rows)
{
}
