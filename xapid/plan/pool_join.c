/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pool.join (pool.h): this host looks whether it fits, hands its objects to the master, and notes
 * whose member it is. Until that is noted it is its own master, and may join again: the master
 * takes the same objects twice.
 */
#define LOG_MODULE "pool"

#include "common/clock.h"
#include "common/http_client.h"
#include "common/json_value.h"
#include "common/log.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xapid/db/db.h"
#include "xapid/forward/forward.h"
#include "xapid/gate/auth.h"
#include "xapid/host/role.h"
#include "xapid/plan/plan.h"
#include "xapid/plan/pool.h"

#include <string.h>

#define DIAL_NS (20 * NS_PER_S)
#define JOIN_NS (120 * NS_PER_S)

/* ---- whether this host fits ---- */

static struct err *check_vms(void)
{
	db_for_each (vm, row) {
		const struct xenapi_vm *vm = db_record(row);

		if (vm->is_control_domain)
			continue;
		if (vm->power_state == XENAPI_VM_POWER_STATE_RUNNING ||
			vm->power_state == XENAPI_VM_POWER_STATE_PAUSED)
			return err(JOINING_HOST_CANNOT_HAVE_RUNNING_VMS);
		if (vm->power_state == XENAPI_VM_POWER_STATE_SUSPENDED)
			return err(JOINING_HOST_CANNOT_HAVE_RUNNING_OR_SUSPENDED_VMS);
		if (vm->current_operations.n)
			return err(JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS);
	}
	return NULL;
}

static struct err *check_srs(void)
{
	db_for_each (sr, row)
		if (((const struct xenapi_sr *)db_record(row))->shared)
			return err(JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS);
	return NULL;
}

static struct err *check_network(void)
{
	if (db_count(bond))
		return err(POOL_JOINING_HOST_HAS_BONDS);
	if (db_count(tunnel))
		return err(POOL_JOINING_HOST_HAS_TUNNELS);
	db_for_each (pif, row) {
		const struct xenapi_pif *pif = db_record(row);

		if (pif->VLAN >= 0 && !pif->management)
			return err(POOL_JOINING_HOST_HAS_NON_MANAGEMENT_VLANS);
	}
	return NULL;
}

static struct err *check_here(void)
{
	if (db_count(host) > 1)
		return err(JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS);
	TRY(check_vms());
	TRY(check_srs());
	return check_network();
}

/* ---- a client of the master's ---- */

struct remote {
	struct stream *stream; /* owned */
	struct arena *arena;
	json_t *values; /* owned */
	char shown[TLS_FINGERPRINT_SIZE]; /* the master's certificate; "": without TLS */
	const char *session;
};

static void remote_fini(struct remote *r)
{
	stream_free(r->stream);
	json_decref(r->values);
}

static MAY_WAIT struct err *ask(struct remote *r, const char *method, json_t *more, json_t **result)
{
	json_auto_t *params = more ? more : json_array();

	if (r->session)
		json_array_insert_new(params, 0, json_string(r->session));
	return http_rpc_call(r->stream, r->arena, r->values, method, params, result);
}

/* A failure on the way there, in a client's words. */
static struct err *no_connection(const char *address, struct err *e)
{
	bool is_network = err_is(e, &ERR_CONNECTION_REFUSED) || err_is(e, &ERR_CONNECTION_LOST) ||
		err_is(e, &ERR_TIMEOUT) || err_is(e, &ERR_TLS_FAILED) ||
		err_is(e, &ERR_CERTIFICATE_REFUSED);

	if (!is_network)
		return e;
	log_err(LOG_INFO_, e, "the pool's master at %s", address);
	err_free(e);
	return err(JOINING_HOST_CONNECTION_FAILED);
}

static MAY_WAIT struct err *log_in(struct remote *r, const struct plan_join *how)
{
	json_t *session = NULL;

	TRY(dial_stranger(how->address, r->shown, &r->stream, deadline_in(DIAL_NS)));
	TRY(ask(r, "session.login_with_password",
		json_pack("[s, s, s, s]", how->user, how->password.hidden, "2.23", "pool.join"),
		&session));
	r->session = json_string_value(session);
	return NULL;
}

/* ---- whether the pool fits ---- */

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static struct err *check_versions(
	const struct xenapi_host *here, const json_t *there, struct arena *a)
{
	const json_t *software = json_object_get(there, "software_version");
	const char *product = string_map_get(&here->software_version, "product_version");
	const char *schema = string_map_get(&here->software_version, "db_schema");
	const char *minor = arena_printf(a, "%s", text_in(there, "API_version_minor"));
	const json_t *number = json_object_get(there, "API_version_minor");
	int64_t api =
		json_is_integer(number) ? json_integer_value(number) : strtoll(minor, NULL, 10);

	if (api != here->API_version_minor)
		return err(POOL_JOINING_HOST_MUST_HAVE_SAME_API_VERSION,
			arena_printf(a, "2.%lld", (long long)here->API_version_minor),
			arena_printf(a, "2.%lld", (long long)api));
	if (schema && strcmp(schema, text_in(software, "db_schema")) != 0)
		return err(POOL_JOINING_HOST_MUST_HAVE_SAME_DB_SCHEMA, schema,
			text_in(software, "db_schema"));
	if (product && strcmp(product, text_in(software, "product_version")) != 0)
		return err(POOL_JOINING_HOST_MUST_HAVE_SAME_PRODUCT_VERSION);
	const char *own = string_map_get(&here->software_version, "xenith");
	return own && strcmp(own, text_in(software, "xenith")) != 0
		? err(POOL_JOINING_HOST_MUST_HAVE_SAME_PRODUCT_VERSION)
		: NULL;
}

static struct err *check_cpu(const struct xenapi_host *here, const json_t *there)
{
	const json_t *info = json_object_get(there, "cpu_info");
	const char *vendor = string_map_get(&here->cpu_info, "vendor");

	if (!vendor || !*text_in(info, "vendor") || !strcmp(vendor, text_in(info, "vendor")))
		return NULL;
	const char *why = "CPUs of different vendors";
	return err_new(__FILE__, __LINE__, "POOL_HOSTS_NOT_HOMOGENEOUS", 1, &why);
}

/* *ADDRESS: where the master is, as he says himself. */
static MAY_WAIT struct err *check_pool(
	struct remote *r, const struct plan_join *how, const char **address)
{
	json_t *pools = NULL, *there = NULL;
	const struct xenapi_host *here;

	TRY(ask(r, "pool.get_all_records", NULL, &pools));
	const json_t *pool = json_object_iter_value(json_object_iter(pools));
	TRY(ask(r, "host.get_record", json_pack("[s]", text_in(pool, "master")), &there));
	*address = text_in(there, "address");
	TRY(db_get(host, host_here(), &here));
	if (!strcmp(text_in(there, "uuid"), here->uuid))
		return err(OPERATION_NOT_ALLOWED, "Host cannot become slave of itself");
	TRY(check_versions(here, there, r->arena));
	return how->force ? NULL : check_cpu(here, there);
}

/* ---- joining ---- */

static void link_closed(struct rpc_conn *conn, void *arg)
{
}

/* The objects go over the way that members speak on. */
static MAY_WAIT struct err *hand_over(
	const char *address, const char *pin, const char *secret, struct arena *a)
{
	struct peer_master_join_in in = {.host = own_role.host};
	struct rpc_conn *conn;
	struct stream *s;

	merge_collect(a, &in.objects);
	TRY(dial_link(address, pin, secret, &s, deadline_in(DIAL_NS)));
	TRY(rpc_speak(&conn, s, "the pool's master", NULL, link_closed, NULL));
	struct err *e =
		peer_call(conn, PEER_METHOD_MASTER_JOIN, &in, a, NULL, deadline_in(JOIN_NS));
	if (!err_is(e, &ERR_CONNECTION_LOST))
		rpc_hang_up(conn, "it is done");
	return e;
}

static MAY_WAIT struct err *join(struct remote *r, const struct plan_join *how)
{
	json_t *secret = NULL;
	const char *address;

	TRY(no_connection(how->address, log_in(r, how)));
	TRY(check_pool(r, how, &address));
	TRY(ask(r, "pool.initial_auth", NULL, &secret));
	const char *text = json_string_value(secret);
	if (!text)
		return err(JOINING_HOST_SERVICE_FAILED);
	TRY(no_connection(how->address, hand_over(address, r->shown, text, r->arena)));
	err_free(ask(r, "session.logout", NULL, NULL));
	TRY(auth_write_pool_secret(text));
	TRY(role_write(address, r->shown, own_role.host));
	log_info("this host is a member of the pool at %s from now on", address);
	role_begin_anew();
	return NULL;
}

MAY_WAIT struct err *plan_pool_join(struct call *c, const struct plan_join *how)
{
	AUTO(remote_fini) struct remote r = {.arena = c->arena, .values = json_array()};

	TRY(check_here());
	return join(&r, how);
}
