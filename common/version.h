/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The version of Xenith, once for every program. Packages and documents take it from here.
 */
#ifndef XENITH_COMMON_VERSION_H
#define XENITH_COMMON_VERSION_H

#define XENITH_VERSION "0.1.0"

#endif
