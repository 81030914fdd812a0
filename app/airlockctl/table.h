/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TABLE_H
#define TABLE_H

/*
 * Text in columns that are as wide as their widest cell.
 *
 * Thread rule: one thread.
 */

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#define TABLE_COLUMNS 16

struct table {
	unsigned int nb_columns;
	unsigned int nb_cells; /* row by row */
	unsigned int max_cells;
	char **cells;
	const char *columns[TABLE_COLUMNS];
};

/**
 * Begin a table.
 *
 * @param columns headings; '>' in front of one: the column is set to the right. Constant text. The
 *   table has no line of headings if all are empty.
 */
void table_init(struct table *table, unsigned int nb_columns, const char *const columns[]);

/** One more cell, of what printf() makes of it; control characters become '?'. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** One more cell: a number. */
void table_add_count(struct table *table, uint64_t count);

/** One more cell: any value that is neither object nor array. */
void table_add_value(struct table *table, const json_t *value);

/** Print the table with *indent* blanks in front of each line, and free it. */
void table_print(struct table *table, FILE *out, unsigned int indent);

/** Two columns without headings: keys, values. */
void table_init_pairs(struct table *table);

/** A bar that shows *part* of *whole*. */
const char *table_bar(uint64_t part, uint64_t whole);

#endif /* TABLE_H */
