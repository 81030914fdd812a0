/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Counters of lib/stats: names of drop reasons, counting, sums over several sources, and a reader
 * beside the one writer.
 */

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "airlock_stats.h"
#include "test.h"

#define NB_STEPS 1000000

static int
test_drop_names_are_distinct_words(void)
{
	const char *name;

	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++) {
		name = airlock_drop_name(i);
		TEST_ASSERT_NOT_NULL(name, "reason %u", i);
		TEST_ASSERT(strlen(name) > 0, "reason %u", i);
		TEST_ASSERT_EQUAL(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name),
			"\"%s\" is to be a word of lower-case letters", name);
		for (unsigned int j = 0; j < i; j++)
			TEST_ASSERT(strcmp(name, airlock_drop_name(j)) != 0, "%u and %u: \"%s\"", i,
				j, name);
	}
	TEST_ASSERT_STRINGS_ARE_EQUAL(airlock_drop_name(AIRLOCK_DROP_UNKNOWN_MAC), "unknown_mac",
		"the name is part of the interface");
	return TEST_SUCCESS;
}

static int
test_flow_sums_add_up(void)
{
	struct airlock_flow flows[2] = {0};
	struct airlock_flow_value sum = {0};

	airlock_flow_count(&flows[0], 32, 32 * 60);
	airlock_flow_count(&flows[0], 1, 1514);
	airlock_flow_count(&flows[1], UINT64_C(1) << 40, UINT64_C(1) << 50);
	airlock_flow_sum(&sum, &flows[0]);
	TEST_ASSERT_EQUAL(sum.packets, 33, "one flow");
	TEST_ASSERT_EQUAL(sum.bytes, 32 * 60 + 1514, "one flow");
	airlock_flow_sum(&sum, &flows[1]);
	TEST_ASSERT_EQUAL(sum.packets, (UINT64_C(1) << 40) + 33, "beyond 32 bits");
	TEST_ASSERT_EQUAL(sum.bytes, (UINT64_C(1) << 50) + 32 * 60 + 1514, "beyond 32 bits");
	return TEST_SUCCESS;
}

static int
test_drop_sums_keep_reasons_apart(void)
{
	struct airlock_drops drops[2] = {0};
	struct airlock_drops_value sum = {0};
	uint64_t total = 0;

	TEST_ASSERT_EQUAL(airlock_drops_total(&sum), 0, "nothing dropped yet");
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++) {
		airlock_drop_count(&drops[0], i, i + 1);
		airlock_drop_count(&drops[1], i, 1000);
		total += i + 1 + 1000;
	}
	airlock_drops_sum(&sum, &drops[0]);
	airlock_drops_sum(&sum, &drops[1]);
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++)
		TEST_ASSERT_EQUAL(sum.by_reason[i], i + 1 + 1000, "%s", airlock_drop_name(i));
	TEST_ASSERT_EQUAL(airlock_drops_total(&sum), total, "total");
	return TEST_SUCCESS;
}

static int
count_up(void *arg)
{
	struct airlock_flow *flow = arg;

	for (unsigned int i = 0; i < NB_STEPS; i++)
		airlock_flow_count(flow, 1, 64);
	return 0;
}

static int
test_reader_beside_writer_sees_counters_grow(void)
{
	static struct airlock_flow flow;
	const unsigned int worker = rte_get_next_lcore(-1, 1, 0);
	uint64_t last = 0, now;

	if (worker == RTE_MAX_LCORE)
		return TEST_SKIPPED;
	flow = (struct airlock_flow){0};
	TEST_ASSERT_SUCCESS(rte_eal_remote_launch(count_up, &flow, worker), "launch");
	do {
		now = airlock_count_get(&flow.packets);
		if (now < last || now > NB_STEPS)
			break;
		last = now;
	} while (rte_eal_get_lcore_state(worker) == RUNNING);
	rte_eal_wait_lcore(worker);
	TEST_ASSERT(now >= last && now <= NB_STEPS, "%" PRIu64 " after %" PRIu64, now, last);
	TEST_ASSERT_EQUAL(airlock_count_get(&flow.packets), NB_STEPS, "nothing lost");
	TEST_ASSERT_EQUAL(airlock_count_get(&flow.bytes), (uint64_t)NB_STEPS * 64, "nothing lost");
	return TEST_SUCCESS;
}

static const struct unit_test_suite stats_suite = {
	.suite_name = "stats",
	.unit_test_cases =
		{
			TEST_CASE(test_drop_names_are_distinct_words),
			TEST_CASE(test_flow_sums_add_up),
			TEST_CASE(test_drop_sums_keep_reasons_apart),
			TEST_CASE(test_reader_beside_writer_sees_counters_grow),
			TEST_CASES_END(),
		},
};

static int
test_stats(void)
{
	return unit_test_suite_runner(&stats_suite);
}

REGISTER_FAST_TEST(stats_autotest, true, true, test_stats)
