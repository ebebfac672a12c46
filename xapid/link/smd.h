/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The link to smd, which has the SRs of this host: their drivers, sizes and VDIs come from there.
 * SRs that are plugged in the database are attached again when smd has lost them (at boot).
 */
#ifndef XENITH_XAPID_LINK_SMD_H
#define XENITH_XAPID_LINK_SMD_H

#include "xapid/link/link.h"

#include "storage.gen.h"
#include "xenapi.gen.h"

/* The first part of the names of datapaths by which xapid itself uses a VDI; behind it stands the
 * task that does. */
#define SMD_OWN_DATAPATH "xapid/"

/* Attaches the SR of a PBD of this host, and notes the PBD as plugged. WORK as in link_await. */
MAY_WAIT must_check struct err *smd_attach(const char *pbd, const struct link_work *work);

/* Until those SRs are attached again, or could not be, that smd had lost when the link came up. */
MAY_WAIT must_check struct err *smd_wait_attached(void);

/* A VDI's record from what smd says of it; the rest stays as RECORD has it. Borrows. */
void smd_vdi_fill(const struct storage_vdi *vdi, const char *sr, struct xenapi_vdi *record);
/* Notes what smd says of a VDI that is in the database; REF is its row. */
must_check struct err *smd_vdi_note(const char *ref, const struct storage_vdi *vdi);
/* Notes the size of an SR. */
must_check struct err *smd_sr_note(const char *ref, const struct storage_sr *sr);
/* The row of the VDI of this name in an SR, or NULL. */
const char *smd_vdi_ref(const char *sr, const char *location);
/* A map of texts as one of secrets. */
struct storage_secret_map smd_secrets(const struct string_map *texts, struct arena *a);

/* What is to be done once smd has come up and was compared, in a fiber of its own. */
void smd_when_up(void (*fn)(void));

#endif
