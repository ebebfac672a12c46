/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How things of an interface are called in C. Every emitter, and the check that no two names clash,
 * ask here. The strings live in the run's arena.
 */
#ifndef XENITH_IDL_CNAME_H
#define XENITH_IDL_CNAME_H

#include "idl/idlc.h"

/* Upper case, and '_' for what may not stand in a name of C. */
const char *c_upper(struct idl *idl, const char *name);
/* A member of a struct: a trailing '_' if C keeps the word for itself. */
const char *c_member(struct idl *idl, const char *name);
/* A member of a variant's union, beside its `kind`. */
const char *c_variant_member(struct idl *idl, const char *name);
/* A parameter of err_make_CODE. */
const char *c_error_parameter(struct idl *idl, const char *name);
/* A named type or a class: "xenops_vbd". */
const char *c_named(struct idl *idl, const struct decl *d);
/* A constant of an enum, or of a variant's kinds: "XENOPS_DISK_LOCAL". */
const char *c_case(struct idl *idl, const struct decl *d, const struct member *m);
/* The defaults of a struct: "XENOPS_VBD_INIT". */
const char *c_init(struct idl *idl, const char *c_struct);
/* A call: "xenops_vm_start", "XENOPS_METHOD_VM_START" and "api_vm_start". */
const char *c_call(struct idl *idl, const struct decl *d);
const char *c_method(struct idl *idl, const struct decl *d);
const char *c_handler(struct idl *idl, const struct decl *d);

/* A type as it begins a declaration: "const char *", "struct xenops_vbd ". */
const char *c_type(struct idl *idl, const struct interface_decl *i, const struct type_use *t);
/* The same as it stands alone, in sizeof(). */
const char *c_type_name(struct idl *idl, const struct interface_decl *i, const struct type_use *t);
/* Whether values of the type are `const char *`. */
bool c_is_string(const struct type_use *t);
/* The struct of a list, set or map: "xenops_vbd_list". */
const char *c_container(struct idl *idl, const struct interface_decl *i, const struct type_use *t);
/* Whether that struct is one of common/schema.h. */
bool c_container_is_shared(const struct type_use *t);
/* The name of a type's table: "xenops_type_vbd", "list_of_vbd", "type_string". */
const char *c_table(struct idl *idl, const struct interface_decl *i, const struct type_use *t);
/* Whether the table is this interface's own to write, static in its file. */
bool c_table_is_local(const struct type_use *t);
/* As the interface has it: "list vbd". */
const char *type_text(struct idl *idl, const struct type_use *t);

/* Calls FN for every type that values on the wire have, inner ones first, some several times. */
void each_type(struct idl *idl, const struct interface_decl *i,
	void (*fn)(const struct type_use *t, void *arg), void *arg);

#endif
