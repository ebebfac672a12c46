/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of whoever typed the command: read whole, or fetched and brought over HTTP by the client
 * itself. It touches only those that its command line names.
 */
#include "common/clock.h"
#include "common/stream.h"
#include "core.gen.h"
#include "xapid/cli/cli.h"
#include "xapid/cli/thin.h"

#include <ctype.h>
#include <string.h>

#define LOAD_MAX ((size_t)1024 * 1024)

static void send(struct cli *c, const struct thin_message *m)
{
	thin_put(stream_out(c->stream), m);
	stream_flush_later(c->stream);
}

/* The client has said why it could not. */
static MAY_WAIT struct err *wait_for_it(struct cli *c, const char *file)
{
	struct thin_message answer;

	do
		TRY(thin_read(c->stream, c->arena, &answer, NEVER));
	while (answer.kind == THIN_RESPONSE && answer.tag == THIN_WAIT);
	if (answer.kind == THIN_RESPONSE && answer.tag == THIN_OK)
		return NULL;
	return cli_error("The file %s was not transferred", file);
}

/* PATH with the session behind it. */
static const char *with_session(struct cli *c, const char *path)
{
	bool has_query = false;

	for (const char *at = path; *at; at++)
		has_query |= *at == '?';
	return arena_printf(c->arena, "%s%csession_id=%s", path, has_query ? '&' : '?', c->session);
}

MAY_WAIT struct err *cli_load(struct cli *c, const char *file, const char **text)
{
	auto_sbuf b = {0};

	send(c, &(struct thin_message){.kind = THIN_COMMAND, .tag = THIN_LOAD, .text = file});
	TRY(wait_for_it(c, file));
	TRY(thin_read_blobs(c->stream, LOAD_MAX, &b, NEVER));
	*text = arena_strdup(c->arena, sbuf_str(&b));
	return NULL;
}

const char *cli_escaped(struct cli *c, const char *text)
{
	auto_sbuf out = {0};

	for (; *text; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~:,", *text))
			sbuf_addc(&out, *text);
		else
			sbuf_printf(&out, "%%%02X", (unsigned char)*text);
	}
	return arena_strdup(c->arena, sbuf_str(&out));
}

MAY_WAIT struct err *cli_fetch(struct cli *c, const char *path, const char *file)
{
	send(c,
		&(struct thin_message){.kind = THIN_COMMAND,
			.tag = THIN_HTTP_GET,
			.text = file,
			.more = with_session(c, path)});
	return wait_for_it(c, file);
}

MAY_WAIT struct err *cli_bring(struct cli *c, const char *path, const char *file)
{
	send(c,
		&(struct thin_message){.kind = THIN_COMMAND,
			.tag = THIN_HTTP_PUT,
			.text = file,
			.more = with_session(c, path)});
	return wait_for_it(c, file);
}
