/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who uses which VDI. A datapath is a row of the store; the record is never below what is really
 * there: on the way up it is written before the driver acts, on the way down after. So whatever
 * was in flight when the daemon was killed is found by its record and put right: brought up again
 * at the start, and taken down by who asked for it, whose call had no answer.
 *
 * A VDI is held while it, or its use, is changed:
 *
 *	AUTO(vdi_hold_end) struct vdi_hold hold = {0};
 *	TRY(vdi_hold(&hold, in->sr, in->vdi));
 */
#ifndef XENITH_SMD_DATAPATH_H
#define XENITH_SMD_DATAPATH_H

#include "common/fiber.h"
#include "common/list.h"
#include "smd/automaton.h"
#include "smd/sr.h"

/* The first part of the names of datapaths that this daemon itself uses. */
#define OWN_DATAPATH "smd/"

/* A VDI that is used or being worked on. */
struct vdi {
	char *key; /* owned: "SR/VDI" */
	struct mutex busy;
	unsigned n_users; /* fibers with a hold, or waiting for one */
	struct list datapaths; /* struct datapath */
};

struct datapath {
	struct list link; /* in its VDI's */
	struct arena arena; /* of value */
	struct storage_datapath value; /* but for state, which is: */
	enum dp_state state;
	struct vdi *vdi;
	struct nbd_server *nbd; /* owned; NULL: nobody has asked for one */
};

struct vdi_hold {
	struct sr_hold sr; /* .sr.sr is the SR */
	struct vdi *vdi;
	const char *id; /* borrowed */
};

MAY_WAIT must_check struct err *vdi_hold(struct vdi_hold *h, const char *sr, const char *vdi);
/* A VDI of an SR that the fiber has a hold of. */
MAY_WAIT must_check struct err *vdi_hold_in(struct vdi_hold *h, struct sr *held, const char *vdi);
void vdi_hold_end(struct vdi_hold *h);
/* Illegal_transition when the held VDI has a user (one that only reads is fine where MAY_READ). */
must_check struct err *vdi_require_unused(
	const struct vdi_hold *h, bool may_read, const char *for_what);

/* Illegal_transition when DP is not the held VDI's only user, or does not write. */
must_check struct err *vdi_require_writer(
	const struct vdi_hold *h, const char *dp, const char *for_what);

/* Reads the rows: before the SRs are attached. */
must_check struct err *datapaths_load(void);
/* Brings what the SR's datapaths say about again: when it was attached. */
MAY_WAIT void datapaths_recheck(struct sr *sr);
/* Ends what this daemon itself used when it was last killed: when the SRs are attached. */
MAY_WAIT void datapaths_end_own(void);
void datapaths_close(void);

/* One step of a user of the held VDI; not cancelled once it began. */
MAY_WAIT must_check struct err *datapath_step(
	const struct vdi_hold *h, const char *dp, const char *vm, enum dp_op op);
/* The socket of the NBD server of a user of the held VDI, which is started when it is first asked
 * for and ends before the user is deactivated. Illegal_transition: it is not activated. */
MAY_WAIT must_check struct err *datapath_serve(
	const struct vdi_hold *h, const char *dp, struct arena *a, const char **out);
/* Down to nothing. With ALLOW_LEAK a driver that fails is no error: it is tried again before the
 * VDI is used the next time. One that is not there is fine. */
MAY_WAIT must_check struct err *datapath_destroy(const char *dp, bool allow_leak);
/* Every datapath of an SR that is held alone: taken down, failures logged; or only forgotten. */
MAY_WAIT must_check struct err *datapaths_end(struct sr *sr, bool tell_driver);

struct datapath *datapath_find(const char *dp);

#endif
