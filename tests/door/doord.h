/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of doord share: main.c, which is the daemon, and gate.c, which stands where xapid
 * has its gate.
 */
#ifndef XENITH_TESTS_DOOR_DOORD_H
#define XENITH_TESTS_DOOR_DOORD_H

#include "common/err.h"

#include <string.h>

/* An error with parameters that have to be escaped in every form. */
must_check struct err *doord_failure(void);
/* There is one already. */
must_check struct err *doord_limit(void);

#endif
