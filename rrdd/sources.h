/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where figures come from: the host's own files under /proc and /sys, and what xenopsd tells of its
 * VMs. Names, units and meanings are those of XenServer's metrics, which clients know.
 */
#ifndef XENITH_RRDD_SOURCES_H
#define XENITH_RRDD_SOURCES_H

#include "rrdd/series.h"

#include "xenops.gen.h"

/* Gives back what the samples hold. */
void samples_fini(struct samples *s);

/* The name is a printf format. */
void sample_gauge(struct samples *s, double value, double max, const char *units,
	const char *description, const char *name_fmt, ...) printf_like(6, 7);
void sample_counter(struct samples *s, double value, double max, const char *units,
	const char *description, const char *name_fmt, ...) printf_like(6, 7);

/* Reads the host's files, under ROOT ("" but in tests). What cannot be read is left out. Blocks, if
 * only for a moment: on the pool. */
void host_read(const char *root, struct samples *out);
/* What xenopsd's figures say of the host: the hypervisor counts its CPUs where there is one. */
void host_add_figures(const struct xenops_figures *figures, struct samples *out);
void vm_read(const struct xenops_vm_figures *vm, struct samples *out);

#endif
