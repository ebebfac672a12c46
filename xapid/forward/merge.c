/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host brings along into a pool, and what goes with it when it leaves (forward.h). Objects
 * keep their references. What the pool has already, as roles and drivers, stays behind; a network
 * on the same bridge is the pool's.
 */
#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"
#include "xapid/forward/forward.h"
#include "xapid/host/role.h"

#include "xenapi.gen.h"

#include <string.h>

/* ---- at the host that joins ---- */

static const struct class *const own_classes[] = {&xenapi_class_host, &xenapi_class_host_metrics,
	&xenapi_class_host_cpu, &xenapi_class_vm, &xenapi_class_vm_metrics, &xenapi_class_vbd,
	&xenapi_class_vbd_metrics, &xenapi_class_vif, &xenapi_class_vif_metrics, &xenapi_class_vdi,
	&xenapi_class_sr, &xenapi_class_pbd, &xenapi_class_network, &xenapi_class_pif,
	&xenapi_class_pif_metrics, &xenapi_class_secret, &xenapi_class_blob,
	&xenapi_class_vm_appliance, &xenapi_class_pusb, &xenapi_class_usb_group, &xenapi_class_vusb,
	&xenapi_class_certificate, &xenapi_class_message};

static bool stays_behind(const struct db_row *row)
{
	const struct xenapi_vm *vm = db_record(row);

	return db_class(row) == &xenapi_class_vm && vm->is_default_template;
}

static void collect_row(struct db_row *row, struct arena *a, struct peer_copied_list *out)
{
	struct json_text *whole = arena_new(a, struct json_text);
	auto_sbuf b = {0};

	db_row_write_whole(row, &b);
	*whole = (struct json_text){arena_strndup(a, sbuf_data(&b), sbuf_len(&b)), sbuf_len(&b)};
	out->v[out->n++] = (struct peer_copied){arena_strdup(a, db_ref(row)), whole};
}

void merge_collect(struct arena *a, struct peer_copied_list *out)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(own_classes); i++)
		n += db_count_of(own_classes[i]);
	*out = (struct peer_copied_list){arena_calloc(a, n + 1, sizeof(*out->v)), 0};
	for (size_t i = 0; i < ARRAY_LEN(own_classes); i++) {
		db_for_each_of (own_classes[i], row)
			if (!stays_behind(row))
				collect_row(row, a, out);
	}
}

/* ---- at the master: what comes ---- */

/* The bridge of an object that is a network; NULL: it is none. */
static const char *bridge_of(const struct peer_copied *c, struct arena *a)
{
	if (!c->whole || strncmp(c->whole->text, "{\"network\":", 11) != 0)
		return NULL;
	json_auto_t *whole = json_loadb(c->whole->text, c->whole->len, 0, NULL);
	const char *bridge =
		json_string_value(json_object_get(json_object_get(whole, "network"), "bridge"));

	return bridge ? arena_strdup(a, bridge) : NULL;
}

static const char *network_on(const char *bridge)
{
	db_for_each (network, row) {
		const struct xenapi_network *network = db_record(row);

		if (bridge && *bridge && !strcmp(network->bridge, bridge))
			return db_ref(row);
	}
	return NULL;
}

/* Two references that are to be one. */
struct same {
	const char *theirs, *ours;
};

static size_t find_same(const struct peer_copied_list *objects, struct arena *a, struct same *out)
{
	size_t n = 0;

	for (size_t i = 0; i < objects->n; i++) {
		const struct peer_copied *c = &objects->v[i];
		const char *ours = network_on(bridge_of(c, a));

		if (ours && strcmp(ours, c->ref) != 0)
			out[n++] = (struct same){c->ref, arena_strdup(a, ours)};
	}
	return n;
}

static bool is_same(const struct same *same, size_t n, const char *ref)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(same[i].theirs, ref))
			return true;
	return false;
}

/* References are random and all as long, so they can be told from any other text. */
static const char *with_ours(const char *text, const struct same *same, size_t n, struct arena *a)
{
	char *out = arena_strndup(a, text, strlen(text));

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(same[i].theirs);

		if (len != strlen(same[i].ours))
			continue;
		for (char *at = out; (at = strstr(at, same[i].theirs)); at += len)
			memcpy(at, same[i].ours, len);
	}
	return out;
}

/* A connection of the new host to every SR that all hosts share; the host plugs it. */
static struct err *add_shared(const char *host)
{
	db_for_each (sr, row) {
		const struct xenapi_sr *sr = db_record(row);
		const struct xenapi_pbd *model = sr->PBDs.n ? db_find(pbd, sr->PBDs.v[0]) : NULL;
		struct xenapi_pbd pbd = db_blank(pbd);
		bool has_one = false;

		for (size_t i = 0; i < sr->PBDs.n; i++)
			has_one |= !strcmp(
				((const struct xenapi_pbd *)db_find(pbd, sr->PBDs.v[i]))->host,
				host);
		if (!sr->shared || !model || has_one)
			continue;
		pbd.host = host;
		pbd.SR = db_ref(row);
		pbd.device_config = model->device_config;
		pbd.currently_attached = true;
		TRY(db_create(pbd, &pbd, NULL));
	}
	return NULL;
}

struct err *merge_add(const char *host_uuid, const struct peer_copied_list *objects)
{
	auto_arena a = {0};
	struct db_copied *v = arena_calloc(&a, objects->n + 1, sizeof(*v));
	struct same *same = arena_calloc(&a, objects->n + 1, sizeof(*same));
	size_t n_same = find_same(objects, &a, same), n = 0;

	for (size_t i = 0; i < objects->n; i++) {
		const struct peer_copied *c = &objects->v[i];

		if (!c->whole || is_same(same, n_same, c->ref))
			continue;
		const char *text = with_ours(c->whole->text, same, n_same, &a);
		v[n++] = (struct db_copied){c->ref, {text, strlen(text)}};
	}
	TRY(db_copy_apply(v, n, false));
	const char *host = db_find_uuid(host, host_uuid);
	if (!host)
		return err(INVALID_VALUE, "host", host_uuid);
	const struct xenapi_host *row = db_find(host, host);
	if (db_find(host_metrics, row->metrics)) /* it has to call first */
		TRY(db_write(host_metrics, row->metrics, live, false));
	return add_shared(host);
}

/* ---- at the master: what goes ---- */

/* An SR that no other host sees, with its VDIs. */
static struct err *remove_sr(const char *ref)
{
	auto_arena a = {0};
	const struct xenapi_sr *sr = db_find(sr, ref);
	struct string_list vdis = {arena_calloc(&a, sr->VDIs.n + 1, sizeof(*vdis.v)), sr->VDIs.n};

	for (size_t i = 0; i < vdis.n; i++)
		vdis.v[i] = arena_strdup(&a, sr->VDIs.v[i]);
	for (size_t i = 0; i < vdis.n; i++)
		TRY(db_delete(vdi, vdis.v[i]));
	return db_delete(sr, ref);
}

static struct err *remove_pbds(const char *host)
{
	db_for_each (pbd, row) {
		const struct xenapi_pbd *pbd = db_record(row);
		auto_str sr = xstrdup(pbd->SR);

		if (strcmp(pbd->host, host) != 0)
			continue;
		TRY(db_delete(pbd, db_ref(row)));
		const struct xenapi_sr *left = db_find(sr, sr);
		if (left && !left->PBDs.n && !left->shared)
			TRY(remove_sr(sr));
	}
	return NULL;
}

static struct err *remove_pifs(const char *host)
{
	db_for_each (pif, row) {
		const struct xenapi_pif *pif = db_record(row);
		auto_str metrics = xstrdup(pif->metrics);

		if (strcmp(pif->host, host) != 0)
			continue;
		TRY(db_delete(pif, db_ref(row)));
		if (db_find(pif_metrics, metrics))
			TRY(db_delete(pif_metrics, metrics));
	}
	return NULL;
}

static const struct field *host_field(const struct class *c)
{
	const struct field *f = db_field_named(c, "host");

	return f && f->type->class == &xenapi_class_host ? f : NULL;
}

/* Its processors, devices, certificates: whatever has a host. */
static struct err *remove_rest(const char *host)
{
	for (size_t i = 0; i < xenapi_interface.n_classes; i++) {
		const struct class *c = xenapi_interface.classes[i];
		const struct field *f = host_field(c);

		if (!f || c->flags & CLASS_STATELESS)
			continue;
		db_for_each_of (c, row)
			if (!strcmp(*(const char *const *)db_value(row, f), host))
				TRY(db_delete_record(c, db_ref(row)));
	}
	return NULL;
}

static struct err *remove_dom0(const char *ref)
{
	const struct xenapi_vm *vm = db_find(vm, ref);

	if (!vm)
		return NULL;
	auto_str metrics = xstrdup(vm->metrics);
	auto_str own = xstrdup(ref);
	if (db_find(vm_metrics, metrics))
		TRY(db_delete(vm_metrics, metrics));
	return db_delete(vm, own);
}

struct err *merge_remove(const char *ref)
{
	auto_str host = xstrdup(ref);
	const struct xenapi_host *row;

	TRY(db_get(host, host, &row));
	auto_str metrics = xstrdup(row->metrics);
	auto_str dom0 = xstrdup(row->control_domain);
	TRY(remove_pbds(host));
	TRY(remove_pifs(host));
	TRY(remove_rest(host));
	TRY(remove_dom0(dom0));
	if (db_find(host_metrics, metrics))
		TRY(db_delete(host_metrics, metrics));
	return db_delete(host, host);
}
