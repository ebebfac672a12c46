/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all of xapid knows: its settings. The parts follow one another as a call does, and no part
 * includes the header of one before it: door, gate, api, plan, link; db serves them all.
 */
#ifndef XENITH_XAPID_XAPID_H
#define XENITH_XAPID_XAPID_H

#include "common/daemon.h"

/* Where accounts are looked up. */
enum xapid_auth { XAPID_AUTH_PAM, XAPID_AUTH_FILE };

/* What those are whom PAM lets in, beside root. */
enum xapid_users { XAPID_USERS_SUPERUSER, XAPID_USERS_SUBJECT };

/* From xapid.conf. */
struct xapid_conf {
	char *address; /* to listen on, of both ports */
	int64_t port; /* HTTP; 0: not */
	int64_t tls_port; /* HTTPS; 0: not */
	int64_t connections; /* so many may be open */
	int64_t session_rate; /* calls a second of one session; 0: as many as it likes */
	int64_t caller_wait_ns; /* that a call of a limited caller waits for its turn */
	bool register_callers; /* those who call have a row of their own */
	int64_t idle_ns; /* after which one without a request is closed */
	int auth; /* enum xapid_auth */
	int pam_users; /* enum xapid_users */
	int64_t login_ns; /* PAM answers within this time, or nobody is let in */
	char *plugins; /* the folder of the host's plugins; "": plugins, in libexec */
	char *shutdown_command, *reboot_command; /* of host.shutdown and host.reboot */
	char *uefi_tools; /* the folder of varstore-ls and varstore-sb-state */
	char *uefi_certificates; /* the folder of the guests' certificates for secure boot */
	char *sys; /* where the kernel tells of devices: /sys */
	char *pci_ids; /* the list of names of PCI devices */
	int64_t guests_stop_ns; /* that guests have to shut down when the toolstack stops */
	char *logs; /* the folder of the daemons' logs; "": they are in the journal */
	int64_t audit_size; /* bytes of a file of the audit */
	int64_t audit_files; /* older ones that are kept */
	int64_t cache_size; /* bytes for the wire forms of records */
	int64_t backup_ns; /* between copies of the database */
	int64_t heartbeat_ns;
	int64_t evacuation_batch; /* between the hosts of a pool */
	char *withheld; /* a message that is answered as if it were not built; "": none */
};

extern struct xapid_conf xapid_conf;

/* What it does instead of serving (tool.c). */
extern const struct daemon_tool xapid_tools[];

#endif
