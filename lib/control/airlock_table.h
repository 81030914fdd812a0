/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_TABLE_H
#define AIRLOCK_TABLE_H

/**
 * @file
 * The pipeline's statistics as a table for people.
 *
 * Thread rule: one thread at a time.
 */

#include <stdio.h>

struct airlock_pipeline;

/**
 * Print uplinks, VMs that are or were there, drops by reason, pages by state and lcores.
 *
 * @param out  written and flushed
 */
void airlock_table_print(struct airlock_pipeline *pipeline, FILE *out);

#endif /* AIRLOCK_TABLE_H */
