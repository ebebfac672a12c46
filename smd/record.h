/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of smd.db: values of the interface's types as JSON. Each function returns when its
 * change is durable, so memory is changed after it and needs no undo.
 */
#ifndef XENITH_SMD_RECORD_H
#define XENITH_SMD_RECORD_H

#include "common/dialect.h"
#include "common/err.h"
#include "common/schema.h"
#include "common/store.h"

/* Opens PATH. After a reboot of the host nothing is attached any more: all rows are dropped. */
MAY_WAIT must_check struct err *records_open(const char *path);
void records_close(void);
/* Calls FN for each row: before the first change. */
must_check struct err *records_load(const char *table, store_row_fn fn, void *arg);

MAY_WAIT must_check struct err *record_put(
	const char *table, const char *key, const struct type *t, const void *value);
MAY_WAIT must_check struct err *record_delete(const char *table, const char *key);

#endif
