/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jansson as the oracle for our JSON reader and writer: whatever the bytes, both take them or both
 * refuse them, and find the same value. Used by the unit test and by the fuzz target.
 */
#ifndef XENITH_TESTS_UNIT_JSON_ORACLE_H
#define XENITH_TESTS_UNIT_JSON_ORACLE_H

#include "common/dialect.h"

/* Reads TEXT by both. Returns whether it is JSON; aborts, telling why, when the two disagree. */
bool json_oracle_check(const char *text, size_t len);

#endif
