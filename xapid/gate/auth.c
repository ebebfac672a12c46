/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accounts (auth.h). Checks are slow on purpose, and done by few at a time; a wrong password costs
 * its sender a while more.
 */
#define LOG_MODULE "auth"

#include "xapid/gate/auth.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/fiber.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/offload.h"
#include "common/password.h"
#include "common/proc.h"
#include "common/uuid.h"
#include "xapid/gate/roles.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE      (1 << 20)
#define MAX_TEXT      1024 /* of a name or a password */
#define DELAY_NS      (500 * NS_PER_MS)
#define PAM_WITHIN_NS (60 * NS_PER_S)
#define AT_ONCE       4
#define SECRET_BYTES  32
#define SECRET_TEXT   (2 * SECRET_BYTES)
#define MOST_ROLE     "pool-admin"

/* Checked where there is no such account, so that both take as long. */
#define HASH_OF_NOBODY "$y$j9T$AAAAAAAAAAAAAAAAAAAAA.$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."

static struct {
	unsigned running;
	struct cond free;
	char *pool_secret; /* owned */
} auth;

static struct err *refused(const char *user, const char *why)
{
	return err_not_null(err_new(__FILE__, __LINE__, ERR_SESSION_AUTHENTICATION_FAILED.code, 2,
		(const char *const[]){user, why}));
}

/* ---- the file ---- */

struct file_check {
	const char *path, *user, *password;
	char role[32]; /* "": the password is wrong */
	int r; /* of reading the file */
};

/* The account's line, NAME:ROLE:HASH, cut into its parts; false: there is none. */
static bool find_line(char *text, const char *user, char **role, char **hash)
{
	for (char *line; (line = strsep(&text, "\n"));) {
		const char *name = strsep(&line, ":");

		*role = strsep(&line, ":");
		*hash = line;
		if (*hash && *name != '#' && !strcmp(name, user))
			return true;
	}
	return false;
}

static void check_file(void *arg)
{
	struct file_check *check = arg;
	auto_str text = NULL;
	char *role, *hash;

	check->r = file_read(check->path, MAX_FILE, &text, NULL);
	if (check->r < 0)
		return;
	bool is_there = find_line(text, check->user, &role, &hash);
	if (password_is(check->password, is_there ? hash : HASH_OF_NOBODY) && is_there)
		snprintf(check->role, sizeof(check->role), "%s", role);
}

/* The name of a role of the model, which lives for ever. */
static const char *role_of_model(const char *name)
{
	for (uint32_t i = 0; i < xenapi_interface.n_roles; i++)
		if (!strcmp(xenapi_interface.roles[i], name))
			return role_exists(name) ? xenapi_interface.roles[i] : NULL;
	return NULL;
}

static MAY_WAIT struct err *ask_file(
	const char *user, struct secret password, struct auth_account *out)
{
	auto_str path = xasprintf("%s/xapid.passwd", daemon_paths()->state);
	struct file_check check = {.path = path, .user = user, .password = password.hidden};

	TRY(offload("checking a password", check_file, &check));
	if (check.r < 0) {
		log_rl(LOG_WARN_, "nobody can log in: reading %s: %s", path,
			strerrordesc_np(-check.r));
		return refused(user, "there are no accounts");
	}
	bool is_root = !strcmp(check.role, "root");
	const char *role = role_of_model(is_root ? MOST_ROLE : check.role);
	if (!role)
		return refused(user, "wrong name or password");
	*out = (struct auth_account){.role = role, .is_root = is_root};
	return NULL;
}

/* ---- PAM ---- */

static MAY_WAIT struct err *ask_pam(
	const char *user, struct secret password, struct auth_account *out)
{
	auto_str program = xasprintf("%s/xapid-pam", daemon_paths()->libexec);
	auto_str input = xasprintf("%s%c%s", user, '\n', password.hidden);
	size_t len = strlen(input);
	const struct proc_spec spec = {
		.argv = (const char *const[]){program, "xapid", NULL},
		.input = input,
		.input_len = len,
		.deadline = deadline_in(PAM_WITHIN_NS),
	};
	struct err *e = proc_run(&spec, NULL);

	explicit_bzero(input, len);
	if (e) {
		auto_err why = e;

		log_err(LOG_INFO_, why, "PAM does not admit '%s'", user);
		return refused(user, "wrong name or password");
	}
	*out = (struct auth_account){.role = role_of_model(MOST_ROLE), .is_root = true};
	return NULL;
}

/* ---- a check ---- */

static bool is_plausible(const char *user, struct secret password)
{
	return *user && strlen(user) <= MAX_TEXT && strlen(password.hidden) <= MAX_TEXT &&
		!strpbrk(user, ":\n") && !strchr(password.hidden, '\n');
}

static MAY_WAIT struct err *ask(const char *user, struct secret password, struct auth_account *out)
{
	if (!is_plausible(user, password))
		return refused(user, "wrong name or password");
	if (xapid_conf.auth == XAPID_AUTH_FILE)
		return ask_file(user, password, out);
	return ask_pam(user, password, out);
}

struct err *auth_check(const char *user, struct secret password, struct auth_account *out)
{
	while (auth.running == AT_ONCE)
		TRY(cond_wait(&auth.free, "other logins", NEVER));
	auth.running++;
	struct err *e = ask(user, password, out);
	if (err_is(e, &ERR_SESSION_AUTHENTICATION_FAILED)) {
		log_info("a login as '%.64s' failed", user);
		err_free(fiber_sleep(DELAY_NS));
	}
	auth.running--;
	cond_signal(&auth.free);
	return e;
}

/* ---- the pool's secret ---- */

static struct err *make_pool_secret(const char *path)
{
	unsigned char bytes[SECRET_BYTES];

	random_bytes(bytes, sizeof(bytes));
	auth.pool_secret = xcalloc(1, SECRET_TEXT + 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(auth.pool_secret + 2 * i, 3, "%02x", bytes[i]);
	int r = file_write(path, auth.pool_secret, SECRET_TEXT, 0600, FILE_DURABLE);
	return r < 0 ? err_errno(-r, "writing %s", path) : NULL;
}

struct err *auth_load_pool_secret(void)
{
	auto_str path = xasprintf("%s/xapid-pool.secret", daemon_paths()->state);
	int r = file_read(path, MAX_TEXT, &auth.pool_secret, NULL);

	if (r == -ENOENT)
		return make_pool_secret(path);
	if (r < 0)
		return err_errno(-r, "reading %s", path);
	auth.pool_secret[strcspn(auth.pool_secret, "\n")] = '\0';
	return NULL;
}

bool auth_is_pool_secret(const char *text)
{
	unsigned char differences = 0;

	if (!auth.pool_secret || strlen(auth.pool_secret) < SECRET_BYTES ||
		strlen(text) != strlen(auth.pool_secret))
		return false;
	for (size_t i = 0; text[i]; i++)
		differences |= (unsigned char)(text[i] ^ auth.pool_secret[i]);
	return !differences;
}

/* ---- start and end ---- */

void auth_start(void)
{
	cond_init(&auth.free);
}

void auth_stop(void)
{
	free(auth.pool_secret);
	auth.pool_secret = NULL;
}
