/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * auth: what this host knows of the users that PAM lets in, by their names; a subject's identifier
 * is the name that its user logs in with (xapid/gate/subject.h). Asking may block, so threads do
 * it.
 */
#include "common/mem.h"
#include "common/offload.h"
#include "xapid/gate/call.h"

#include "xenapi.gen.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#define MAX_TEXT   (64 << 10) /* of all of a user's fields */
#define MAX_GROUPS 1024

/* A user as the system has him. Filled in a thread. */
struct user {
	const char *name;
	struct passwd *found; /* &entry, or NULL */
	struct passwd entry;
	char *text; /* what the entry points into */
	struct string_list groups; /* owned names */
};

static void user_fini(struct user *u)
{
	for (size_t i = 0; i < u->groups.n; i++)
		free((char *)u->groups.v[i]);
	free(u->groups.v);
	free(u->text);
}

static void look_up(void *arg)
{
	struct user *u = arg;

	u->text = xmalloc(MAX_TEXT);
	if (getpwnam_r(u->name, &u->entry, u->text, MAX_TEXT, &u->found) != 0)
		u->found = NULL;
}

static void look_up_groups(void *arg)
{
	struct user *u = arg;
	auto_str text = xmalloc(MAX_TEXT);
	gid_t ids[MAX_GROUPS];
	int n = MAX_GROUPS;
	struct group group, *found;

	look_up(u);
	if (!u->found || getgrouplist(u->name, u->entry.pw_gid, ids, &n) < 0)
		return;
	u->groups.v = xcalloc((size_t)n, sizeof(*u->groups.v));
	for (int i = 0; i < n; i++)
		if (getgrgid_r(ids[i], &group, text, MAX_TEXT, &found) == 0 && found)
			u->groups.v[u->groups.n++] = xstrdup(group.gr_name);
}

static MAY_WAIT struct err *ask(struct user *u, void (*how)(void *arg))
{
	TRY(offload("asking for a user", how, u));
	return u->found ? NULL : err(SUBJECT_CANNOT_BE_RESOLVED);
}

MAY_WAIT struct err *xapi_auth_get_subject_identifier(
	struct call *c, const struct xenapi_auth_get_subject_identifier_in *in, const char **out)
{
	AUTO(user_fini) struct user u = {.name = in->subject_name};

	TRY(ask(&u, look_up));
	*out = arena_strdup(c->arena, u.found->pw_name);
	return NULL;
}

MAY_WAIT struct err *xapi_auth_get_subject_information_from_identifier(struct call *c,
	const struct xenapi_auth_get_subject_information_from_identifier_in *in,
	struct string_map *out)
{
	AUTO(user_fini) struct user u = {.name = in->subject_identifier};

	TRY(ask(&u, look_up));
	const struct string_map_entry entries[] = {
		{"subject-name", arena_strdup(c->arena, u.found->pw_name)},
		{"subject-gecos", arena_strdup(c->arena, u.found->pw_gecos)},
		{"subject-gid", arena_printf(c->arena, "%u", u.found->pw_gid)},
		{"subject-homedir", arena_strdup(c->arena, u.found->pw_dir)},
		{"subject-is-group", "false"},
		{"subject-shell", arena_strdup(c->arena, u.found->pw_shell)},
		{"subject-uid", arena_printf(c->arena, "%u", u.found->pw_uid)},
	};
	out->v = arena_calloc(c->arena, ARRAY_LEN(entries), sizeof(*out->v));
	out->n = ARRAY_LEN(entries);
	memcpy(out->v, entries, sizeof(entries));
	return NULL;
}

MAY_WAIT struct err *xapi_auth_get_group_membership(struct call *c,
	const struct xenapi_auth_get_group_membership_in *in, struct string_list *out)
{
	AUTO(user_fini) struct user u = {.name = in->subject_identifier};

	TRY(ask(&u, look_up_groups));
	*out = (struct string_list){arena_calloc(c->arena, u.groups.n + 1, sizeof(*out->v)), 0};
	for (size_t i = 0; i < u.groups.n; i++)
		out->v[out->n++] = arena_strdup(c->arena, u.groups.v[i]);
	return NULL;
}
