/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one account of a private stack: root, whose password is what XAPI_PASSWORD said at the first
 * `up`, or made up. It stands in D/env for scripts, and as a hash in xapid's file of passwords.
 * Blocks: before the loop runs.
 */
#include "common/file.h"
#include "common/mem.h"
#include "common/password.h"
#include "common/uuid.h"
#include "packaging/xenith/supervisor.h"

#include <stdio.h>
#include <string.h>

#define MAX_PASSWORD 1024
#define RANDOM_BYTES 12

/* NULL: none is given, or it cannot stand in a line of the file. */
static const char *given_password(void)
{
	const char *given = getenv("XAPI_PASSWORD");

	if (!given || !*given || strlen(given) > MAX_PASSWORD || strpbrk(given, "\n\r"))
		return NULL;
	return given;
}

static char *make_password(void)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32, none alike */
	unsigned char bytes[RANDOM_BYTES];
	char *text = xcalloc(1, sizeof(bytes) + 1);

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		text[i] = letters[bytes[i] % (sizeof(letters) - 1)];
	return text;
}

static struct err *write_secret(const char *path, const char *text)
{
	int r = file_write(path, text, strlen(text), 0600, 0);

	return r < 0 ? err_errno(-r, "writing %s", path) : NULL;
}

struct err *account_write(void)
{
	auto_str kept = xasprintf("%s/lib/xenith-password", supervisor.options->dir);
	auto_str path = xasprintf("%s/lib/xapid.passwd", supervisor.options->dir);
	const char *given = given_password();

	if (given)
		supervisor.password = xstrdup(given);
	else if (file_read(kept, MAX_PASSWORD, &supervisor.password, NULL) < 0)
		supervisor.password = make_password();
	auto_str hash = password_hash(supervisor.password);
	auto_str line = xasprintf("root:root:%s\n", hash ? hash : "*");
	TRY(write_secret(kept, supervisor.password));
	return write_secret(path, line);
}
