/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subjects (subject.h), as the database has them.
 */
#include "xapid/gate/subject.h"

#include "xapid/db/db.h"
#include "xapid/gate/roles.h"
#include "xapid/gate/session.h"

#include <string.h>

const char *subject_find(const char *identifier)
{
	db_for_each (subject, row) {
		const struct xenapi_subject *subject = db_record(row);

		if (!strcmp(subject->subject_identifier, identifier))
			return db_ref(row);
	}
	return NULL;
}

static bool has_role(const struct xenapi_subject *subject, const char *name)
{
	for (size_t i = 0; i < subject->roles.n; i++) {
		const struct xenapi_role *role = db_find(role, subject->roles.v[i]);

		if (role && !strcmp(role->name_label, name))
			return true;
	}
	return false;
}

const char *subject_role(const char *ref)
{
	const struct xenapi_subject *subject = db_find(subject, ref);

	for (uint32_t i = xenapi_interface.n_roles; subject && i > 0; i--) {
		const char *name = xenapi_interface.roles[i - 1];

		if (role_exists(name) && has_role(subject, name))
			return name;
	}
	return NULL;
}

void subject_changed(const char *ref)
{
	session_set_role(ref, subject_role(ref));
}
