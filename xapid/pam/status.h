/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xapid-pam (main.c) answers with, as xapid/gate/auth.c reads it: its exit status.
 */
#ifndef XENITH_XAPID_PAM_STATUS_H
#define XENITH_XAPID_PAM_STATUS_H

enum pam_exit {
	PAM_EXIT_ADMITTED = 0,
	PAM_EXIT_REFUSED = 3, /* no such user, another password, or he may not */
	PAM_EXIT_NOT_NOW = 4, /* the password is right, but is to be changed, or has expired */
	PAM_EXIT_FAILED = 5, /* PAM could not find out */
};

#endif
