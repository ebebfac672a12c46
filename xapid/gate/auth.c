/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accounts (auth.h). Checks are slow on purpose, and done by few at a time; a wrong password costs
 * its sender a while more, and the next ones from there longer (origin.h).
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
#include "xapid/gate/origin.h"
#include "xapid/gate/roles.h"
#include "xapid/gate/subject.h"
#include "xapid/pam/status.h"
#include "xapid/xapid.h"

#include "xenapi.gen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE     (1 << 20)
#define MAX_TEXT     1024 /* of a name or a password */
#define DELAY_NS     (500 * NS_PER_MS)
#define AT_ONCE      32
#define PAM_SERVICE  "xapid"
#define SECRET_BYTES 32
#define SECRET_TEXT  (2 * SECRET_BYTES)
#define MOST_ROLE    "pool-admin"
#define WRONG        "wrong name or password"
#define NO_ANSWER    "it cannot be found out who this is: try again later"

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
		return refused(user, WRONG);
	*out = (struct auth_account){.role = role, .is_root = is_root};
	return NULL;
}

/* ---- PAM ---- */

/* What xapid-pam takes: the name, a NUL, the password, a NUL. For the caller to wipe and free. */
static char *pam_input(const char *user, struct secret password, size_t *len)
{
	size_t user_size = strlen(user) + 1, password_size = strlen(password.hidden) + 1;
	char *input = xcalloc(1, user_size + password_size);

	memcpy(input, user, user_size);
	memcpy(input + user_size, password.hidden, password_size);
	*len = user_size + password_size;
	return input;
}

static MAY_WAIT struct err *run_pam(
	const char *origin, const char *user, struct secret password, struct proc_result *out)
{
	auto_str program = xasprintf("%s/xapid-pam", daemon_paths()->libexec);
	size_t len;
	auto_str input = pam_input(user, password, &len);
	const struct proc_spec spec = {
		.argv = (const char *const[]){program, PAM_SERVICE, origin, NULL},
		.cwd = "/",
		.input = input,
		.input_len = len,
		.deadline = deadline_in(xapid_conf.login_ns),
		.any_status = true,
	};
	struct err *e = proc_run(&spec, out);

	explicit_bzero(input, len);
	return e;
}

/* What its exit status says; E: why there is none. */
static struct err *pam_answer(const char *user, const struct proc_result *r)
{
	char status[PROC_STATUS_SIZE];

	switch (r->status.exit_code) {
	case PAM_EXIT_ADMITTED:
		return NULL;
	case PAM_EXIT_REFUSED:
		log_info("PAM refuses '%.64s': %.200s", user, r->err);
		return refused(user, WRONG);
	case PAM_EXIT_NOT_NOW:
		r->out[strcspn(r->out, "\n")] = '\0';
		return refused(user, r->out);
	}
	log_rl(LOG_WARN_, "PAM cannot say who '%.64s' is: xapid-pam: %s: %.500s", user,
		proc_status_text(r->status, status), r->err);
	return refused(user, NO_ANSWER);
}

/* What one may do whom PAM lets in. A name that is spelled otherwise is another subject's, or
 * nobody's. */
static struct err *pam_account(const char *user, struct auth_account *out)
{
	if (xapid_conf.pam_users == XAPID_USERS_SUPERUSER || !strcmp(user, "root")) {
		*out = (struct auth_account){.role = role_of_model(MOST_ROLE), .is_root = true};
		return NULL;
	}
	const char *subject = subject_find(user);
	const char *role = subject ? subject_role(subject) : NULL;
	if (!role)
		return refused(user, "no role of the pool was given to this user");
	*out = (struct auth_account){.role = role, .subject = subject};
	return NULL;
}

/* Whatever becomes of the process, the answer is that nobody is let in. */
static MAY_WAIT struct err *ask_pam(
	const char *origin, const char *user, struct secret password, struct auth_account *out)
{
	auto_proc_result r = {0};
	auto_err e = run_pam(origin, user, password, &r);

	TRY(fiber_check());
	if (e) {
		log_err(LOG_WARN_, e, "PAM cannot say who '%.64s' is", user);
		return refused(user, NO_ANSWER);
	}
	TRY(pam_answer(user, &r));
	return pam_account(user, out);
}

/* ---- a check ---- */

static bool is_plausible(const char *user, struct secret password)
{
	return *user && strlen(user) <= MAX_TEXT && strlen(password.hidden) <= MAX_TEXT &&
		!strpbrk(user, ":\n") && !strchr(password.hidden, '\n');
}

static MAY_WAIT struct err *ask(
	const char *origin, const char *user, struct secret password, struct auth_account *out)
{
	if (!is_plausible(user, password))
		return refused(user, WRONG);
	if (xapid_conf.auth == XAPID_AUTH_FILE)
		return ask_file(user, password, out);
	return ask_pam(origin, user, password, out);
}

/* So many at a time, whoever they are of. */
static MAY_WAIT struct err *ask_in_turn(
	const char *origin, const char *user, struct secret password, struct auth_account *out)
{
	while (auth.running == AT_ONCE)
		TRY(cond_wait(&auth.free, "other logins", NEVER));
	auth.running++;
	struct err *e = ask(origin, user, password, out);
	auth.running--;
	cond_signal(&auth.free);
	return e;
}

struct err *auth_check(
	const char *origin, const char *user, struct secret password, struct auth_account *out)
{
	struct origin *from;

	TRY(origin_enter(origin, &from));
	if (!from) {
		log_rl(LOG_WARN_, "too many logins from %s have failed", origin);
		return refused(user, "too many logins from there have failed: try again later");
	}
	struct err *e = ask_in_turn(origin, user, password, out);
	bool has_failed = err_is(e, &ERR_SESSION_AUTHENTICATION_FAILED);
	origin_leave(from, has_failed);
	if (has_failed) {
		log_info("a login as '%.64s' from %s failed", user, origin);
		err_free(fiber_sleep(DELAY_NS));
	}
	return e;
}

/* ---- the pool's secret ---- */

struct err *auth_write_pool_secret(const char *secret)
{
	auto_str path = xasprintf("%s/xapid-pool.secret", daemon_paths()->state);
	int r = file_write(path, secret, strlen(secret), 0600, FILE_DURABLE);

	return r < 0 ? err_errno(-r, "writing %s", path) : NULL;
}

const char *auth_pool_secret(void)
{
	return auth.pool_secret;
}

static struct err *make_pool_secret(void)
{
	unsigned char bytes[SECRET_BYTES];

	random_bytes(bytes, sizeof(bytes));
	auth.pool_secret = xcalloc(1, SECRET_TEXT + 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(auth.pool_secret + 2 * i, 3, "%02x", bytes[i]);
	return auth_write_pool_secret(auth.pool_secret);
}

struct err *auth_load_pool_secret(void)
{
	auto_str path = xasprintf("%s/xapid-pool.secret", daemon_paths()->state);
	int r = file_read(path, MAX_TEXT, &auth.pool_secret, NULL);

	if (r == -ENOENT)
		return make_pool_secret();
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
	origins_stop();
	free(auth.pool_secret);
	auth.pool_secret = NULL;
}
