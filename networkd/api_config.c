/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of class Config: what networkd keeps. Only Config.get is built yet.
 */
#include "common/codec.h"
#include "common/rpc.h"
#include "networkd/config.h"
#include "networkd/networkd.h"

MAY_WAIT struct err *api_config_get(struct call *c, struct network_config *out)
{
	codec_copy(&network_type_config, &networkd.config->kept, c->arena, out);
	return NULL;
}
