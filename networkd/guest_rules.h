/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest may send, as the words of nftables: a table `xenith` of the family bridge, in which
 * each guest that is held to something has a chain of its own, found by its interface's name. The
 * text is whole transactions for nft.h; every one may be said again. No state, any thread.
 */
#ifndef XENITH_NETWORKD_GUEST_RULES_H
#define XENITH_NETWORKD_GUEST_RULES_H

#include "common/sbuf.h"

#include "network.gen.h"

/* Whether it may send what it wants, as fast as it can: then it needs no rules. */
bool guest_is_free(const struct network_vif *vif);

/* The table anew, without any guest. */
void guest_rules_begin(struct sbuf *out);
/* Holds the guest to its settings, whatever it was held to before. Its addresses are canonical. */
void guest_rules_put(const struct network_vif *vif, struct sbuf *out);
/* Holds it to nothing. */
void guest_rules_drop(const char *interface, struct sbuf *out);

#endif
