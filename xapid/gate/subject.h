/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subjects: users that PAM knows and that were given roles of the pool. A subject's identifier is
 * the name that its user logs in with. Nothing here waits.
 */
#ifndef XENITH_XAPID_GATE_SUBJECT_H
#define XENITH_XAPID_GATE_SUBJECT_H

/* The subject with this identifier; NULL: there is none. */
const char *subject_find(const char *identifier);
/* The highest of its roles, a name of the model's; NULL: it has none, or is gone. */
const char *subject_role(const char *ref);
/* Its roles have changed, or it has gone: its sessions have the role that it has now, or end. */
void subject_changed(const char *ref);

#endif
