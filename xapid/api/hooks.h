/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages that follow from fields, but do more for one class: VBD.create looks for a free place,
 * say. Each is a row of the table in hooks.c and a function in its class's own file.
 */
#ifndef XENITH_XAPID_API_HOOKS_H
#define XENITH_XAPID_API_HOOKS_H

#include "xapid/gate/call.h"

/*
 * As implicit_serve: ARGS has a pointer to each argument (of CREATE one, to the class's record;
 * else self first, a pointer to a const char *), OUT points to the result.
 */
typedef MAY_WAIT struct err *(*hook_fn)(struct xapi_call *c, const void *const *args, void *out);

struct hook {
	const struct class *class;
	enum message_kind kind;
	const char *field; /* NULL: of CREATE and the like */
	hook_fn fn;
};

/* NULL: the message has none. */
const struct hook *hook_find(const struct message *m);

/* The rows' functions. */
MAY_WAIT struct err *hook_vm_create(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vm_destroy(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vm_set_is_a_template(
	struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vm_xenstore_data(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vbd_create(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vbd_destroy(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vif_create(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vif_destroy(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vdi_create(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vdi_destroy(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_pbd_create(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_pbd_destroy(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_network_create(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_network_destroy(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_subject_create(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_subject_destroy(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vmss_create(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_vmss_destroy(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_caller_create(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_caller_destroy(struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_pool_set_wlb_enabled(
	struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_rate_limit_create(
	struct xapi_call *c, const void *const *args, void *out);
MAY_WAIT struct err *hook_rate_limit_destroy(
	struct xapi_call *c, const void *const *args, void *out);

#endif
