/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMs that go from one host to another while they run. How the two ends speak is in channel.h, what
 * each does in plan_migrate.c and plan_receive.c.
 *
 * The receiver decides: until it has noted that the VM is there (phase "arrived"), it drops what it
 * has when anything goes wrong, the end of the connection among it. The sender lets the guest
 * stand and notes that the other one decides (phase "handed_over") before it says so; from then on
 * it does nothing with the VM until it has heard the decision, if need be by asking for it later.
 * So whoever is killed when, one of the two has the VM.
 */
#ifndef XENITH_XENOPSD_MIGRATION_H
#define XENITH_XENOPSD_MIGRATION_H

#include "common/err.h"
#include "xenops.gen.h"
#include "xenopsd.gen.h"
#include "xenopsd/vm.h"

struct channel;
struct plan;
struct rpc_client;
struct task;

/* One end of a migration that is under way. */
struct migration {
	struct channel *channel; /* owned; NULL: not connected */
	struct rpc_client *client; /* owned; by which it was connected, or NULL */
	const struct xenops_vm_migrate_in *in; /* of the sender; borrowed, as hello */
	const struct xenopsd_migration_hello *hello; /* of the receiver */
	bool has_arrived; /* the receiver has decided: it may not say that it has failed */
};

/* ---- migration.c ---- */

/*
 * Connects to the xenopsd behind URL, for VM, and greets. "unix:PATH": another one on this machine,
 * by its socket; "http:" and "https:": by way of its xapid (dial.h).
 * Failed_to_contact_remote_service; INVALID_VALUE for other schemes.
 */
MAY_WAIT must_check struct err *migration_connect(
	struct migration *m, const struct vm *vm, const char *url);
/* Harmless on a zeroed one. */
void migration_fini(struct migration *m);
/* The VM as the receiver is to have it, with the maps of M->in; in the arena. INVALID_VALUE for a
 * map that names no device. */
must_check struct err *migration_metadata(const struct vm *vm, const struct migration *m,
	struct arena *a, struct xenops_metadata *out);
/* Removes the VM, if P has taken it away to the end; else it is tried again. */
MAY_WAIT must_check struct err *migration_drop(struct plan *p);

/* ---- plan_migrate.c ---- */

/* Sends a running VM elsewhere, and removes it here. Whatever goes wrong, it runs here or there. */
MAY_WAIT must_check struct err *vm_migrate(
	struct vm *vm, const struct xenops_vm_migrate_in *in, struct task *task);
/* Ends one whose sending was not ended: it goes on here, or goes. */
MAY_WAIT must_check struct err *vm_settle_sent(struct vm *vm);

/* ---- plan_receive.c ---- */

/* Takes in what comes over M->channel, a VM or the question for one. OUT: which; in the arena. */
MAY_WAIT must_check struct err *vm_receive(
	struct migration *m, struct arena *a, struct task *task, const char **out);
/* Ends one whose coming was not ended: it runs, or goes. */
MAY_WAIT must_check struct err *vm_settle_received(struct vm *vm);

#endif
