/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM with all its devices as one record: to be added at once, and to be carried elsewhere.
 */
#ifndef XENITH_XENOPSD_METADATA_H
#define XENITH_XENOPSD_METADATA_H

#include "xenopsd/vm.h"

/* Whether the devices are those of the VM. INVALID_VALUE. */
must_check struct err *metadata_check(const struct xenops_metadata *m);
/* Adds the VM; there must be none of this id. */
MAY_WAIT must_check struct err *metadata_add(const struct xenops_metadata *m);
/* Makes VM like it, in its turn: devices that are not in it go. */
MAY_WAIT must_check struct err *metadata_apply(struct vm *vm, const struct xenops_metadata *m);
/* Gives the devices to one that has none, and whom nobody knows: watchers are not told. */
must_check struct err *metadata_fill(struct vm *vm, const struct xenops_metadata *m);
/* All but `domain`; copied. */
void metadata_of(const struct vm *vm, struct arena *a, struct xenops_metadata *out);

#endif
