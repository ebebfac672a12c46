/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * X_client.gen.c: a typed function a call, which only hands its arguments to rpc_call with the
 * right table.
 */
#include "idl/emit.h"

/* What is given back: the task's id for a task, else the result; NULL: nothing. */
static const char *out_parameter(struct emitter *e, const struct decl *d)
{
	if (d->is_task)
		return "const char **task";
	if (!d->result)
		return NULL;
	return arena_printf(&e->idl->arena, "%s*out", c_type(e->idl, e->interface, d->result));
}

static void emit_signature(struct emitter *e, const struct decl *d)
{
	const char *out = out_parameter(e, d);

	emit(e, "MAY_WAIT must_check struct err *%s(struct rpc_client *c", c_call(e->idl, d));
	if (d->members)
		emit_argument(e, "const struct %s_in *in", c_call(e->idl, d));
	emit_argument(e, "struct arena *a");
	if (out)
		emit_argument(e, "%s", out);
	emit_argument(e, "int64_t deadline");
	emit(e, ")");
}

void emit_client_prototypes(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	if (i->n_methods)
		emit(e, "/* ---- for clients ---- */\n\n");
	for (const struct decl *d = i->decls; d; d = d->next) {
		if (d->kind != DECL_CALL)
			continue;
		emit_comment(e, "", d->doc);
		emit_signature(e, d);
		if (d->deprecated) {
			emit(e, "\n\t__attribute__((__deprecated__(");
			emit_string(e, d->deprecated);
			emit(e, ")))");
		}
		emit(e, ";\n\n");
	}
}

static void emit_function(struct emitter *e, const struct decl *d)
{
	emit(e, "\n");
	emit_signature(e, d);
	emit(e, "\n{\n\treturn rpc_call(c, &%s_methods[%s], %s, a, %s, deadline);\n}\n",
		e->interface->name, c_method(e->idl, d), d->members ? "in" : "NULL",
		d->is_task          ? "task"
			: d->result ? "out"
				    : "NULL");
}

void emit_client(struct emitter *e)
{
	emit_head(e, "its calls, for clients");
	emit(e, "#include \"%s.gen.h\"\n\n#include \"common/rpc.h\"\n", e->interface->name);
	for (size_t k = 0; k < e->interface->n_methods; k++)
		emit_function(e, e->interface->methods[k]);
}
