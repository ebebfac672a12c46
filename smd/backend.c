/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backends there are, and their errors (backend.h). Loop thread.
 */
#include "smd/backend.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/sbuf.h"
#include "core.gen.h"

#include <string.h>

const struct backend *const backends[] = {&backend_file, &backend_iso, NULL};

struct err *backend_of(const char *type, const struct backend **out)
{
	for (size_t i = 0; backends[i]; i++) {
		if (!strcmp(backends[i]->about->driver, type)) {
			*out = backends[i];
			return NULL;
		}
	}
	return err(No_storage_plugin_for_sr, type);
}

struct err *backend_image(const struct storage_implementation_list *ways, const char *call,
	struct storage_image_file *out)
{
	for (size_t i = 0; i < ways->n; i++) {
		if (ways->v[i].kind == STORAGE_IMPLEMENTATION_FILE) {
			*out = ways->v[i].file;
			return NULL;
		}
		if (ways->v[i].kind == STORAGE_IMPLEMENTATION_BLOCK_DEVICE) {
			*out = (struct storage_image_file){ways->v[i].block_device, "raw"};
			return NULL;
		}
	}
	return err(Unimplemented, call);
}

/* As SMAPIv1 has it: the parameters are "", what is wrong, and what a program said. */
static struct err *make(enum backend_fault fault, const char *text)
{
	auto_str code = xasprintf("SR_BACKEND_FAILURE_%d", fault);
	auto_sbuf params = {0};
	struct json_writer w;

	json_writer_init(&w, &params);
	json_write_array(&w);
	json_write_string(&w, "");
	json_write_string(&w, text);
	json_write_string(&w, "");
	json_write_array_end(&w);
	return err(Backend_error, code, sbuf_str(&params));
}

struct err *backend_error(enum backend_fault fault, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_str text = xvasprintf(fmt, ap);
	va_end(ap);
	return err_not_null(make(fault, text));
}

static bool speaks_for_itself(const struct err *e)
{
	static const struct err_kind *const kinds[] = {&ERR_Backend_error, &ERR_Vdi_does_not_exist,
		&ERR_Sr_not_attached, &ERR_Already_exists, &ERR_Unimplemented, &ERR_INVALID_VALUE,
		&ERR_Missing_configuration_parameter, &ERR_CANCELLED, &ERR_TIMEOUT,
		&ERR_SHUTTING_DOWN};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (err_is(e, kinds[i]))
			return true;
	return false;
}

struct err *backend_failed(enum backend_fault fault, struct err *e)
{
	if (!e || speaks_for_itself(e))
		return e;
	auto_err why = e;
	const char *text = err_text(why);

	if ((err_is(why, &ERR_SYSTEM_ERROR) && !strcmp(why->params[1], "ENOSPC")) ||
		strstr(text, "No space left on device"))
		fault = FAULT_NO_SPACE;
	return make(fault, text);
}
