/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes from outside become the contents of a VDI. For that time smd knows xapid itself as the
 * VDI's user, by a datapath that is named after the task; one that a killed xapid left is ended
 * when the link comes up again (link/smd.c).
 */
#include "common/fiber.h"
#include "common/mem.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/link/nbd.h"
#include "xapid/link/smd.h"
#include "xapid/plan/metadata.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <inttypes.h>

#define PIECE ((size_t)65536) /* written at once: what is all zeroes of it stays a hole */

/* A plan under way; on the stack of its fiber. */
struct writing {
	struct call *call;
	const struct plan_bytes *from;
	const struct xenops_vdi_path *place;
	const char *dp;
	struct nbd *nbd;
	uint64_t done; /* bytes written */
};

/* It may be written, and nobody else has it. */
static struct err *check(const char *ref, uint64_t length)
{
	const struct xenapi_vdi *vdi;

	TRY(db_get(vdi, ref, &vdi));
	if (vdi->read_only || vdi->is_a_snapshot)
		return err(VDI_READONLY, ref);
	for (size_t i = 0; i < vdi->VBDs.n; i++)
		if (vbd_holds(db_find(vbd, vdi->VBDs.v[i])))
			return err(VDI_IN_USE, ref, "import");
	if (length <= (uint64_t)vdi->virtual_size)
		return NULL;
	auto_str text = xasprintf("%" PRIu64, length);
	return err(VDI_TOO_SMALL, ref, text);
}

static MAY_WAIT struct err *open_disk(struct writing *w)
{
	const char *sr = w->place->sr, *vdi = w->place->vdi, *path;
	struct arena *a = w->call->arena;
	const struct storage_vdi_attach_in attach = {w->dp, sr, vdi, .read_write = true, .vm = ""};
	const struct storage_vdi_activate_in activate = {w->dp, sr, vdi, .vm = ""};
	const struct storage_data_get_nbd_server_in serve = {w->dp, sr, vdi, .vm = ""};
	struct storage_implementation_list ways;

	TRY(link_error(storage_vdi_attach(link_smd.client, &attach, a, &ways, plan_soon()), NULL));
	TRY(link_error(storage_vdi_activate(link_smd.client, &activate, a, plan_soon()), NULL));
	TRY(link_error(
		storage_data_get_nbd_server(link_smd.client, &serve, a, &path, plan_soon()), NULL));
	return nbd_open(path, &w->nbd);
}

static MAY_WAIT struct err *put(struct writing *w, const void *bytes, size_t n)
{
	TRY(nbd_write(w->nbd, w->done, bytes, (uint32_t)n));
	w->done += n;
	call_progress(w->call, (double)w->done / (double)w->from->length);
	return NULL;
}

static MAY_WAIT struct err *copy(struct writing *w)
{
	auto_sbuf piece = {0};
	const char *bytes;
	size_t n;

	for (;;) {
		TRY(w->from->read(w->from->arg, &bytes, &n));
		if (!n)
			break;
		sbuf_add(&piece, bytes, n);
		while (sbuf_len(&piece) >= PIECE) {
			TRY(put(w, sbuf_data(&piece), PIECE));
			sbuf_consume(&piece, PIECE);
		}
		TRY(call_check(w->call));
	}
	if (sbuf_len(&piece))
		TRY(put(w, sbuf_data(&piece), sbuf_len(&piece)));
	return nbd_flush(w->nbd);
}

/* How much room it takes now. */
static MAY_WAIT struct err *note(struct writing *w, const char *ref)
{
	const struct storage_vdi_stat_in in = {w->place->sr, w->place->vdi};
	struct storage_vdi vdi;

	TRY(link_error(
		storage_vdi_stat(link_smd.client, &in, w->call->arena, &vdi, plan_soon()), NULL));
	return db_find(vdi, ref) ? smd_vdi_note(ref, &vdi) : NULL;
}

/* Whatever came of it, also when the call is cancelled. */
static MAY_WAIT struct err *let_go(struct writing *w)
{
	const struct storage_dp_destroy_in in = {w->dp, .allow_leak = true};

	nbd_close(w->nbd);
	fiber_cancel_mask();
	struct err *e = link_error(
		storage_dp_destroy(link_smd.client, &in, w->call->arena, plan_soon()), NULL);
	fiber_cancel_unmask();
	return e;
}

MAY_WAIT struct err *plan_vdi_write(struct call *c, const char *vdi, const struct plan_bytes *from)
{
	AUTO(plan_ops_end) struct plan_ops ops = {0};
	struct writing w = {.call = c, .from = from};

	TRY(plan_op(&ops, &vdi_rules, vdi, XENAPI_VDI_OPERATIONS_BLOCKED, c));
	TRY(check(vdi, from->length));
	const struct xenops_disk *disk = metadata_disk(vdi, c->arena);
	w.place = &disk->vdi;
	w.dp = arena_printf(c->arena, SMD_OWN_DATAPATH "%s", call_task(c));
	TRY(plan_commit());
	TRY(link_error(link_wait_up(&link_smd), NULL));
	struct err *e = open_disk(&w);
	if (!e)
		e = copy(&w);
	auto_err down = let_go(&w);
	if (!e && !down)
		e = note(&w, vdi);
	return e ? e : take(down);
}
