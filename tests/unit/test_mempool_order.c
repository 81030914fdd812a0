/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's mempool: in which order frames come. Bursts are runs of neighbours, out of the extent
 * that was freed last.
 */

#include "pool_fixture.h"

#define NB_PAGES FIXTURE_PAGES
#define BURST	 32
#define EXTENT	 AIRLOCK_PAGE_EXTENT

static int
test_burst_is_a_run_of_neighbours(void)
{
	struct rte_mbuf *m[NB_PAGES / BURST][BURST];
	const unsigned int nb = RTE_DIM(m);

	for (unsigned int i = 0; i < nb; i++) {
		TEST_ASSERT_SUCCESS(
			rte_pktmbuf_alloc_bulk(fixture.mempool, m[i], BURST), "burst %u", i);
		TEST_ASSERT_EQUAL(fixture_nb_runs(m[i], BURST), 1, "burst %u", i);
	}
	for (unsigned int i = 0; i < nb; i++)
		rte_pktmbuf_free_bulk(m[i], BURST);
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static int
test_burst_larger_than_an_extent_is_a_run_per_extent(void)
{
	struct rte_mbuf *m[4 * EXTENT + 8];

	TEST_ASSERT_SUCCESS(
		rte_pktmbuf_alloc_bulk(fixture.mempool, m, RTE_DIM(m)), "a burst of five extents");
	TEST_ASSERT(fixture_nb_runs(m, RTE_DIM(m)) <= 5, "%u runs", fixture_nb_runs(m, RTE_DIM(m)));
	rte_pktmbuf_free_bulk(m, RTE_DIM(m));
	return fixture_check_pages(NB_PAGES, 0, 0);
}

/* Extents that are touched by many bursts, taken and given back in *parts* parts. */
static unsigned int
working_set(unsigned int n, unsigned int parts)
{
	uint8_t touched[NB_PAGES / EXTENT] = {0};
	struct rte_mbuf *m[2 * EXTENT];
	unsigned int nb = 0;

	for (unsigned int round = 0; round < 1000; round++) {
		if (rte_pktmbuf_alloc_bulk(fixture.mempool, m, n) < 0)
			return UINT_MAX;
		for (unsigned int i = 0; i < n; i++)
			touched[fixture_frame(m[i]) / EXTENT] = 1;
		for (unsigned int part = 0; part < parts; part++) {
			for (unsigned int i = part; i < n; i += parts)
				rte_mempool_put(fixture.mempool, m[i]);
		}
	}
	for (unsigned int i = 0; i < RTE_DIM(touched); i++)
		nb += touched[i];
	return nb;
}

static int
test_bursts_that_come_back_at_once_stay_in_two_extents(void)
{
	TEST_ASSERT_EQUAL(working_set(BURST, 1), 1, "bursts of 32");
	TEST_ASSERT_EQUAL(working_set(BURST, 4), 1, "bursts of 32 for four VMs");
	TEST_ASSERT(working_set(40, 1) <= 2, "bursts of 40");
	TEST_ASSERT(working_set(EXTENT, 4) <= 2, "bursts of 64 for four VMs");
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static int
test_burst_that_came_back_comes_again(void)
{
	struct rte_mbuf *m[BURST], *again[BURST];

	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(fixture.mempool, m, BURST), "burst");
	for (unsigned int i = 0; i < BURST; i++)
		rte_pktmbuf_free(m[i * 7 % BURST]);
	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(fixture.mempool, again, BURST), "again");
	rte_pktmbuf_free_bulk(again, BURST);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(again, m, sizeof(m), "the same frames, in the same order");
	return TEST_SUCCESS;
}

static int
test_single_frames_that_come_back_do_not_cut_the_next_burst(void)
{
	struct rte_mbuf *m[BURST], *next[BURST];

	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(fixture.mempool, m, BURST), "burst");
	rte_pktmbuf_free(m[3]);
	rte_pktmbuf_free(m[7]);
	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(fixture.mempool, next, BURST), "next");
	TEST_ASSERT_EQUAL(fixture_nb_runs(next, BURST), 1, "a run");
	m[3] = m[7] = NULL;
	rte_pktmbuf_free_bulk(m, BURST);
	rte_pktmbuf_free_bulk(next, BURST);
	return fixture_check_pages(NB_PAGES, 0, 0);
}

/* Take the frames of nb extents, each in one burst, so that none is left as this lcore's own. */
static int
take_extents(struct rte_mbuf *(*m)[EXTENT], unsigned int nb)
{
	for (unsigned int i = 0; i < nb; i++) {
		TEST_ASSERT_SUCCESS(
			rte_pktmbuf_alloc_bulk(fixture.mempool, m[i], EXTENT), "extent %u", i);
		TEST_ASSERT_EQUAL(fixture_nb_runs(m[i], EXTENT), 1, "extent %u", i);
		TEST_ASSERT_EQUAL(fixture_frame(m[i][0]) % EXTENT, 0, "extent %u", i);
	}
	return TEST_SUCCESS;
}

static int
test_extent_freed_last_comes_first(void)
{
	static const unsigned int order[] = {2, 0, 3, 1};
	struct rte_mbuf *m[5][EXTENT], *again[EXTENT];

	/* The fifth is the lcore's own and stays. */
	TEST_ASSERT_SUCCESS(take_extents(m, 5), "five extents");
	for (unsigned int i = 0; i < RTE_DIM(order); i++)
		rte_pktmbuf_free_bulk(m[order[i]], EXTENT);
	for (unsigned int i = RTE_DIM(order); i-- > 0;) {
		TEST_ASSERT_SUCCESS(
			rte_pktmbuf_alloc_bulk(fixture.mempool, again, EXTENT), "again");
		TEST_ASSERT_BUFFERS_ARE_EQUAL(again, m[order[i]], sizeof(again),
			"extent %u, freed as number %u", order[i], i);
	}
	for (unsigned int i = 0; i < 5; i++)
		rte_pktmbuf_free_bulk(m[i], EXTENT);
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static int
test_parts_of_an_extent_merge(void)
{
	struct rte_mbuf *m[3][EXTENT], *again[EXTENT];

	TEST_ASSERT_SUCCESS(take_extents(m, 3), "three extents");
	rte_pktmbuf_free_bulk(m[1], EXTENT);
	for (unsigned int i = 0; i < EXTENT; i++) /* in no order */
		rte_pktmbuf_free(m[0][i * 27 % EXTENT]);
	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(fixture.mempool, again, EXTENT), "again");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(again, m[0], sizeof(again), "one run, the latest");
	rte_pktmbuf_free_bulk(again, EXTENT);
	rte_pktmbuf_free_bulk(m[2], EXTENT);
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static int
test_parts_come_only_when_nothing_whole_is_left_and_the_largest_first(void)
{
	static struct rte_mbuf *m[NB_PAGES / EXTENT][EXTENT];
	static const unsigned int nb_freed[] = {5, 40, 17};
	struct rte_mbuf *again[40], *rest[5 + 17];

	TEST_ASSERT_SUCCESS(take_extents(m, RTE_DIM(m)), "all");
	for (unsigned int i = 0; i < RTE_DIM(nb_freed); i++)
		rte_pktmbuf_free_bulk(m[i], nb_freed[i]);
	rte_pktmbuf_free_bulk(m[9], EXTENT);
	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(fixture.mempool, m[9], EXTENT), "whole");
	TEST_ASSERT_EQUAL(fixture_nb_runs(m[9], EXTENT), 1, "the whole one");
	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(fixture.mempool, again, 40), "largest");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(again, m[1], sizeof(again), "the largest part");
	TEST_ASSERT_FAIL(rte_pktmbuf_alloc_bulk(fixture.mempool, rest, 23), "more than there is");
	TEST_ASSERT_SUCCESS(
		rte_pktmbuf_alloc_bulk(fixture.mempool, rest, RTE_DIM(rest)), "all the rest");
	TEST_ASSERT_SUCCESS(fixture_check_pages(0, NB_PAGES, 0), "none is left");
	for (unsigned int i = 0; i < RTE_DIM(m); i++)
		rte_pktmbuf_free_bulk(m[i], EXTENT);
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static void
put_cold(struct rte_mbuf **m, uint32_t n)
{
	airlock_page_put_cold(airlock_pool_table(fixture.pool), m, n);
}

/* Takes n frames and looks whether they are these. */
static int
take_these(struct rte_mbuf **these, unsigned int n)
{
	struct rte_mbuf *m[EXTENT];

	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(fixture.mempool, m, n), "take");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(m, these, n * sizeof(m[0]), "other frames");
	return TEST_SUCCESS;
}

static int
test_unwanted_frames_come_after_whole_extents_and_in_turn(void)
{
	static struct rte_mbuf *m[NB_PAGES / EXTENT][EXTENT];

	TEST_ASSERT_SUCCESS(take_extents(m, RTE_DIM(m)), "all");
	put_cold(m[1], EXTENT);
	put_cold(m[2], 20);
	put_cold(m[3], EXTENT);
	rte_pktmbuf_free_bulk(m[4], EXTENT);
	TEST_ASSERT_SUCCESS(take_these(m[4], EXTENT), "the one that is no such");
	TEST_ASSERT_SUCCESS(take_these(m[1], EXTENT), "the first of those");
	/* They are no more wanted than before. */
	put_cold(m[1], EXTENT);
	TEST_ASSERT_SUCCESS(take_these(m[2], 20), "a part of one");
	put_cold(m[2], 20);
	TEST_ASSERT_SUCCESS(take_these(m[3], EXTENT), "the last");
	TEST_ASSERT_SUCCESS(take_these(m[1], EXTENT), "again");
	TEST_ASSERT_SUCCESS(take_these(m[2], 20), "all");
	for (unsigned int i = 0; i < RTE_DIM(m); i++)
		rte_pktmbuf_free_bulk(m[i], EXTENT);
	return fixture_check_pages(NB_PAGES, 0, 0);
}

/* VMs may keep some of each other extent for ever. */
static int
test_unwanted_frames_come_after_extents_that_lack_a_few(void)
{
	static struct rte_mbuf *m[NB_PAGES / EXTENT][EXTENT];

	TEST_ASSERT_SUCCESS(take_extents(m, RTE_DIM(m)), "all");
	put_cold(m[1], EXTENT);
	rte_pktmbuf_free_bulk(m[2], EXTENT - 20);
	rte_pktmbuf_free_bulk(m[3], 10);
	TEST_ASSERT_SUCCESS(take_these(m[2], EXTENT - 20), "enough of one");
	TEST_ASSERT_SUCCESS(take_these(m[1], EXTENT), "before a few of another");
	TEST_ASSERT_SUCCESS(take_these(m[3], 10), "these few");
	for (unsigned int i = 0; i < RTE_DIM(m); i++)
		rte_pktmbuf_free_bulk(m[i], EXTENT);
	return fixture_check_pages(NB_PAGES, 0, 0);
}

#define CASE(fn) TEST_CASE_ST(fixture_setup, fixture_teardown, fn)

static const struct unit_test_suite mempool_order_suite = {
	.suite_name = "mempool_order",
	.unit_test_cases =
		{
			CASE(test_burst_is_a_run_of_neighbours),
			CASE(test_burst_larger_than_an_extent_is_a_run_per_extent),
			CASE(test_bursts_that_come_back_at_once_stay_in_two_extents),
			CASE(test_burst_that_came_back_comes_again),
			CASE(test_single_frames_that_come_back_do_not_cut_the_next_burst),
			CASE(test_extent_freed_last_comes_first),
			CASE(test_parts_of_an_extent_merge),
			CASE(test_parts_come_only_when_nothing_whole_is_left_and_the_largest_first),
			CASE(test_unwanted_frames_come_after_whole_extents_and_in_turn),
			CASE(test_unwanted_frames_come_after_extents_that_lack_a_few),
			TEST_CASES_END(),
		},
};

static int
test_mempool_order(void)
{
	return unit_test_suite_runner(&mempool_order_suite);
}

REGISTER_FAST_TEST(mempool_order_autotest, true, true, test_mempool_order)
