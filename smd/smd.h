/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All state of smd: the SRs of this host (sr.h) and who uses their VDIs (datapath.h), both kept in
 * the store. Only fibers touch it.
 */
#ifndef XENITH_SMD_SMD_H
#define XENITH_SMD_SMD_H

#include "common/map.h"

struct store;

struct smd {
	struct store *store; /* smd.db; its tables are "host", "sr" and "datapath" */
	struct map srs; /* id to struct sr: attached, or on the way to it */
	struct map vdis; /* "SR/VDI" to struct vdi: those in use, or being worked on */
	struct map datapaths; /* id to struct datapath */
};

extern struct smd smd;

/* What the configuration says. */
struct smd_conf {
	char *qemu_img, *qemu_nbd; /* the programs, paths or names */
};

extern struct smd_conf smd_conf;

#endif
