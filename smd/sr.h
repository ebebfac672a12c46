/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The SRs that are attached to this host, durably: a row of the store each. Many fibers work in an
 * SR at once; attaching, detaching and destroying it is done alone. A hold is taken before an SR is
 * looked at, and given back at the end of the scope:
 *
 *	AUTO(sr_hold_end) struct sr_hold hold = {0};
 *	TRY(sr_hold(&hold, in->sr));
 *	… hold.sr …
 *
 * Who has an SR alone is not cancelled: what it began is ended.
 */
#ifndef XENITH_SMD_SR_H
#define XENITH_SMD_SR_H

#include "common/arena.h"
#include "common/fiber.h"
#include "smd/backend.h"

struct sr {
	struct arena arena; /* of what follows */
	const char *id;
	struct storage_sr_attach_in how; /* as it was attached */
	const struct backend *backend;
	void *state; /* the backend's; NULL while it is not attached */
	enum storage_sr_health health;
	unsigned n_shared; /* holds */
	unsigned n_waiting; /* for the SR alone; new shared holds wait behind them */
	bool is_alone; /* somebody has it alone */
	bool is_gone; /* it is in smd.srs no more */
	unsigned n_users; /* fibers with a hold, or waiting for one */
	struct cond changed;
};

struct sr_hold {
	struct sr *sr;
	bool is_alone;
};

/* Sr_not_attached; Sr_unhealthy. */
MAY_WAIT must_check struct err *sr_hold(struct sr_hold *h, const char *id);
/* Once more what the fiber has a hold of already; does not wait. */
void sr_hold_again(struct sr_hold *h, struct sr *held);
void sr_hold_end(struct sr_hold *h);

/* Reads the rows and attaches every SR again; what cannot be is there and unhealthy. */
MAY_WAIT must_check struct err *srs_open(void);
/* At the end: frees all, changes nothing. */
void srs_close(void);

MAY_WAIT must_check struct err *sr_attach(const struct storage_sr_attach_in *in);
/* Takes down what is attached in it first. */
MAY_WAIT must_check struct err *sr_detach(const char *id);
MAY_WAIT must_check struct err *sr_destroy(const char *id);
/* Forgets the SR's datapaths. */
MAY_WAIT must_check struct err *sr_reset(const char *id);

/* The value of a key of its device configuration; NULL when there is none. */
const char *secret_map_get(const struct storage_secret_map *m, const char *key);

#endif
