/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP handlers of the original that are not there yet answer 501 with their name.
 */
#ifndef XENITH_XAPID_API_UNBUILT_H
#define XENITH_XAPID_API_UNBUILT_H

/* Has the door refuse them: before it opens. */
void unbuilt_serve(void);

#endif
