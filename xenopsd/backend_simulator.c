/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulator's side in xenopsd: a backend (backend.h) without a hypervisor.
 */
#include "common/version.h"
#include "xenopsd/backend.h"

static MAY_WAIT struct err *begin(void)
{
	return NULL;
}

static void end(void)
{
}

const struct backend_ops xenopsd_backend = {
	.name = "simulator",
	.version = XENITH_VERSION,
	.begin = begin,
	.end = end,
};
