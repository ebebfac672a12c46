/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The demo host of `xenith up --demo`: a default SR, a template and a VM, made by calls of the
 * XenAPI that any client could make.
 */
#ifndef XENITH_PACKAGING_XENITH_DEMO_H
#define XENITH_PACKAGING_XENITH_DEMO_H

#include "common/dialect.h"
#include "common/err.h"
#include "packaging/xenith/options.h"

/*
 * Makes what is missing of it and leaves alone what is there, whoever made it: so a second time
 * changes nothing, and what a kill left half done is completed. Prints what is there then.
 */
MAY_WAIT must_check struct err *demo_make(const struct options *o);

#endif
