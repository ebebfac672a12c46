/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xapid-pam: asks PAM whether a name and a password are somebody's who may log in. A process of its
 * own for each login, since modules of PAM block, crash, leak and start processes; xapid ends it at
 * a deadline (gate/auth.c). One thread.
 *
 *	xapid-pam SERVICE [ORIGIN]
 *
 * On stdin come the name, a NUL, the password, a NUL. The exit status is the answer; with
 * EXIT_NOT_NOW stdout says why, in words for the one who logs in, and stderr is for the log.
 */
#include "common/dialect.h"
#include "common/mem.h"
#include "xapid/pam/status.h"

#include <errno.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_INPUT   4096
#define MAX_PROMPTS 8 /* a module that goes on asking is not answered for ever */

static struct {
	char input[MAX_INPUT]; /* zeroed behind what came */
	const char *user, *password; /* parts of it */
	unsigned n_prompts;
} login;

/* ---- what xapid said ---- */

static bool read_input(void)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, login.input + len, sizeof(login.input) - len)) != 0) {
		if (n < 0 && errno != EINTR)
			return false;
		len += n > 0 ? (size_t)n : 0;
		if (len == sizeof(login.input))
			return false;
	}
	const char *end = memchr(login.input, '\0', len);
	if (!end || end == login.input)
		return false;
	login.user = login.input;
	login.password = end + 1;
	return memchr(login.password, '\0', len - (size_t)(login.password - login.input));
}

/* ---- what modules ask ---- */

/* From malloc, as PAM wants it; NULL: no answer. */
static char *answer_to(const struct pam_message *m)
{
	if (m->msg_style == PAM_PROMPT_ECHO_OFF && login.n_prompts++ < MAX_PROMPTS)
		return xstrdup(login.password);
	if (m->msg_style == PAM_PROMPT_ECHO_ON && login.n_prompts++ < MAX_PROMPTS)
		return xstrdup(login.user);
	return NULL;
}

static void forget(struct pam_response *responses, int n)
{
	for (int i = 0; i < n; i++) {
		if (responses[i].resp)
			explicit_bzero(responses[i].resp, strlen(responses[i].resp));
		free(responses[i].resp);
	}
	free(responses);
}

/* Every prompt gets the password, or the name where it may be seen; words for people are for the
 * log. */
static int converse(
	int n, const struct pam_message **messages, struct pam_response **out, void *unused)
{
	struct pam_response *responses = xcalloc((size_t)(n > 0 ? n : 1), sizeof(*responses));

	for (int i = 0; i < n; i++) {
		const struct pam_message *m = messages[i];
		bool is_prompt =
			m->msg_style == PAM_PROMPT_ECHO_OFF || m->msg_style == PAM_PROMPT_ECHO_ON;

		if (!is_prompt) {
			fprintf(stderr, "%s\n", m->msg ? m->msg : "");
			continue;
		}
		responses[i].resp = answer_to(m);
		if (!responses[i].resp) {
			forget(responses, n);
			return PAM_CONV_ERR;
		}
	}
	*out = responses;
	return PAM_SUCCESS;
}

/* It is xapid that has the other side wait: modules are not to. */
static void no_delay(int status, unsigned microseconds, void *unused)
{
}

/* ---- the answer ---- */

/* Of whom it is known that the password is his, and who may not log in. */
static int answer_not_now(pam_handle_t *pam, int r)
{
	printf("%s\n", pam_strerror(pam, r));
	return PAM_EXIT_NOT_NOW;
}

static int exit_status(pam_handle_t *pam, int r)
{
	switch (r) {
	case PAM_SUCCESS:
		return PAM_EXIT_ADMITTED;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_PERM_DENIED:
	case PAM_CRED_INSUFFICIENT:
		return PAM_EXIT_REFUSED;
	case PAM_ACCT_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_CRED_EXPIRED:
		return answer_not_now(pam, r);
	}
	return PAM_EXIT_FAILED;
}

static int ask(pam_handle_t *pam, const char *origin)
{
	int r = pam_set_item(pam, PAM_FAIL_DELAY, (const void *)no_delay);

	if (r == PAM_SUCCESS && *origin)
		r = pam_set_item(pam, PAM_RHOST, origin);
	if (r == PAM_SUCCESS)
		r = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (r == PAM_SUCCESS)
		r = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (r != PAM_SUCCESS)
		fprintf(stderr, "%s\n", pam_strerror(pam, r));
	return r;
}

/* Nobody is to find the password in a core, or look at it. */
static void keep_secrets(void)
{
	const struct rlimit none = {0};

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

int main(int argc, char **argv)
{
	const struct pam_conv conversation = {.conv = converse};
	pam_handle_t *pam = NULL;

	keep_secrets();
	if (argc < 2 || argc > 3 || !read_input()) {
		fprintf(stderr, "usage: xapid-pam SERVICE [ORIGIN], name and password on stdin\n");
		return PAM_EXIT_FAILED;
	}
	int r = pam_start(argv[1], login.user, &conversation, &pam);
	if (r != PAM_SUCCESS) {
		fprintf(stderr, "%s\n", pam_strerror(NULL, r));
		return PAM_EXIT_FAILED;
	}
	r = ask(pam, argc > 2 ? argv[2] : "");
	int status = exit_status(pam, r);
	pam_end(pam, r);
	explicit_bzero(login.input, sizeof(login.input));
	return status;
}
