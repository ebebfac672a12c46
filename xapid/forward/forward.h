/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pool of several hosts. The master has the database and talks to clients; a member has a copy,
 * and runs what concerns its own guests, disks and devices when the master says so. A member keeps
 * one connection to its master's door (idl/peer.idl is what is said on it), opened with the pool's
 * secret: changes of the database come over it, the member's own go back, and so do calls.
 *
 *	dial.c    connections to other hosts' doors
 *	master.c  the members that are there, and what they are told
 *	member.c  the connection to the master, and the copy
 *	place.c   which host runs a message
 *	run.c     has it run there
 *	merge.c   the objects of a host that joins or leaves
 *	migrate.c VMs on their way to another host
 *	web.c     what HTTP asks of one host that another has
 */
#ifndef XENITH_XAPID_FORWARD_FORWARD_H
#define XENITH_XAPID_FORWARD_FORWARD_H

#include "common/arena.h"
#include "common/err.h"
#include "common/json_value.h"
#include "common/list.h"
#include "common/schema.h"
#include "common/tls.h"
#include "xapid/db/db.h"

#include "peer.gen.h"

struct rpc_conn;
struct stream;
struct xapi_call;

/* ---- start and end ---- */

/* After the database and the gate. A member begins to look for its master, and calls WHEN_FOUND in
 * a fiber as soon as its copy is whole for the first time. */
must_check struct err *forward_start(MAY_WAIT struct err *(*when_found)(void));
/* After the last fiber. */
void forward_stop(void);

/* Beats of the heart for which one waits for the other side. */
#define BEATS 3

/* ---- of a member ---- */

/* Whether there is a connection to the master, and all that he has is here. */
bool member_is_in_touch(void);
/* Waits until it was for the first time, and WHEN_FOUND has returned. */
MAY_WAIT must_check struct err *member_await_begun(void);
/* Why not, as far as it is known; "" when nothing went wrong. */
const char *member_problem(void);

/* ---- of the master ---- */

/* The connection to a member; NULL: it is away. The reference is that of the host. */
struct rpc_conn *master_member(const char *host);
/* Waits until the member has all that is in the database now. HOST_OFFLINE. */
MAY_WAIT must_check struct err *master_await_copy(const char *host, int64_t deadline);
/* This host is about to leave its part to HOST: from now on nobody is told of a change that HOST
 * does not have, but HOST_IS_SLAVE. Waits until it has all that there is. HOST_OFFLINE. */
MAY_WAIT must_check struct err *master_hand_over(
	const char *host, const char *address, int64_t deadline);
/* It stays the master. */
void master_keep(void);

/* ---- dial.c ---- */

/* To the door of another host, with TLS where we serve it ourselves; CERTIFICATE_REFUSED: it is not
 * the host that the pool knows. */
MAY_WAIT must_check struct err *dial(const char *address, struct stream **out, int64_t deadline);
/* The same of a host that nothing is known of yet: SHOWN is the fingerprint of its certificate, ""
 * without TLS. */
MAY_WAIT must_check struct err *dial_stranger(const char *address,
	char shown[static TLS_FINGERPRINT_SIZE], struct stream **out, int64_t deadline);
/* To what only hosts of the pool may do there: idl/peer.idl is spoken from then on. PIN: of its
 * certificate; NULL: what the pool knows. */
MAY_WAIT must_check struct err *dial_link(const char *address, const char *pin, const char *secret,
	struct stream **out, int64_t deadline);
/* A call of a host's own to the xapid at ADDRESS, whatever its part in the pool is; PARAMS is given
 * away. */
MAY_WAIT must_check struct err *dial_call(
	struct arena *a, const char *address, const char *method, json_t *params);
/* The same to the host with this reference, with two references as parameters. */
MAY_WAIT must_check struct err *dial_host(struct arena *a, const char *host, const char *method,
	const char *first, const char *second);
void dial_fini(void);

/* ---- merge.c ---- */

/* What a host brings along when it joins a pool. */
void merge_collect(struct arena *a, struct peer_copied_list *out);
/* At the master: they are the pool's now. */
must_check struct err *merge_add(const char *host_uuid, const struct peer_copied_list *objects);
/* Everything that is of this host alone goes. */
must_check struct err *merge_remove(const char *host);

/* ---- run.c, place.c ---- */

/* Has a member run MESSAGE for the caller; IN and OUT as in struct gate_order. HOST_OFFLINE,
 * CANNOT_CONTACT_HOST. */
MAY_WAIT must_check struct err *run_message(struct xapi_call *c, const char *host,
	const char *message, struct json_text in, struct json_text *out);
/* Has the host of the PBD plug it, from whichever host of the pool this is. */
MAY_WAIT must_check struct err *forward_pbd_plug(struct call *c, const char *pbd);
void run_serve(void);
void run_stop(void);
struct gate_request;
MAY_WAIT must_check struct err *member_relay(const struct gate_request *rq, struct json_text *out);
MAY_WAIT must_check struct err *member_describe(const char *session, struct xapi_call *c);
void master_serve(void);
void master_stop(void);
MAY_WAIT must_check struct err *place_message(
	struct xapi_call *c, const void *in, const void *const *args, const char **host);
/* The same for a plan: the host for the VM's start, or for what concerns it where it is. NULL:
 * this one. */
must_check struct err *place_vm_message(const char *message, const char *vm, const char **host);
/* The host that is to read or write a VDI, or that has a VM; NULL: this one. */
const char *place_vdi(const char *vdi);
const char *place_vm_at(const char *vm);
/* Why a VM could not be on a host: HOST_DISABLED, HOST_NOT_LIVE, VM_REQUIRES_SR,
 * HOST_NOT_ENOUGH_FREE_MEMORY. */
must_check struct err *place_check(const char *host, const char *vm);
/* The best host that a VM which runs can move to; why there is none. */
must_check struct err *place_move(const char *vm, const char **host);
/* That a VM goes to a host, before it is noted in the database: its memory is not free any more.
 * Borrows the texts; a zeroed one is none. */
struct place_promise {
	struct list link;
	const char *vm, *host;
};
void place_promise(struct place_promise *p, const char *vm, const char *host);
void place_promise_end(struct place_promise *p);
/* An SR of the VM's disks that the host does not see; NULL: none. */
const char *place_missing_sr(const char *host, const struct xenapi_vm *vm);

/* ---- web.c ---- */

struct exchange;
/* Sends the client to HOST where that is another one; *IS_ELSEWHERE: that is the answer.
 * HOST_OFFLINE. */
MAY_WAIT must_check struct err *web_elsewhere(
	struct exchange *x, const char *host, bool *is_elsewhere);
/* "https://ADDRESS:PORT" of a host. */
const char *web_door(const struct xenapi_host *host, struct arena *a);
/* Serves the consoles of the pool's VMs. */
void web_serve(void);

/* ---- migrate.c ---- */

/* Where another host's door takes VMs for its xenopsd: for this host's. It has a secret in it. */
must_check struct err *migrate_url(const char *host, struct arena *a, const char **url);
void migrate_serve(void);

/* For `peer` calls over a connection: METHOD is PEER_METHOD_…. */
#define peer_call(conn, method, in, a, out, deadline) \
	rpc_call_conn((conn), &peer_methods[method], (in), (a), (out), (deadline))

#endif
