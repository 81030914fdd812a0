/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Metrics as text, in either of two formats that differ little: OpenMetrics names a family without
 * the ending of its samples, has a type for information, and units; Prometheus' own has not.
 *
 * Thread rule: no state; any thread.
 */

#include <inttypes.h>
#include <string.h>

#include <rte_cycles.h>

#include <airlock_stats.h>

#include "metrics_priv.h"

#define NS_PER_SECOND 1000000000

static const char *
ending_of(enum metrics_type type)
{
	switch (type) {
	case METRICS_COUNTER:
		return "_total";
	case METRICS_INFO:
		return "_info";
	default:
		return "";
	}
}

static const char *
type_name(enum metrics_type type, bool openmetrics)
{
	switch (type) {
	case METRICS_COUNTER:
		return "counter";
	case METRICS_INFO:
		return openmetrics ? "info" : "gauge";
	case METRICS_HISTOGRAM:
		return "histogram";
	default:
		return "gauge";
	}
}

void
metrics_add_label(struct metrics_row *row, const char *name, const char *value)
{
	char *at = row->labels + strlen(row->labels);
	/* Room for one more character, escaped, for the quote and for the end. */
	const char *end = row->labels + sizeof(row->labels) - 4;
	int len;

	/* The last label may have taken some of that room. */
	if (at >= end)
		return;
	len = snprintf(at, end - at, "%s%s=\"", row->labels[0] == '\0' ? "" : ",", name);
	if (len >= end - at) {
		*at = '\0';
		return;
	}
	for (at += len; *value != '\0' && at < end; value++) {
		if (*value == '"' || *value == '\\' || *value == '\n')
			*at++ = '\\';
		if (*value == '\n')
			*at++ = 'n';
		else
			*at++ = (unsigned char)*value > 0x7e ? '?' : *value;
	}
	*at++ = '"';
	*at = '\0';
}

void
metrics_add_number(struct metrics_row *row, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	metrics_add_label(row, name, text);
}

static bool
ends_in(const char *name, const char *ending)
{
	size_t len = strlen(name), ending_len = strlen(ending);

	return len > ending_len && strcmp(name + len - ending_len, ending) == 0;
}

void
metrics_put_head(
	const struct metrics_text *text, const char *name, enum metrics_type type, const char *help)
{
	static const char *const units[] = {"_bytes", "_seconds", "_bytes_per_second"};
	const char *ending = text->openmetrics ? "" : ending_of(type);

	fprintf(text->out, "# TYPE %s%s %s\n", name, ending, type_name(type, text->openmetrics));
	for (unsigned int i = 0; i < RTE_DIM(units) && text->openmetrics; i++)
		if (ends_in(name, units[i]))
			fprintf(text->out, "# UNIT %s %s\n", name, units[i] + 1);
	fprintf(text->out, "# HELP %s%s %s\n", name, ending, help);
}

static void
put_name(const struct metrics_text *text, const char *name, const char *ending, const char *labels,
	const char *label, const char *label_value)
{
	const char *comma = labels[0] != '\0' && label != NULL ? "," : "";

	fprintf(text->out, "%s%s", name, ending);
	if (label != NULL)
		fprintf(text->out, "{%s%s%s=\"%s\"}", labels, comma, label, label_value);
	else if (labels[0] != '\0')
		fprintf(text->out, "{%s}", labels);
}

void
metrics_put(const struct metrics_text *text, const char *name, const char *ending,
	const char *labels, const char *label, const char *label_value, uint64_t value)
{
	put_name(text, name, ending, labels, label, label_value);
	fprintf(text->out, " %" PRIu64 "\n", value);
}

static uint64_t
number_at(const void *at, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)at;
	case 2:
		return *(const uint16_t *)at;
	case 4:
		return *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

static void
put_seconds(const struct metrics_text *text, uint64_t value, uint64_t per_second)
{
	/* No TSC is so fast that this overflows. */
	uint64_t ns = value % per_second * NS_PER_SECOND / per_second;

	fprintf(text->out, " %" PRIu64 ".%09" PRIu64 "\n", value / per_second, ns);
}

static void
put_limit(const struct metrics_text *text, uint64_t limit, unsigned int per_unit)
{
	if (limit == 0)
		fputs(" +Inf\n", text->out);
	else
		fprintf(text->out, " %" PRIu64 ".%03" PRIu64 "\n", limit / per_unit,
			limit % per_unit * 1000 / per_unit);
}

static void
put_value(const struct metrics_text *text, const struct metrics_metric *metric, const void *at)
{
	switch (metric->value) {
	case METRICS_NUMBER:
		fprintf(text->out, " %" PRIu64 "\n", number_at(at, metric->size));
		break;
	case METRICS_TSC:
		put_seconds(text, *(const uint64_t *)at, rte_get_tsc_hz());
		break;
	case METRICS_NS:
		put_seconds(text, *(const uint64_t *)at, NS_PER_SECOND);
		break;
	case METRICS_DROPS:
		fprintf(text->out, " %" PRIu64 "\n", airlock_drops_total(at));
		break;
	case METRICS_LIMIT:
		put_limit(text, number_at(at, metric->size), 1);
		break;
	case METRICS_BITS_LIMIT:
		put_limit(text, *(const uint64_t *)at, 8);
		break;
	}
}

static void
put_sample(const struct metrics_text *text, const struct metrics_metric *metric,
	const struct metrics_row *row, unsigned int i)
{
	put_name(text, metric->name, ending_of(metric->type), row->labels,
		metric->nb != 0 ? metric->label : NULL,
		metric->nb != 0 ? metric->label_value(i) : NULL);
	put_value(text, metric, RTE_PTR_ADD(row->object, metric->offset + i * metric->stride));
}

void
metrics_put_table(const struct metrics_text *text, const struct metrics_metric *metrics,
	unsigned int nb_metrics, const struct metrics_row *rows, unsigned int nb_rows)
{
	for (unsigned int m = 0; m < nb_metrics && nb_rows > 0; m++) {
		metrics_put_head(text, metrics[m].name, metrics[m].type, metrics[m].help);
		for (unsigned int r = 0; r < nb_rows; r++)
			for (unsigned int i = 0; i < RTE_MAX(metrics[m].nb, 1U); i++)
				put_sample(text, &metrics[m], &rows[r], i);
	}
}
