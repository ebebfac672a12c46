/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What networkd keeps of the host: the configurations of interfaces and bridges. What is marked
 * persistent is in a file of the state directory, the rest in one of the run directory, which a
 * reboot empties. The interfaces of guests are in guest.h.
 *
 * A configuration is never changed in place. A change copies it, the caller edits the copy and
 * makes the network like it, and change_commit writes it and puts it in the place of the old one:
 *
 *	AUTO(change_end) struct change change = {0};
 *	TRY(change_begin(&change));
 *	config_add_bridge(change.next, name)->mac = mac;
 *	TRY(bridge_apply(change.next, name));
 *	return change_commit(&change);
 */
#ifndef XENITH_NETWORKD_CONFIG_H
#define XENITH_NETWORKD_CONFIG_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

#include "network.gen.h"

struct config {
	struct arena arena; /* of all that follows */
	struct network_config kept;
};

/* Reads the two files into networkd.config. One that is not right is STORE_UNUSABLE; one that is
 * not there is empty. */
MAY_WAIT must_check struct err *config_load(void);
void config_free(struct config *c);

/* NULL when it is not there. */
struct network_interface_config *config_interface(const struct config *c, const char *name);
struct network_bridge_config *config_bridge(const struct config *c, const char *name);
/* What is there, or a new one with defaults. */
struct network_interface_config *config_add_interface(struct config *c, const char *name);
struct network_bridge_config *config_add_bridge(struct config *c, const char *name);
/* Whether there was one. */
bool config_remove_interface(struct config *c, const char *name);
bool config_remove_bridge(struct config *c, const char *name);

/* One change at a time. Zeroed before. */
struct change {
	struct config *next; /* owned; NULL: guests alone are changed */
	bool is_locked;
};

/* Waits for its turn; from then on the fiber is not cancelled: a change is made whole. */
MAY_WAIT must_check struct err *change_hold(struct change *change);
/* The same, for a change of the configuration. */
MAY_WAIT must_check struct err *change_begin(struct change *change);
/* What the change says is on the disk, and is what networkd keeps. */
MAY_WAIT must_check struct err *change_commit(struct change *change);
void change_end(struct change *change);

#endif
