/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef METRICS_PRIV_H
#define METRICS_PRIV_H

/**
 * @file
 * How metrics are described, and written as text: a *metric* is one row of a table, a *row* is one
 * object that has it.
 *
 * Thread rule: no state; any thread.
 */

#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>

#include "airlock_metrics.h"

/** Bytes of an object's labels with the terminating zero. */
#define METRICS_LABELS_MAX 512

enum metrics_type {
	METRICS_COUNTER, /**< its samples end in _total */
	METRICS_GAUGE,
	METRICS_INFO, /**< its samples end in _info; the value is 1 */
	METRICS_HISTOGRAM, /**< its samples are for metrics_put() to name */
};

/** What lies at a metric's offset. */
enum metrics_value {
	METRICS_NUMBER, /**< an unsigned number of 1, 2, 4 or 8 bytes, or a bool */
	METRICS_TSC, /**< uint64_t, cycles of the TSC, told in seconds */
	METRICS_NS, /**< uint64_t, nanoseconds, told in seconds */
	METRICS_DROPS, /**< struct airlock_drops_value, told as its sum */
	METRICS_LIMIT, /**< an unsigned number; 0, no limit, is told as +Inf */
	METRICS_BITS_LIMIT, /**< the same, uint64_t, of bits, told in bytes */
};

/** One metric family. */
struct metrics_metric {
	const char *name; /**< without the type's ending */
	const char *help; /**< without backslash and newline */
	enum metrics_type type;
	enum metrics_value value;
	size_t offset; /**< of the value, in a row's object */
	size_t size; /**< of the value, for METRICS_NUMBER and METRICS_LIMIT */
	unsigned int nb; /**< values in an array; 0: one, without a label of its own */
	size_t stride; /**< bytes from one to the next */
	const char *label; /**< by which they differ */
	const char *(*label_value)(unsigned int i);
};

#define METRICS_FIELD(type, field) \
	.offset = offsetof(type, field), .size = RTE_SIZEOF_FIELD(type, field)

/** An object that has metrics. */
struct metrics_row {
	const void *object;
	char labels[METRICS_LABELS_MAX]; /**< `vm="web",queue="0"`; empty: none */
};

struct metrics_text {
	FILE *out;
	bool openmetrics;
};

/** Append `name="value"` to labels, escaped; what is not ASCII becomes '?'. */
void metrics_add_label(struct metrics_row *row, const char *name, const char *value);

/** The same, of a number. */
void metrics_add_number(struct metrics_row *row, const char *name, uint64_t value);

/** Write a family's head: its type, its unit if it ends in one, its help. */
void metrics_put_head(const struct metrics_text *text, const char *name, enum metrics_type type,
	const char *help);

/** Write one sample, with an ending for its name, and one label more if *label* is not NULL. */
void metrics_put(const struct metrics_text *text, const char *name, const char *ending,
	const char *labels, const char *label, const char *label_value, uint64_t value);

/** Write families, each with a sample for every row; none if there is no row. */
void metrics_put_table(const struct metrics_text *text, const struct metrics_metric *metrics,
	unsigned int nb_metrics, const struct metrics_row *rows, unsigned int nb_rows);

#endif /* METRICS_PRIV_H */
