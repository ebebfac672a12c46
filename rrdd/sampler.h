/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The round: each 5 seconds, on the whole 5 seconds of the clock, the host's files are read,
 * xenopsd is asked once for all VMs, and each owner gets a row. Each hour the long archives are
 * fed.
 */
#ifndef XENITH_RRDD_SAMPLER_H
#define XENITH_RRDD_SAMPLER_H

#include "common/err.h"

/* Spawns the fiber that goes round until the daemon ends. */
must_check struct err *sampler_start(void);

#endif
