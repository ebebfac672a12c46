/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All state of networkd: what it keeps (config.h) and what it sets it up with (net.h). Only fibers
 * touch it.
 */
#ifndef XENITH_NETWORKD_NETWORKD_H
#define XENITH_NETWORKD_NETWORKD_H

#include "common/fiber.h"
#include "common/map.h"

struct config;
struct net_ops;

struct networkd {
	const struct net_ops *net;
	struct config *config; /* owned; replaced as a whole, never changed in place */
	struct mutex changing; /* held over each change, from reading the config to replacing it */
	char *state_path; /* owned, as the two below: what is kept over a reboot */
	char *run_path; /* what is kept until one */
	struct map guests; /* of guest.h, by interface; owned */
	char *guests_dir; /* owned; their files, until a reboot too */
};

extern struct networkd networkd;

#endif
