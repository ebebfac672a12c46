/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The link to rrdd. Its documents go to clients as they are (api/rrd.c); nothing of them is kept in
 * the database.
 */
#include "xapid/link/link.h"

static const struct link_spec spec = {.daemon = "rrdd"};
struct link link_rrdd = {.spec = &spec};
