/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How libxl is called: in the pool, its messages in our log, its failures as errors.
 */
#define LOG_MODULE "xenlight"
#include "common/log.h"
#include "common/offload.h"
#include "core.gen.h"
#include "xenopsd/backend_xenlight.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

libxl_ctx *xenlight_ctx;
struct xs_handle *xenlight_xs;

/* The last that libxl complained of in this thread: the call's, since a thread makes one. */
static _Thread_local char last_said[256];

/* Of what libxl says: the names of its levels are less than ours. */
static void log_line(xentoollog_level level, const char *text)
{
	if (level >= XTL_ERROR)
		log_warn("libxl: %s", text);
	else if (level >= XTL_WARN)
		log_info("libxl: %s", text);
	else
		log_debug("libxl: %s", text);
}

static void take_message(struct xentoollog_logger *logger, xentoollog_level level, int errnum,
	const char *context, const char *fmt, va_list ap)
{
	char text[sizeof(last_said)];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	if (errnum > 0 && n >= 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", strerrordesc_np(errnum));
	if (level >= XTL_ERROR)
		memcpy(last_said, text, sizeof(text));
	log_line(level, text);
}

static void destroy_logger(struct xentoollog_logger *logger)
{
}

static struct xentoollog_logger logger = {.vmessage = take_message, .destroy = destroy_logger};

/* libxl reaps the children it makes (for suspending, say) and leaves ours, which have pidfds. */
static const libxl_childproc_hooks childproc = {
	.chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
};

static int open_all(void *arg)
{
	int rc = libxl_ctx_alloc(&xenlight_ctx, LIBXL_VERSION, 0, &logger);

	if (rc)
		return rc;
	libxl_childproc_setmode(xenlight_ctx, &childproc, NULL);
	xenlight_xs = xs_open(0);
	return xenlight_xs ? 0 : ERROR_FAIL;
}

struct err *xenlight_open(void)
{
	return xenlight_run("connecting to Xen", open_all, NULL);
}

void xenlight_close(void)
{
	if (xenlight_xs)
		xs_close(xenlight_xs);
	if (xenlight_ctx)
		libxl_ctx_free(xenlight_ctx);
	xenlight_xs = NULL;
	xenlight_ctx = NULL;
}

struct pool_call {
	int (*fn)(void *arg);
	void *arg;
	int rc;
	char said[sizeof(last_said)];
};

static void run_call(void *arg)
{
	struct pool_call *call = arg;

	last_said[0] = '\0';
	call->rc = call->fn(call->arg);
	memcpy(call->said, last_said, sizeof(last_said));
}

struct err *xenlight_run(const char *what, int (*fn)(void *arg), void *arg)
{
	struct pool_call call = {.fn = fn, .arg = arg};

	TRY(offload(what, run_call, &call));
	if (call.rc == 0)
		return NULL;
	const char *code = libxl_error_to_string(call.rc);
	struct err *e = err(INTERNAL_ERROR, *call.said ? call.said : code ? code : "unknown");
	return err_wrap(e, "%s: libxl says %s", what, code ? code : "something unknown");
}

int xenlight_await_path(const char *path)
{
	/* The kernel's drivers make these by themselves a moment after xenstore has it. */
	for (int tries = 0; tries < 10000; tries++) {
		if (access(path, F_OK) == 0)
			return 0;
		usleep(1000); /* lint: the pool's threads are there to block */
	}
	snprintf(last_said, sizeof(last_said), "%s does not come", path);
	return ERROR_TIMEDOUT;
}

static char *read_backend(const char *kind, unsigned domid, int number, const char *key)
{
	char path[96];
	unsigned len;

	snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u/%d/%s", kind, domid, number,
		key);
	return xs_read(xenlight_xs, XBT_NULL, path, &len);
}

bool xenlight_is_whole(const char *kind, unsigned domid, int number, const char *key)
{
	auto_str last = read_backend(kind, domid, number, key);
	auto_str online = read_backend(kind, domid, number, "online");

	return last && *last && online && !strcmp(online, "1");
}
