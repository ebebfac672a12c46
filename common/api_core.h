/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handlers of idl/core.idl are in api_core.c; their prototypes are generated. The tables refer
 * to them weakly, which takes nothing out of an archive: who serves refers to this instead.
 */
#ifndef XENITH_COMMON_API_CORE_H
#define XENITH_COMMON_API_CORE_H

extern const char api_core_is_linked;

#endif
