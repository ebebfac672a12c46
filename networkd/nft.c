/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Has libnftables carry out a transaction (nft.h).
 */
#include "networkd/nft.h"

#include <nftables/libnftables.h>
#include <string.h>

static void free_context(struct nft_ctx **context)
{
	if (*context)
		nft_ctx_free(*context);
}

/* Of what may be a page: its first line says it. */
static const char *first_line(const char *text, struct arena *a)
{
	return arena_strndup(a, text, strcspn(text, "\n"));
}

const char *nft_run(const char *text, struct arena *a)
{
	AUTO(free_context) struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!context || nft_ctx_buffer_output(context) || nft_ctx_buffer_error(context))
		return "libnftables could not begin";
	if (!nft_run_cmd_from_buffer(context, text))
		return NULL;
	return first_line(nft_ctx_get_error_buffer(context), a);
}
