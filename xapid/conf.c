/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings of xapid (xapid.h), apart from main.c, so that unit tests have them.
 */
#include "xapid/xapid.h"

struct xapid_conf xapid_conf;
