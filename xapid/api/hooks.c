/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of hooks.h, class by class.
 */
#include "xapid/api/hooks.h"

#include "xenapi.gen.h"

#include <string.h>

static const struct hook hooks[] = {
	{&xenapi_class_vm, MESSAGE_CREATE, NULL, hook_vm_create},
	{&xenapi_class_vm, MESSAGE_DESTROY, NULL, hook_vm_destroy},
	{&xenapi_class_vm, MESSAGE_SET, "is_a_template", hook_vm_set_is_a_template},
	{&xenapi_class_vm, MESSAGE_SET, "xenstore_data", hook_vm_xenstore_data},
	{&xenapi_class_vm, MESSAGE_ADD_TO, "xenstore_data", hook_vm_xenstore_data},
	{&xenapi_class_vm, MESSAGE_REMOVE_FROM, "xenstore_data", hook_vm_xenstore_data},
	{&xenapi_class_vbd, MESSAGE_CREATE, NULL, hook_vbd_create},
	{&xenapi_class_vbd, MESSAGE_DESTROY, NULL, hook_vbd_destroy},
	{&xenapi_class_vif, MESSAGE_CREATE, NULL, hook_vif_create},
	{&xenapi_class_vif, MESSAGE_DESTROY, NULL, hook_vif_destroy},
	{&xenapi_class_vdi, MESSAGE_CREATE, NULL, hook_vdi_create},
	{&xenapi_class_vdi, MESSAGE_DESTROY, NULL, hook_vdi_destroy},
	{&xenapi_class_pbd, MESSAGE_CREATE, NULL, hook_pbd_create},
	{&xenapi_class_pbd, MESSAGE_DESTROY, NULL, hook_pbd_destroy},
	{&xenapi_class_network, MESSAGE_CREATE, NULL, hook_network_create},
	{&xenapi_class_network, MESSAGE_DESTROY, NULL, hook_network_destroy},
	{&xenapi_class_subject, MESSAGE_CREATE, NULL, hook_subject_create},
	{&xenapi_class_subject, MESSAGE_DESTROY, NULL, hook_subject_destroy},
	{&xenapi_class_vmss, MESSAGE_CREATE, NULL, hook_vmss_create},
	{&xenapi_class_vmss, MESSAGE_DESTROY, NULL, hook_vmss_destroy},
	{&xenapi_class_caller, MESSAGE_CREATE, NULL, hook_caller_create},
	{&xenapi_class_caller, MESSAGE_DESTROY, NULL, hook_caller_destroy},
	{&xenapi_class_rate_limit, MESSAGE_CREATE, NULL, hook_rate_limit_create},
	{&xenapi_class_rate_limit, MESSAGE_DESTROY, NULL, hook_rate_limit_destroy},
	{&xenapi_class_pool, MESSAGE_SET, "wlb_enabled", hook_pool_set_wlb_enabled},
	{NULL, MESSAGE_EXPLICIT, NULL, NULL},
};

const struct hook *hook_find(const struct message *m)
{
	for (const struct hook *h = hooks; h->class; h++)
		if (h->class == m->class && h->kind == m->kind &&
			(!h->field || (m->field && !strcmp(h->field, m->field->name))))
			return h;
	return NULL;
}
