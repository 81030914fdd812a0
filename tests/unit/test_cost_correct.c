/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * When a VM's costs are corrected by what was measured, how far, and when they are not.
 */

#include <stdlib.h>

#include "airlock_cost.h"
#include "test.h"
#include "test_cost.h"

/* A second of a VM that got *nb* packets of *bytes* remapped, at these costs for a page. */
static struct airlock_cost_sample
sample_of(uint64_t nb, uint64_t bytes, uint64_t map_page_ns, uint64_t unmap_page_ns)
{
	return (struct airlock_cost_sample){
		.mapped_pages = nb,
		.map_ns = nb * map_page_ns,
		.unmapped_pages = nb,
		.unmap_ns = nb * unmap_page_ns,
		.remapped_packets = nb,
		.remapped_bytes = nb * bytes,
	};
}

static int
test_correction_moves_to_what_is_measured(void)
{
	const struct airlock_cost cost = made_up();
	const struct airlock_cost_sample dear = sample_of(100000, 3900, 400, 400);
	const struct airlock_cost_sample cheap = sample_of(100000, 3900, 10, 10);
	struct airlock_cost_feedback f;
	uint32_t first, last;

	airlock_cost_feedback_init(&f, &cost, FRAME, 64);
	first = f.copy_below;
	TEST_ASSERT_EQUAL(first, airlock_cost_threshold(&cost, 64, FRAME, 1), "the host's");
	last = first;
	for (unsigned int s = 0; s < 10; s++) {
		uint32_t now = airlock_cost_correct(&f, &dear);

		/* Without scrub, but that is soon less than what pages cost more. */
		TEST_ASSERT(s < 2 || now >= last, "second %u: %u after %u", s, now, last);
		TEST_ASSERT_EQUAL(now, f.copy_below, "what is returned is what is kept");
		last = now;
	}
	TEST_ASSERT_EQUAL(last, UINT32_MAX, "800 ns a page: no packet is worth it");
	TEST_ASSERT(f.map_page_ns > 390 && f.map_page_ns <= 400, "%.1f", f.map_page_ns);
	TEST_ASSERT(f.scrub_share < 0.01, "nothing was scrubbed: %.3f", f.scrub_share);
	for (unsigned int s = 0; s < 12; s++)
		last = airlock_cost_correct(&f, &cheap);
	TEST_ASSERT(last < 512, "20 ns a page: %u", last);
	return TEST_SUCCESS;
}

static int
test_correction_of_scrub_and_copy(void)
{
	const struct airlock_cost cost = made_up();
	struct airlock_cost_sample s = sample_of(10000, 2096, 60, 20);
	struct airlock_cost_feedback f;

	s.scrubbed_bytes = 10000 * 500; /* a quarter of what packets leave over */
	s.scrub_ns = 10000 * 50;
	s.copied_packets = 10000;
	s.copied_bytes = 10000 * 1514;
	s.copy_ns = 10000 * 200; /* twice the host's */
	airlock_cost_feedback_init(&f, &cost, FRAME, 64);
	for (unsigned int i = 0; i < 20; i++)
		airlock_cost_correct(&f, &s);
	TEST_ASSERT(f.scrub_share > 0.249 && f.scrub_share < 0.251, "%.3f", f.scrub_share);
	TEST_ASSERT(f.scrub_byte_ns > 0.099 && f.scrub_byte_ns < 0.101, "%.3f", f.scrub_byte_ns);
	TEST_ASSERT(f.copy_factor > 1.99 && f.copy_factor < 2.01, "%.3f", f.copy_factor);
	/* Copies of short packets are mostly about the ring. */
	s.copied_bytes = 10000 * 64;
	for (unsigned int i = 0; i < 2000; i++)
		airlock_cost_correct(&f, &s);
	TEST_ASSERT(f.copy_factor < 1.01, "back to the host's: %.3f", f.copy_factor);
	/* Nothing can be learnt from frames that packets fill. */
	s.remapped_bytes = 10000 * FRAME;
	s.scrubbed_bytes = 0;
	airlock_cost_correct(&f, &s);
	TEST_ASSERT(f.scrub_share > 0.249 && f.scrub_share < 0.251, "%.3f", f.scrub_share);
	return TEST_SUCCESS;
}

static int
test_noise_does_not_move_the_threshold(void)
{
	const struct airlock_cost cost = made_up();
	struct airlock_cost_feedback f;
	unsigned int nb_changes = 0;
	uint32_t last;

	airlock_cost_feedback_init(&f, &cost, FRAME, 64);
	for (unsigned int s = 0; s < 30; s++) {
		const struct airlock_cost_sample steady = sample_of(100000, 3900, 100, 50);

		airlock_cost_correct(&f, &steady);
	}
	last = f.copy_below;
	TEST_ASSERT(last > 256 && last < FRAME, "%u", last);
	srand(1);
	for (unsigned int s = 0; s < 1000; s++) {
		const struct airlock_cost_sample noisy =
			sample_of(100000, 3900, 92 + rand() % 17, 46 + rand() % 9);
		uint32_t now = airlock_cost_correct(&f, &noisy);

		nb_changes += now != last;
		last = now;
	}
	/* Once: it may have come to rest close to a step. */
	TEST_ASSERT(nb_changes <= 1, "8 %% to either side: %u changes", nb_changes);
	return TEST_SUCCESS;
}

static int
test_one_wild_sample_is_bounded(void)
{
	const struct airlock_cost cost = made_up();
	const struct airlock_cost_sample wild = sample_of(100000, 3900, 1000000, 1000000);
	struct airlock_cost_feedback f;

	airlock_cost_feedback_init(&f, &cost, FRAME, 64);
	airlock_cost_correct(&f, &wild);
	TEST_ASSERT(f.map_page_ns <= 60 * 4.5, "%.1f from 60", f.map_page_ns);
	TEST_ASSERT(f.unmap_page_ns <= 20 * 4.5, "%.1f from 20", f.unmap_page_ns);
	return TEST_SUCCESS;
}

static int
test_few_packets_change_nothing(void)
{
	const struct airlock_cost cost = made_up();
	const struct airlock_cost_sample none = {0};
	const struct airlock_cost_sample many = sample_of(100000, 3900, 200, 200);
	struct airlock_cost_sample few = sample_of(100, 3900, 5000, 5000);
	struct airlock_cost_feedback f, before;

	few.copied_packets = 100;
	airlock_cost_feedback_init(&f, &cost, FRAME, 64);
	/* Away from the host's figures, to which it must not go back either. */
	airlock_cost_correct(&f, &many);
	before = f;
	airlock_cost_correct(&f, &few);
	airlock_cost_correct(&f, &none);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(&f, &before, sizeof(f), "200 packets say nothing");
	return TEST_SUCCESS;
}

static int
test_a_vm_that_only_copies_tries_again(void)
{
	const struct airlock_cost cost = made_up();
	const struct airlock_cost_sample dear = sample_of(100000, 3900, 400, 400);
	const struct airlock_cost_sample copies = {
		.copied_packets = 100000,
		.copied_bytes = 100000 * 3900ull,
	};
	struct airlock_cost_feedback f;
	unsigned int seconds = 0;

	airlock_cost_feedback_init(&f, &cost, FRAME, 64);
	while (f.copy_below != UINT32_MAX && seconds++ < 100)
		airlock_cost_correct(&f, &dear);
	TEST_ASSERT(seconds < 10, "%u seconds to see that it is dear", seconds);
	for (seconds = 0; f.copy_below == UINT32_MAX && seconds < 1000; seconds++)
		airlock_cost_correct(&f, &copies);
	TEST_ASSERT(seconds > 20 && seconds < 600, "tried again after %u seconds", seconds);
	return TEST_SUCCESS;
}

static int
test_unknown_costs_never_remap(void)
{
	const struct airlock_cost cost = {0};
	struct airlock_cost_sample s = sample_of(100000, 3900, 60, 20);
	struct airlock_cost_feedback f;

	s.copied_packets = 100000;
	s.copied_bytes = 100000 * 1514ull;
	s.copy_ns = 100000 * 100;
	airlock_cost_feedback_init(&f, &cost, FRAME, 64);
	TEST_ASSERT_EQUAL(f.copy_below, UINT32_MAX, "at the start");
	for (unsigned int i = 0; i < 100; i++)
		TEST_ASSERT_EQUAL(airlock_cost_correct(&f, &s), UINT32_MAX, "later");
	return TEST_SUCCESS;
}

static const struct unit_test_suite cost_correct_suite = {
	.suite_name = "cost_correct",
	.unit_test_cases =
		{
			TEST_CASE(test_correction_moves_to_what_is_measured),
			TEST_CASE(test_correction_of_scrub_and_copy),
			TEST_CASE(test_noise_does_not_move_the_threshold),
			TEST_CASE(test_one_wild_sample_is_bounded),
			TEST_CASE(test_few_packets_change_nothing),
			TEST_CASE(test_a_vm_that_only_copies_tries_again),
			TEST_CASE(test_unknown_costs_never_remap),
			TEST_CASES_END(),
		},
};

static int
test_cost_correct(void)
{
	return unit_test_suite_runner(&cost_correct_suite);
}

REGISTER_FAST_TEST(cost_correct_autotest, true, true, test_cost_correct)
