/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The text of the metrics, in lib/control: heads and samples in both formats, labels, units, and
 * that all names keep the rules.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include <airlock_pipeline.h>

#include "metrics_tables.h"
#include "test.h"

static char *written;
static size_t written_len;
static struct metrics_text text;

static int
setup(void)
{
	text.out = open_memstream(&written, &written_len);
	text.openmetrics = true;
	return text.out != NULL ? TEST_SUCCESS : TEST_FAILED;
}

static void
teardown(void)
{
	if (text.out != NULL)
		fclose(text.out);
	free(written);
	text.out = NULL;
	written = NULL;
}

static const char *
so_far(void)
{
	fflush(text.out);
	return written;
}

struct thing {
	uint8_t byte;
	bool yes;
	uint16_t word;
	uint32_t bytes;
	uint64_t packets;
	uint64_t tsc;
	uint64_t ns;
	uint32_t states[2];
	struct airlock_drops_value drops;
	uint32_t limits[2];
	uint64_t bits_limits[3];
};

static const char *
state(unsigned int i)
{
	static const char *const names[] = {"on", "off", "lost"};

	return names[i];
}

static const struct metrics_metric things[] = {
	{"thing_byte", "A byte", METRICS_GAUGE, METRICS_FIELD(struct thing, byte)},
	{"thing_yes", "Yes", METRICS_GAUGE, METRICS_FIELD(struct thing, yes)},
	{"thing_word", "A word", METRICS_GAUGE, METRICS_FIELD(struct thing, word)},
	{"thing_bytes", "Bytes", METRICS_GAUGE, METRICS_FIELD(struct thing, bytes)},
	{"thing_packets", "Packets", METRICS_COUNTER, METRICS_FIELD(struct thing, packets)},
	{"thing_run_seconds", "Cycles", METRICS_COUNTER, .value = METRICS_TSC,
		METRICS_FIELD(struct thing, tsc)},
	{"thing_wait_seconds", "Nanoseconds", METRICS_COUNTER, .value = METRICS_NS,
		METRICS_FIELD(struct thing, ns)},
	{"thing_states", "By state", METRICS_GAUGE, METRICS_FIELD(struct thing, states[0]), .nb = 2,
		.stride = sizeof(uint32_t), .label = "state", .label_value = state},
	{"thing_drops", "Drops", METRICS_COUNTER, .value = METRICS_DROPS,
		METRICS_FIELD(struct thing, drops)},
	{"thing_limit_packets_per_second", "Limits", METRICS_GAUGE, .value = METRICS_LIMIT,
		METRICS_FIELD(struct thing, limits[0]), .nb = 2, .stride = sizeof(uint32_t),
		.label = "state", .label_value = state},
	{"thing_limit_bytes_per_second", "Limits", METRICS_GAUGE, .value = METRICS_BITS_LIMIT,
		METRICS_FIELD(struct thing, bits_limits[0]), .nb = 3, .stride = sizeof(uint64_t),
		.label = "state", .label_value = state},
};

static const char things_as_openmetrics[] =
	"# TYPE thing_byte gauge\n# HELP thing_byte A byte\nthing_byte{a=\"1\"} 255\n"
	"# TYPE thing_yes gauge\n# HELP thing_yes Yes\nthing_yes{a=\"1\"} 1\n"
	"# TYPE thing_word gauge\n# HELP thing_word A word\nthing_word{a=\"1\"} 65535\n"
	"# TYPE thing_bytes gauge\n# UNIT thing_bytes bytes\n# HELP thing_bytes Bytes\n"
	"thing_bytes{a=\"1\"} 4294967295\n"
	"# TYPE thing_packets counter\n# HELP thing_packets Packets\n"
	"thing_packets_total{a=\"1\"} 18446744073709551615\n"
	"# TYPE thing_run_seconds counter\n# UNIT thing_run_seconds seconds\n"
	"# HELP thing_run_seconds Cycles\nthing_run_seconds_total{a=\"1\"} 2.500000000\n"
	"# TYPE thing_wait_seconds counter\n# UNIT thing_wait_seconds seconds\n"
	"# HELP thing_wait_seconds Nanoseconds\nthing_wait_seconds_total{a=\"1\"} "
	"31536000.000000001\n"
	"# TYPE thing_states gauge\n# HELP thing_states By state\n"
	"thing_states{a=\"1\",state=\"on\"} 7\nthing_states{a=\"1\",state=\"off\"} 8\n"
	"# TYPE thing_drops counter\n# HELP thing_drops Drops\nthing_drops_total{a=\"1\"} 12\n"
	"# TYPE thing_limit_packets_per_second gauge\n"
	"# HELP thing_limit_packets_per_second Limits\n"
	"thing_limit_packets_per_second{a=\"1\",state=\"on\"} 7.000\n"
	"thing_limit_packets_per_second{a=\"1\",state=\"off\"} +Inf\n"
	"# TYPE thing_limit_bytes_per_second gauge\n"
	"# UNIT thing_limit_bytes_per_second bytes_per_second\n"
	"# HELP thing_limit_bytes_per_second Limits\n"
	"thing_limit_bytes_per_second{a=\"1\",state=\"on\"} 1000.000\n"
	"thing_limit_bytes_per_second{a=\"1\",state=\"off\"} +Inf\n"
	"thing_limit_bytes_per_second{a=\"1\",state=\"lost\"} 124999999999.875\n";

static const struct thing thing = {
	.byte = UINT8_MAX,
	.yes = true,
	.word = UINT16_MAX,
	.bytes = UINT32_MAX,
	.packets = UINT64_MAX,
	.ns = 365 * 86400 * 1000000000ULL + 1,
	.states = {7, 8},
	.drops.by_reason = {[0] = 5, [AIRLOCK_DROP_MAX - 1] = 7},
	.limits = {7, 0},
	.bits_limits = {8000, 0, 999999999999},
};

static int
test_values_of_every_kind_are_told_in_base_units(void)
{
	struct thing object = thing;
	struct metrics_row row = {.object = &object};

	object.tsc = rte_get_tsc_hz() * 5 / 2;
	metrics_add_label(&row, "a", "1");
	metrics_put_table(&text, things, RTE_DIM(things), &row, 1);
	TEST_ASSERT(strcmp(so_far(), things_as_openmetrics) == 0, "not as expected:\n%s", written);
	return TEST_SUCCESS;
}

static int
test_prometheus_format_names_families_as_their_samples(void)
{
	struct metrics_row row = {.object = &thing};

	text.openmetrics = false;
	metrics_put_table(&text, &things[4], 1, &row, 1);
	metrics_put_head(&text, "airlock_x", METRICS_INFO, "X");
	TEST_ASSERT(strcmp(so_far(),
			    "# TYPE thing_packets_total counter\n"
			    "# HELP thing_packets_total Packets\n"
			    "thing_packets_total 18446744073709551615\n"
			    "# TYPE airlock_x_info gauge\n# HELP airlock_x_info X\n") == 0,
		"not as expected:\n%s", written);
	return TEST_SUCCESS;
}

static int
test_samples_of_a_family_stand_together(void)
{
	struct metrics_row rows[2] = {{.object = &thing}, {.object = &thing}};

	metrics_put_table(&text, things, RTE_DIM(things), rows, 0);
	TEST_ASSERT_EQUAL(strlen(so_far()), 0, "without rows:\n%s", written);
	metrics_add_label(&rows[0], "a", "1");
	metrics_add_label(&rows[1], "a", "2");
	metrics_put_table(&text, things, 2, rows, 2);
	TEST_ASSERT(strcmp(so_far(),
			    "# TYPE thing_byte gauge\n# HELP thing_byte A byte\n"
			    "thing_byte{a=\"1\"} 255\nthing_byte{a=\"2\"} 255\n"
			    "# TYPE thing_yes gauge\n# HELP thing_yes Yes\n"
			    "thing_yes{a=\"1\"} 1\nthing_yes{a=\"2\"} 1\n") == 0,
		"not as expected:\n%s", written);
	return TEST_SUCCESS;
}

static int
test_labels_are_escaped(void)
{
	static const struct {
		const char *value;
		const char *label;
	} labels[] = {
		{"web", "a=\"web\""},
		{"", "a=\"\""},
		{"a\"b", "a=\"a\\\"b\""},
		{"a\\", "a=\"a\\\\\""},
		{"a\nb", "a=\"a\\nb\""},
		{"\xc3\xa4\xff", "a=\"???\""},
		{"{}=, #", "a=\"{}=, #\""},
	};

	for (unsigned int i = 0; i < RTE_DIM(labels); i++) {
		struct metrics_row row = {0};

		metrics_add_label(&row, "a", labels[i].value);
		TEST_ASSERT(strcmp(row.labels, labels[i].label) == 0, "%s, not %s", row.labels,
			labels[i].label);
	}
	return TEST_SUCCESS;
}

static int
test_labels_that_are_too_long_are_cut_and_stay_labels(void)
{
	char value[2 * METRICS_LABELS_MAX];

	for (size_t len = METRICS_LABELS_MAX - 40; len < METRICS_LABELS_MAX + 40; len++) {
		struct metrics_row row = {0};
		size_t quotes = 0;

		memset(value, '"', len);
		value[len] = '\0';
		metrics_add_label(&row, "first", value + len / 2);
		metrics_add_label(&row, "second", value);
		metrics_add_number(&row, "third", len);
		TEST_ASSERT(strlen(row.labels) < sizeof(row.labels), "room for the end");
		for (const char *c = row.labels; *c != '\0'; c++) {
			if (*c == '\\')
				c++;
			else
				quotes += *c == '"';
		}
		TEST_ASSERT(quotes == 2 || quotes == 4 || quotes == 6, "%zu: %s", len, row.labels);
		TEST_ASSERT_EQUAL(row.labels[strlen(row.labels) - 1], '"', "%s", row.labels);
	}
	return TEST_SUCCESS;
}

static const char *const endings[] = {"_total", "_info", "_bucket", "_count", "_sum", "_created"};

static int
check_names(const struct metrics_metric *metrics, unsigned int nb)
{
	for (unsigned int i = 0; i < nb; i++) {
		const char *name = metrics[i].name;
		size_t len = strlen(name);

		TEST_ASSERT(strncmp(name, "airlock_", 8) == 0, "%s", name);
		for (const char *c = name; *c != '\0'; c++)
			TEST_ASSERT(islower((unsigned char)*c) || *c == '_', "%s", name);
		for (unsigned int e = 0; e < RTE_DIM(endings); e++)
			TEST_ASSERT(len < strlen(endings[e]) ||
					strcmp(name + len - strlen(endings[e]), endings[e]) != 0,
				"%s has the ending of a sample", name);
		TEST_ASSERT(
			metrics[i].help[0] != '\0' && strpbrk(metrics[i].help, "\\\n\"") == NULL,
			"%s: %s", name, metrics[i].help);
		TEST_ASSERT(metrics[i].type == METRICS_GAUGE || metrics[i].type == METRICS_COUNTER,
			"%s", name);
		TEST_ASSERT((metrics[i].value == METRICS_TSC || metrics[i].value == METRICS_NS) ==
				(strstr(name, "_seconds") != NULL),
			"%s: time is in seconds", name);
		TEST_ASSERT((metrics[i].value == METRICS_BITS_LIMIT) ==
				(strstr(name, "_limit_bytes_per_second") != NULL),
			"%s: bits are told in bytes", name);
		TEST_ASSERT((metrics[i].nb == 0) == (metrics[i].label == NULL), "%s", name);
		for (unsigned int j = 0; j < i; j++)
			TEST_ASSERT(strcmp(name, metrics[j].name) != 0, "%s stands twice", name);
	}
	return TEST_SUCCESS;
}

static int
test_names_keep_the_rules(void)
{
	TEST_ASSERT_SUCCESS(check_names(metrics_vm, metrics_nb_vm), "VMs");
	TEST_ASSERT_SUCCESS(check_names(metrics_queue, metrics_nb_queue), "queues");
	TEST_ASSERT_SUCCESS(check_names(metrics_window, metrics_nb_window), "windows");
	TEST_ASSERT_SUCCESS(check_names(metrics_uplink, metrics_nb_uplink), "uplinks");
	TEST_ASSERT_SUCCESS(check_names(metrics_lcore, metrics_nb_lcore), "lcores");
	TEST_ASSERT_SUCCESS(check_names(metrics_pool, metrics_nb_pool), "pool");
	TEST_ASSERT_SUCCESS(check_names(metrics_cards, metrics_nb_cards), "cards");
	TEST_ASSERT_SUCCESS(check_names(metrics_balance, metrics_nb_balance), "balance");
	return TEST_SUCCESS;
}

static const struct unit_test_suite metrics_suite = {
	.suite_name = "metrics",
	.unit_test_cases =
		{
			TEST_CASE_ST(
				setup, teardown, test_values_of_every_kind_are_told_in_base_units),
			TEST_CASE_ST(setup, teardown,
				test_prometheus_format_names_families_as_their_samples),
			TEST_CASE_ST(setup, teardown, test_samples_of_a_family_stand_together),
			TEST_CASE(test_labels_are_escaped),
			TEST_CASE(test_labels_that_are_too_long_are_cut_and_stay_labels),
			TEST_CASE(test_names_keep_the_rules),
			TEST_CASES_END(),
		},
};

static int
test_metrics(void)
{
	return unit_test_suite_runner(&metrics_suite);
}

REGISTER_FAST_TEST(metrics_autotest, true, true, test_metrics)
