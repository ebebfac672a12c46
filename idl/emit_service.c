/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * X_service.gen.c: the server's side. Handlers are weak here, and only here: one that nobody
 * wrote is found at the start of the program and stays NULL in the table, so that the server can
 * say so; one that was written twice does not link.
 */
#include "idl/emit.h"

static void emit_signature(struct emitter *e, const struct decl *d)
{
	emit(e, "MAY_WAIT must_check struct err *%s(struct call *c", c_handler(e->idl, d));
	if (d->members)
		emit_argument(e, "const struct %s_in *in", c_call(e->idl, d));
	if (d->result)
		emit_argument(e, "%s*out", c_type(e->idl, e->interface, d->result));
	emit(e, ")");
}

void emit_handler_prototypes(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	if (i->n_methods)
		emit(e, "/* ---- for the server: written by hand, one function a call ---- */\n\n");
	for (const struct decl *d = i->decls; d; d = d->next) {
		if (d->kind != DECL_CALL)
			continue;
		emit_signature(e, d);
		emit(e, ";\n");
	}
	emit(e, "\n");
}

/* A thunk has the name of the call: vm_start calls api_vm_start. */
static void emit_thunk(struct emitter *e, const struct decl *d)
{
	emit(e, "\n#pragma weak %s\n", c_handler(e->idl, d));
	emit(e, "static struct err *serve_%s(struct call *c, const void *in, void *out)\n",
		d->c_name);
	emit(e, "{\n\treturn %s(c%s%s);\n}\n", c_handler(e->idl, d), d->members ? ", in" : "",
		d->result ? ", out" : "");
}

static void emit_table(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	emit(e, "\nstatic method_fn handlers[%zu];\n\n", i->n_methods);
	emit(e, "__attribute__((__constructor__)) static void find_handlers(void)\n{\n");
	for (size_t k = 0; k < i->n_methods; k++) {
		const struct decl *d = i->methods[k];

		emit(e, "\tif (%s)\n\t\thandlers[%s] = serve_%s;\n", c_handler(e->idl, d),
			c_method(e->idl, d), d->c_name);
	}
	emit(e, "}\n\nconst struct service %s_service = {\n", i->name);
	emit(e, "\t.interface = &%s_interface,\n\t.handlers = handlers,\n};\n", i->name);
}

void emit_service(struct emitter *e)
{
	const struct interface_decl *i = e->interface;

	emit_head(e, "its calls, for the server");
	emit(e, "#include \"%s.gen.h\"\n", i->name);
	for (size_t k = 0; k < i->n_methods; k++)
		emit_thunk(e, i->methods[k]);
	if (i->n_methods)
		emit_table(e);
}
