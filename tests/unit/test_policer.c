/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Policers, against a clock that the test sets: what passes is the burst and the rate times the
 * time, never more, and hardly less; also when lcores draw from one at once.
 */

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "pipeline_priv.h"
#include "test.h"

#define PACKET_BYTES 1500
#define BURST_BYTES  100000

static struct policer *policer;

static void
forget(void)
{
	rte_free(policer);
	policer = NULL;
}

/* Bytes that pass at one time, if a burst of packets after the other is offered. */
static uint64_t
drain(uint64_t tsc, uint32_t cost)
{
	uint32_t costs[AIRLOCK_BURST];
	uint64_t bytes = 0, passes;

	for (unsigned int i = 0; i < RTE_DIM(costs); i++)
		costs[i] = cost;
	do {
		passes = policer_pass(policer, tsc, costs, RTE_DIM(costs));
		bytes += __builtin_popcountll(passes) * cost;
	} while (passes != 0);
	return bytes;
}

static int
test_full_bucket_gives_its_burst_once(void)
{
	policer = policer_create(1000, BURST_BYTES, 5);
	TEST_ASSERT_NOT_NULL(policer, "memory");
	TEST_ASSERT_EQUAL(drain(5, 100), BURST_BYTES, "at first");
	TEST_ASSERT_EQUAL(drain(5, 100), 0, "then");
	TEST_ASSERT_EQUAL(drain(5, 1), 0, "not a byte");
	return TEST_SUCCESS;
}

static int
test_rate_holds_over_hours(void)
{
	static const uint64_t rates[] = {1, 1000, 12500000, 125000000000};
	const uint64_t hz = rte_get_tsc_hz();

	for (unsigned int i = 0; i < RTE_DIM(rates); i++) {
		/* The bucket must hold what the time between two looks brings. */
		uint64_t burst = RTE_MAX(2 * rates[i], (uint64_t)BURST_BYTES), bytes = 0;
		double ratio;

		policer = policer_create(rates[i], burst, 0);
		TEST_ASSERT_NOT_NULL(policer, "memory");
		uint32_t costs[1] = {RTE_MIN(burst, (uint64_t)UINT32_MAX)};

		while (policer_pass(policer, 0, costs, 1) != 0)
			;
		costs[0] = RTE_MAX(rates[i] / 100, 1u);
		/* A year has 31 million seconds; that many looks are too many. */
		for (uint64_t s = 1; s <= 10000; s++) {
			while (policer_pass(policer, s * hz, costs, 1) != 0)
				bytes += costs[0];
		}
		ratio = (double)bytes / (10000.0 * rates[i]);
		TEST_ASSERT(ratio > 0.98 && ratio < 1.02, "%.4f of %" PRIu64 " a second", ratio,
			rates[i]);
		forget();
	}
	return TEST_SUCCESS;
}

static int
test_rest_saves_up_no_more_than_a_burst(void)
{
	const uint64_t year = rte_get_tsc_hz() * 31536000;

	policer = policer_create(125000000, BURST_BYTES, 0);
	TEST_ASSERT_NOT_NULL(policer, "memory");
	drain(0, 100);
	TEST_ASSERT_EQUAL(drain(year, 100), BURST_BYTES, "after a year");
	TEST_ASSERT_EQUAL(drain(year, 100), 0, "then");
	return TEST_SUCCESS;
}

static int
test_short_packet_passes_where_a_long_one_does_not(void)
{
	const uint32_t costs[] = {BURST_BYTES - 100, PACKET_BYTES, 60, 60};

	policer = policer_create(1000, BURST_BYTES, 0);
	TEST_ASSERT_NOT_NULL(policer, "memory");
	TEST_ASSERT_EQUAL(policer_pass(policer, 0, costs, RTE_DIM(costs)), 0x5, "first and third");
	return TEST_SUCCESS;
}

static int
test_no_policer_lets_everything_pass(void)
{
	TEST_ASSERT(policer_passes(NULL, UINT32_MAX), "no limit");
	return TEST_SUCCESS;
}

/* Offers packets for a fifth of a second, and then until nothing is left. */
static int
draw(void *arg)
{
	uint64_t end = rte_rdtsc() + rte_get_tsc_hz() / 5, *bytes = arg;

	while (rte_rdtsc() < end)
		*bytes += drain(rte_rdtsc(), PACKET_BYTES);
	*bytes += drain(rte_rdtsc(), PACKET_BYTES);
	return 0;
}

static int
test_lcores_share_one_bucket(void)
{
	const uint64_t rate = 125000000;
	uint64_t bytes[RTE_MAX_LCORE] = {0}, total = 0, start, most;
	unsigned int lcore_id;

	/* It holds a fifth of a second's: nothing is lost if nobody draws for so long. */
	start = rte_rdtsc();
	policer = policer_create(rate, rate / 5, start);
	TEST_ASSERT_NOT_NULL(policer, "memory");
	drain(start, PACKET_BYTES);
	RTE_LCORE_FOREACH_WORKER (lcore_id)
		TEST_ASSERT_SUCCESS(
			rte_eal_remote_launch(draw, &bytes[lcore_id], lcore_id), "launch");
	rte_eal_mp_wait_lcore();
	most = PACKET_BYTES + (rte_rdtsc() - start) * rate / rte_get_tsc_hz();
	RTE_LCORE_FOREACH_WORKER (lcore_id)
		total += bytes[lcore_id];
	TEST_ASSERT(total <= most, "%" PRIu64 " bytes of at most %" PRIu64, total, most);
	TEST_ASSERT(
		total + PACKET_BYTES >= rate / 5, "%" PRIu64 " bytes of %" PRIu64, total, rate / 5);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, forget, fn)

static const struct unit_test_suite policer_suite = {
	.suite_name = "policer",
	.unit_test_cases =
		{
			CASE(test_full_bucket_gives_its_burst_once),
			CASE(test_rate_holds_over_hours),
			CASE(test_rest_saves_up_no_more_than_a_burst),
			CASE(test_short_packet_passes_where_a_long_one_does_not),
			CASE(test_no_policer_lets_everything_pass),
			CASE(test_lcores_share_one_bucket),
			TEST_CASES_END(),
		},
};

static int
test_policer(void)
{
	return unit_test_suite_runner(&policer_suite);
}

REGISTER_FAST_TEST(policer_autotest, true, true, test_policer)
