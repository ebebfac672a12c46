/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of guests (guest_rules.h). What comes from a guest is looked at before the bridge
 * forwards it, what goes to it after, so neither other guests nor the host see what may not pass.
 */
#include "networkd/guest_rules.h"

#include "common/arena.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define TABLE "bridge xenith"
/* So that a packet of the largest size that the kernel hands over passes at any rate. */
#define MIN_BURST_KBYTES 128

bool guest_is_free(const struct network_vif *vif)
{
	return vif->locking_mode.kind == NETWORK_LOCKING_MODE_UNLOCKED && !vif->rate;
}

void guest_rules_begin(struct sbuf *out)
{
	sbuf_adds(out,
		"add table " TABLE "\n"
		"delete table " TABLE "\n"
		"add table " TABLE "\n"
		"add map " TABLE " from { type ifname : verdict; }\n"
		"add map " TABLE " to { type ifname : verdict; }\n"
		"add chain " TABLE " senders "
		"{ type filter hook prerouting priority -200; policy accept; }\n"
		"add chain " TABLE " receivers "
		"{ type filter hook postrouting priority -200; policy accept; }\n"
		"add rule " TABLE " senders iifname vmap @from\n"
		"add rule " TABLE " receivers oifname vmap @to\n");
}

/* ---- a guest's own chain ---- */

static void rule(const struct network_vif *vif, struct sbuf *out, const char *words)
{
	sbuf_printf(out, "add rule " TABLE " guest-%s %s\n", vif->interface, words);
}

static void put_rate(const struct network_vif *vif, struct sbuf *out)
{
	int64_t burst = vif->rate->kbytes_per_s * vif->rate->timeslice_us / 1000000;
	char words[128];

	snprintf(words, sizeof(words), "limit rate over %lld kbytes/second burst %lld kbytes drop",
		(long long)vif->rate->kbytes_per_s,
		(long long)(burst > MIN_BURST_KBYTES ? burst : MIN_BURST_KBYTES));
	rule(vif, out, words);
}

/* "a, b" */
static const char *joined(const struct string_list *list, struct arena *a)
{
	const char *text = "";

	for (size_t i = 0; i < list->n; i++)
		text = arena_printf(a, "%s%s%s", text, i ? ", " : "", list->v[i]);
	return text;
}

static void put_ipv4(const struct network_vif *vif, struct arena *a, struct sbuf *out)
{
	const struct string_list *allowed = &vif->locking_mode.locked.ipv4;
	const char *addresses = joined(allowed, a);

	if (!allowed->n)
		return;
	/* 0.0.0.0: it asks whether somebody has its address before it takes it */
	rule(vif, out,
		arena_printf(a, "arp saddr ether %s arp saddr ip { 0.0.0.0, %s } accept", vif->mac,
			addresses));
	rule(vif, out, arena_printf(a, "ip saddr { %s } accept", addresses));
	rule(vif, out,
		"ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept");
}

/* As nftables writes the bytes of a packet that it has no name for. */
static const char *as_number(const char *address, struct arena *a)
{
	unsigned char bytes[16] = {0};
	const char *text = "0x";

	inet_pton(AF_INET6, address, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		text = arena_printf(a, "%s%02x", text, bytes[i]);
	return text;
}

/* The address that every IPv6 host makes of its MAC. */
static const char *link_local(const char *mac, struct arena *a)
{
	unsigned b[6] = {0};

	sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]);
	return arena_printf(
		a, "fe80::%02x%02x:%02xff:fe%02x:%02x%02x", b[0] ^ 2, b[1], b[2], b[3], b[4], b[5]);
}

static void put_ipv6(const struct network_vif *vif, struct arena *a, struct sbuf *out)
{
	const struct string_list *allowed = &vif->locking_mode.locked.ipv6;
	const char *own = link_local(vif->mac, a), *targets = as_number(own, a);

	if (!allowed->n)
		return;
	for (size_t i = 0; i < allowed->n; i++)
		targets = arena_printf(a, "%s, %s", targets, as_number(allowed->v[i], a));
	/* It speaks for no other address, and is no router. */
	rule(vif, out,
		arena_printf(
			a, "icmpv6 type nd-neighbor-advert @th,64,128 != { %s } drop", targets));
	rule(vif, out, "icmpv6 type { nd-router-advert, nd-redirect } drop");
	rule(vif, out, arena_printf(a, "ip6 saddr { %s, %s } accept", own, joined(allowed, a)));
	/* ::, as 0.0.0.0 above */
	rule(vif, out,
		arena_printf(a,
			"ip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128 { %s } accept",
			targets));
}

static void put_locked(const struct network_vif *vif, struct sbuf *out)
{
	auto_arena a = {0};

	rule(vif, out, arena_printf(&a, "ether saddr != %s drop", vif->mac));
	/* a tag would hide what is behind it */
	rule(vif, out, "ether type { 8021q, 8021ad } drop");
	put_ipv4(vif, &a, out);
	put_ipv6(vif, &a, out);
	rule(vif, out, "drop");
}

void guest_rules_drop(const char *interface, struct sbuf *out)
{
	/* What is not there cannot be deleted, so all of it is made first. */
	sbuf_printf(out, "add chain " TABLE " guest-%s\n", interface);
	sbuf_printf(out, "add element " TABLE " from { \"%s\" : goto guest-%s }\n", interface,
		interface);
	sbuf_printf(out, "delete element " TABLE " from { \"%s\" }\n", interface);
	sbuf_printf(out, "add element " TABLE " to { \"%s\" : drop }\n", interface);
	sbuf_printf(out, "delete element " TABLE " to { \"%s\" }\n", interface);
	sbuf_printf(out, "flush chain " TABLE " guest-%s\n", interface);
	sbuf_printf(out, "delete chain " TABLE " guest-%s\n", interface);
}

void guest_rules_put(const struct network_vif *vif, struct sbuf *out)
{
	guest_rules_drop(vif->interface, out);
	if (guest_is_free(vif))
		return;
	sbuf_printf(out, "add chain " TABLE " guest-%s\n", vif->interface);
	if (vif->rate)
		put_rate(vif, out);
	switch (vif->locking_mode.kind) {
	case NETWORK_LOCKING_MODE_UNLOCKED:
		break;
	case NETWORK_LOCKING_MODE_DISABLED:
		rule(vif, out, "drop");
		sbuf_printf(out, "add element " TABLE " to { \"%s\" : drop }\n", vif->interface);
		break;
	case NETWORK_LOCKING_MODE_LOCKED:
		put_locked(vif, out);
		break;
	}
	sbuf_printf(out, "add element " TABLE " from { \"%s\" : goto guest-%s }\n", vif->interface,
		vif->interface);
}
