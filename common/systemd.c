/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What we ask of systemd (systemd.h).
 */
#include "common/systemd.h"

#include <stdio.h>
#include <sys/stat.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

bool systemd_has_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	char end;

	if (!stream || sscanf(stream, "%llu:%llu%c", &device, &inode, &end) != 2)
		return false;
	/* The variable is inherited by children whose stderr goes elsewhere; hence the
	 * comparison. */
	return !fstat(STDERR_FILENO, &st) && st.st_dev == device && st.st_ino == inode;
}

int systemd_journal_send(const struct iovec *fields, int n)
{
	return sd_journal_sendv(fields, n);
}
