/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What drives one type of SR: a table of functions. A function that is NULL is an operation that
 * the type does not have (Unimplemented); backend_of finds the table.
 *
 * They are called from fibers, several at once, but for one VDI only one at a time, and for an SR
 * none beside sr_attach, sr_detach and sr_destroy. What they make is whole at any moment that the
 * daemon may be killed at, and what they are asked to do may have been done already. Failures are
 * Backend_error (backend_error, backend_failed). A caller that is cancelled may be told so by any
 * wait; what is to be done whole masks that. Answers live in the arena that is given.
 */
#ifndef XENITH_SMD_BACKEND_H
#define XENITH_SMD_BACKEND_H

#include "common/arena.h"
#include "common/dialect.h"
#include "common/err.h"

#include "storage.gen.h"

struct sr;

/* What a snapshot or clone is made of, and how it is to be called. */
struct vdi_copy_spec {
	const char *vdi; /* the source */
	const char *name_label; /* NULL: as the source */
	const char *name_description;
	const struct string_map *sm_config;
	const char *frozen; /* what vdi_freeze told of the source; NULL: nobody writes to it */
};

struct backend {
	const struct storage_driver *about;

	/* ---- the SR ---- */
	MAY_WAIT struct err *(*sr_create)(const struct storage_sr_create_in *in, struct arena *a,
		struct storage_secret_map *out);
	MAY_WAIT struct err *(*sr_probe)(const struct storage_sr_probe_in *in, struct arena *a,
		struct storage_probe_result *out);
	/* Sets sr->state; what was in flight when the daemon last ended is put right. */
	MAY_WAIT struct err *(*sr_attach)(struct sr *sr);
	/* Frees sr->state; nothing is attached any more. */
	MAY_WAIT struct err *(*sr_detach)(struct sr *sr);
	/* The daemon ends: frees sr->state and leaves everything as it is. */
	void (*sr_forget)(struct sr *sr);
	MAY_WAIT struct err *(*sr_destroy)(struct sr *sr);
	MAY_WAIT struct err *(*sr_scan)(
		struct sr *sr, struct arena *a, struct storage_vdi_list *out);
	MAY_WAIT struct err *(*sr_stat)(struct sr *sr, struct arena *a, struct storage_sr *out);
	MAY_WAIT struct err *(*sr_set)(struct sr *sr, const struct storage_sr_set_in *in);

	/* ---- its VDIs ---- */
	MAY_WAIT struct err *(*vdi_stat)(
		struct sr *sr, const char *vdi, struct arena *a, struct storage_vdi *out);
	MAY_WAIT struct err *(*vdi_create)(struct sr *sr, const struct storage_vdi_spec *spec,
		struct arena *a, struct storage_vdi *out);
	/* The same with the bytes of an image that is there. */
	MAY_WAIT struct err *(*vdi_import)(struct sr *sr, const struct storage_vdi_spec *spec,
		const struct storage_image_file *from, struct arena *a, struct storage_vdi *out);
	MAY_WAIT struct err *(*vdi_introduce)(struct sr *sr,
		const struct storage_vdi_introduce_in *in, struct arena *a,
		struct storage_vdi *out);
	MAY_WAIT struct err *(*vdi_destroy)(struct sr *sr, const char *vdi);
	MAY_WAIT struct err *(*vdi_snapshot)(struct sr *sr, const struct vdi_copy_spec *spec,
		struct arena *a, struct storage_vdi *out);
	MAY_WAIT struct err *(*vdi_clone)(struct sr *sr, const struct vdi_copy_spec *spec,
		struct arena *a, struct storage_vdi *out);
	/* The VDI is attached to write, by one user, who has the file AT now. */
	MAY_WAIT struct err *(*vdi_freeze)(struct sr *sr, const char *vdi, const char *at,
		struct arena *a, struct storage_frozen_vdi *out);
	MAY_WAIT struct err *(*vdi_resize)(
		struct sr *sr, const char *vdi, int64_t size_bytes, int64_t *out);
	/* The caller holds SNAPSHOT and the VDI that it was made of, which nobody uses. */
	MAY_WAIT struct err *(*vdi_revert)(struct sr *sr, const char *snapshot);
	MAY_WAIT struct err *(*vdi_set)(struct sr *sr, const struct storage_vdi_set_in *in);

	/* ---- using one: called when the state of the whole VDI changes ---- */
	/* Both are called once more, to write, after the VDI was first attached or activated to be
	 * read. */
	MAY_WAIT struct err *(*vdi_attach)(struct sr *sr, const char *vdi, bool writes);
	MAY_WAIT struct err *(*vdi_activate)(struct sr *sr, const char *vdi, bool writes);
	MAY_WAIT struct err *(*vdi_deactivate)(struct sr *sr, const char *vdi);
	MAY_WAIT struct err *(*vdi_detach)(struct sr *sr, const char *vdi);
	/* The ways to the bytes of an attached VDI, best first. */
	MAY_WAIT struct err *(*vdi_ways)(struct sr *sr, const char *vdi, struct arena *a,
		struct storage_implementation_list *out);
	MAY_WAIT struct err *(*epoch_begin)(struct sr *sr, const char *vdi, bool is_persistent);
	MAY_WAIT struct err *(*epoch_end)(struct sr *sr, const char *vdi);
};

extern const struct backend backend_file, backend_iso;

/* No_storage_plugin_for_sr. */
must_check struct err *backend_of(const char *type, const struct backend **out);
/* The image behind one of the ways to a VDI's bytes; Unimplemented: there is none, for CALL. */
must_check struct err *backend_image(const struct storage_implementation_list *ways,
	const char *call, struct storage_image_file *out);
/* Every one there is; NULL-terminated. */
extern const struct backend *const backends[];

/* Codes of SMAPIv1's drivers, as clients know them: SR_BACKEND_FAILURE_n. */
enum backend_fault {
	FAULT_SCAN = 40,
	FAULT_NO_SPACE = 44,
	FAULT_VDI_UNAVAILABLE = 46,
	FAULT_SR_UNAVAILABLE = 47,
	FAULT_VDI_SIZE = 79,
	FAULT_VDI_CREATE = 78,
	FAULT_VDI_DELETE = 80,
	FAULT_VDI_CLONE = 82,
	FAULT_VDI_SNAPSHOT = 81,
	FAULT_SR_CREATE = 102,
	FAULT_CHAIN_TOO_LONG = 109,
	FAULT_VDI_RESIZE = 110,
	FAULT_VDI_ATTACH = 48,
	FAULT_SR_DELETE = 104,
	FAULT_GENERAL = 1200,
};

/* A Backend_error with this fault and text. */
must_check struct err *backend_error(enum backend_fault fault, const char *fmt, ...)
	printf_like(2, 3) __attribute__((__returns_nonnull__));
/* E as one; Backend_error, the errors of VDIs and SRs and cancellation stay as they are, and a full
 * disk is FAULT_NO_SPACE. NULL stays NULL. Takes E. */
must_check struct err *backend_failed(enum backend_fault fault, struct err *e);

#endif
