/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The call of class SM: which types of SR there are.
 */
#include "common/codec.h"
#include "common/rpc.h"
#include "smd/backend.h"

MAY_WAIT struct err *api_sm_list(struct call *c, struct storage_driver_list *out)
{
	size_t n = 0;

	while (backends[n])
		n++;
	out->v = arena_calloc(c->arena, n, sizeof(*out->v));
	for (out->n = 0; out->n < n; out->n++)
		codec_copy(
			&storage_type_driver, backends[out->n]->about, c->arena, &out->v[out->n]);
	return NULL;
}
