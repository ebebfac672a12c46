/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VIF: what a guest may send, and which VLANs go through to it. A VIF that is plugged is told at
 * once, and nothing has changed where it cannot be; the others are told when they are plugged.
 */
#include "common/codec.h"
#include "xapid/db/db.h"
#include "xapid/gate/call.h"
#include "xapid/plan/plan.h"
#include "xapid/rules/rules.h"

#include <arpa/inet.h>
#include <string.h>

#define MAX_VLAN 4094

static struct err *check_addresses(int family, const struct string_list *list)
{
	unsigned char out[sizeof(struct in6_addr)];

	for (size_t i = 0; i < list->n; i++)
		if (inet_pton(family, list->v[i], out) != 1)
			return err(INVALID_IP_ADDRESS_SPECIFIED,
				family == AF_INET ? "ipv4_allowed" : "ipv6_allowed");
	return NULL;
}

static struct err *check_address(int family, const char *address)
{
	const struct string_list one = {&address, 1};

	return check_addresses(family, &one);
}

/* ---- changing and telling ---- */

/* A field as it was before. */
struct was {
	struct call *call;
	const char *ref;
	const struct field *field;
	void *value;
};

static struct err *note_was(struct call *c, const char *ref, const char *field, struct was *out)
{
	const struct field *f = db_field_named(&xenapi_class_vif, field);
	const struct db_row *row = db_row(&xenapi_class_vif, ref);

	if (!row)
		return err(HANDLE_INVALID, "VIF", ref);
	*out = (struct was){c, ref, f, arena_calloc(c->arena, 1, f->type->size)};
	codec_copy(f->type, db_value(row, f), c->arena, out->value);
	return NULL;
}

/* Takes over E, what telling gave. */
static struct err *or_as_before(struct err *e, const struct was *was)
{
	if (e && db_find(vif, was->ref))
		err_free(db_write_at(&xenapi_class_vif, was->ref, was->field->offset, was->value));
	return e;
}

static MAY_WAIT struct err *tell_lock(const struct was *was)
{
	return or_as_before(plan_vif_lock(was->call, was->ref), was);
}

/* A change of addresses counts for one that is locked alone. */
static MAY_WAIT struct err *tell_addresses(const struct was *was)
{
	const struct xenapi_vif *vif = db_find(vif, was->ref);

	return vif && vif->locking_mode == XENAPI_VIF_LOCKING_MODE_LOCKED ? tell_lock(was) : NULL;
}

static MAY_WAIT struct err *tell_trunks(const struct was *was)
{
	return or_as_before(plan_vif_trunk(was->call, was->ref), was);
}

MAY_WAIT struct err *xapi_vif_set_locking_mode(
	struct call *c, const struct xenapi_vif_set_locking_mode_in *in)
{
	struct was was;

	TRY(note_was(c, in->self, "locking_mode", &was));
	TRY(db_write(vif, in->self, locking_mode, in->value));
	return tell_lock(&was);
}

/* ---- addresses ---- */

MAY_WAIT struct err *xapi_vif_set_ipv4_allowed(
	struct call *c, const struct xenapi_vif_set_ipv4_allowed_in *in)
{
	struct was was;

	TRY(check_addresses(AF_INET, &in->value));
	TRY(note_was(c, in->self, "ipv4_allowed", &was));
	TRY(db_write(vif, in->self, ipv4_allowed, in->value));
	return tell_addresses(&was);
}

MAY_WAIT struct err *xapi_vif_add_ipv4_allowed(
	struct call *c, const struct xenapi_vif_add_ipv4_allowed_in *in)
{
	struct was was;

	TRY(check_address(AF_INET, in->value));
	TRY(note_was(c, in->self, "ipv4_allowed", &was));
	TRY(db_set_add(vif, in->self, ipv4_allowed, in->value));
	return tell_addresses(&was);
}

MAY_WAIT struct err *xapi_vif_remove_ipv4_allowed(
	struct call *c, const struct xenapi_vif_remove_ipv4_allowed_in *in)
{
	struct was was;

	TRY(note_was(c, in->self, "ipv4_allowed", &was));
	TRY(db_set_remove(vif, in->self, ipv4_allowed, in->value));
	return tell_addresses(&was);
}

MAY_WAIT struct err *xapi_vif_set_ipv6_allowed(
	struct call *c, const struct xenapi_vif_set_ipv6_allowed_in *in)
{
	struct was was;

	TRY(check_addresses(AF_INET6, &in->value));
	TRY(note_was(c, in->self, "ipv6_allowed", &was));
	TRY(db_write(vif, in->self, ipv6_allowed, in->value));
	return tell_addresses(&was);
}

MAY_WAIT struct err *xapi_vif_add_ipv6_allowed(
	struct call *c, const struct xenapi_vif_add_ipv6_allowed_in *in)
{
	struct was was;

	TRY(check_address(AF_INET6, in->value));
	TRY(note_was(c, in->self, "ipv6_allowed", &was));
	TRY(db_set_add(vif, in->self, ipv6_allowed, in->value));
	return tell_addresses(&was);
}

MAY_WAIT struct err *xapi_vif_remove_ipv6_allowed(
	struct call *c, const struct xenapi_vif_remove_ipv6_allowed_in *in)
{
	struct was was;

	TRY(note_was(c, in->self, "ipv6_allowed", &was));
	TRY(db_set_remove(vif, in->self, ipv6_allowed, in->value));
	return tell_addresses(&was);
}

/* ---- VLANs ---- */

static struct err *check_vlan(struct call *c, int64_t vlan)
{
	if (vlan >= 0 && vlan <= MAX_VLAN)
		return NULL;
	return err(INVALID_VALUE, "trunks",
		arena_printf(c->arena, "%lld is no VLAN", (long long)vlan));
}

MAY_WAIT struct err *xapi_vif_set_trunks(struct call *c, const struct xenapi_vif_set_trunks_in *in)
{
	struct was was;

	for (size_t i = 0; i < in->value.n; i++)
		TRY(check_vlan(c, in->value.v[i]));
	TRY(note_was(c, in->self, "trunks", &was));
	TRY(db_write(vif, in->self, trunks, in->value));
	return tell_trunks(&was);
}

MAY_WAIT struct err *xapi_vif_add_trunks(struct call *c, const struct xenapi_vif_add_trunks_in *in)
{
	struct was was;

	TRY(check_vlan(c, in->value));
	TRY(note_was(c, in->self, "trunks", &was));
	TRY(db_set_add(vif, in->self, trunks, in->value));
	return tell_trunks(&was);
}

MAY_WAIT struct err *xapi_vif_remove_trunks(
	struct call *c, const struct xenapi_vif_remove_trunks_in *in)
{
	struct was was;

	TRY(note_was(c, in->self, "trunks", &was));
	TRY(db_set_remove(vif, in->self, trunks, in->value));
	return tell_trunks(&was);
}
