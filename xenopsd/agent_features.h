/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What agents in guests are told that they may do: the same for every guest of the host, those that
 * are started later too. Kept in a file of the run directory. Loop thread.
 */
#ifndef XENITH_XENOPSD_AGENT_FEATURES_H
#define XENITH_XENOPSD_AGENT_FEATURES_H

#include "xenopsd/vm.h"

/* Before the first of the others, and after the last. */
must_check struct err *agent_features_begin(void);
void agent_features_end(void);

/* From now on it is these; guests that are up are told in their VMs' turns. */
must_check struct err *agent_features_set(const struct xenops_guest_agent_feature_list *features);
/* Tells the guest whose domain has just been made; in the VM's turn. */
MAY_WAIT must_check struct err *agent_features_tell(struct vm *vm);

#endif
