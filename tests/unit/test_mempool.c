/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's mempool: where frames lie, in which order they come, and what happens when none is
 * left. Several threads at once are in test_mempool_churn.c, page states in test_page.c.
 */

#include <stdlib.h>

#include "pool_fixture.h"

#define NB_PAGES FIXTURE_PAGES
#define BURST	 32
#define EXTENT	 AIRLOCK_PAGE_EXTENT

static int
setup_frames(uint32_t frame_pages)
{
	struct airlock_pool_conf conf = fixture_conf();

	conf.frame_pages = frame_pages;
	return fixture_open(&conf);
}

static int
setup_jumbo(void)
{
	return setup_frames(4);
}

static int
setup_three(void)
{
	return setup_frames(3);
}

static int
setup_fifteen(void)
{
	return setup_frames(15);
}

static int
setup_largest(void)
{
	return setup_frames(AIRLOCK_FRAME_MAX_PAGES);
}

/* All frames, into an array for free(), by one thread that finds the lcores' caches empty. */
static uint32_t
take_all(struct rte_mbuf ***taken)
{
	uint32_t n = 0;

	*taken = calloc(NB_PAGES + 1, sizeof(**taken));
	while (*taken != NULL && n <= NB_PAGES) {
		(*taken)[n] = rte_pktmbuf_alloc(fixture.mempool);
		if ((*taken)[n] == NULL)
			break;
		n++;
	}
	return n;
}

static int
check_places(struct rte_mbuf *const *m, uint32_t n, uint32_t frame_bytes)
{
	uint8_t seen[NB_PAGES] = {0};
	uint32_t frame;

	for (uint32_t i = 0; i < n; i++) {
		TEST_ASSERT_EQUAL(((uintptr_t)m[i]->buf_addr - fixture.table->base) % frame_bytes,
			0, "alignment");
		TEST_ASSERT_EQUAL(rte_pktmbuf_mtod(m[i], uintptr_t),
			(uintptr_t)m[i]->buf_addr + RTE_PKTMBUF_HEADROOM, "data behind headroom");
		TEST_ASSERT_EQUAL(m[i]->buf_len, RTE_MIN(frame_bytes, (uint32_t)UINT16_MAX),
			"a buffer is a frame");
		TEST_ASSERT_EQUAL(rte_mbuf_iova_get(m[i]), (uintptr_t)m[i]->buf_addr, "IOVA is VA");
		TEST_ASSERT(RTE_MBUF_HAS_PINNED_EXTBUF(m[i]), "pinned");
		frame = fixture_frame(m[i]);
		TEST_ASSERT(frame < n, "frame %u of %u", frame, n);
		TEST_ASSERT_EQUAL(seen[frame], 0, "frame %u twice", frame);
		seen[frame] = 1;
	}
	return TEST_SUCCESS;
}

/* Frame 11 i comes back in turn i: other neighbours than those it left with. */
static void
give_all(struct rte_mbuf **taken, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		rte_pktmbuf_free(taken[i * 11 % n]);
	free(taken);
}

static int
drain_and_refill(uint32_t frame_pages)
{
	const uint32_t nb_frames = NB_PAGES / frame_pages, rest = NB_PAGES % frame_pages;
	struct rte_mbuf **taken, *extra[BURST] = {NULL};
	uint32_t n = take_all(&taken);
	int places, pages, ret;

	places = check_places(taken, RTE_MIN(n, nb_frames), frame_pages * AIRLOCK_PAGE_SIZE);
	pages = fixture_check_pages(0, NB_PAGES - rest, rest);
	ret = rte_pktmbuf_alloc_bulk(fixture.mempool, extra, BURST);
	give_all(taken, n);
	TEST_ASSERT_EQUAL(n, nb_frames, "frames that there were");
	TEST_ASSERT_SUCCESS(places, "places of the frames");
	TEST_ASSERT_SUCCESS(pages, "nothing is left");
	TEST_ASSERT(ret < 0 && extra[0] == NULL, "a burst from an empty pool");
	return fixture_check_pages(NB_PAGES - rest, 0, rest);
}

static int
test_empty_pool_gives_none_and_fills_again(void)
{
	for (unsigned int i = 0; i < 3; i++)
		TEST_ASSERT_SUCCESS(drain_and_refill(1), "round %u", i);
	return TEST_SUCCESS;
}

static int
test_frames_of_four_pages_keep_to_themselves(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);

	TEST_ASSERT_NOT_NULL(m, "first frame");
	TEST_ASSERT_EQUAL(rte_pktmbuf_tailroom(m), 4 * AIRLOCK_PAGE_SIZE - RTE_PKTMBUF_HEADROOM,
		"room for a 9000-byte packet");
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES - 4, 4, 0), "a frame is four pages");
	airlock_page_receive(fixture.table, &m, 1);
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES - 4, 0, 4), "a frame is four pages");
	rte_pktmbuf_free(m);
	return drain_and_refill(4);
}

/* 1365 frames, and a page that is in none. */
static int
test_frames_of_three_pages_keep_to_themselves(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);

	TEST_ASSERT_NOT_NULL(m, "first frame");
	TEST_ASSERT_EQUAL(rte_pktmbuf_tailroom(m), 3 * AIRLOCK_PAGE_SIZE - RTE_PKTMBUF_HEADROOM,
		"room for a 9000-byte packet");
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES - 4, 3, 1), "a frame is three pages");
	airlock_page_receive(fixture.table, &m, 1);
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES - 4, 0, 4), "a frame is three pages");
	rte_pktmbuf_free(m);
	return drain_and_refill(3);
}

/* The longest whose bytes an mbuf can tell. */
static int
test_frames_of_60_kib_keep_to_themselves(void)
{
	TEST_ASSERT_EQUAL(rte_pktmbuf_data_room_size(fixture.mempool), 15 * AIRLOCK_PAGE_SIZE,
		"all of the frame");
	return drain_and_refill(15);
}

static int
test_frames_of_three_pages_are_runs_too(void)
{
	struct rte_mbuf *m[BURST];

	for (unsigned int i = 0; i < 100; i++) {
		TEST_ASSERT_SUCCESS(
			rte_pktmbuf_alloc_bulk(fixture.mempool, m, BURST), "burst %u", i);
		TEST_ASSERT_EQUAL(fixture_nb_runs(m, BURST), 1, "burst %u", i);
		rte_pktmbuf_free_bulk(m, BURST);
	}
	return TEST_SUCCESS;
}

static int
test_frames_of_64_kib_keep_to_themselves(void)
{
	TEST_ASSERT_EQUAL(rte_pktmbuf_data_room_size(fixture.mempool), UINT16_MAX,
		"as much as an mbuf can have");
	return drain_and_refill(AIRLOCK_FRAME_MAX_PAGES);
}

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

#define NB_PARTITIONS 3

/* 4095 frames: 1344, 1344, 1407. The last one's last extent has 63. */
static int
setup_partitions(void)
{
	struct airlock_pool_conf conf = fixture_conf();

	conf.nb_partitions = NB_PARTITIONS;
	conf.header = true;
	return fixture_open(&conf);
}

static int
drain_partition(uint32_t partition, uint32_t first, uint32_t nb)
{
	struct rte_mempool *mempool = airlock_pool_mempool(fixture.pool, partition);
	struct rte_mbuf **taken;
	uint32_t n = 0, frame;

	taken = calloc(NB_PAGES, sizeof(*taken));
	TEST_ASSERT_NOT_NULL(taken, "memory");
	while (n < NB_PAGES && (taken[n] = rte_pktmbuf_alloc(mempool)) != NULL)
		n++;
	TEST_ASSERT_EQUAL(n, nb, "frames of partition %u", partition);
	for (uint32_t i = 0; i < n; i++) {
		frame = fixture_frame(taken[i]);
		TEST_ASSERT(frame >= first && frame < first + nb, "frame %u in partition %u", frame,
			partition);
	}
	rte_pktmbuf_free_bulk(taken, n);
	free(taken);
	return TEST_SUCCESS;
}

static int
test_partitions_are_apart(void)
{
	static const uint32_t nb[NB_PARTITIONS] = {1344, 1344, 1407};
	char name[RTE_MEMPOOL_NAMESIZE];
	uint32_t first = 0;

	TEST_ASSERT_EQUAL(airlock_pool_nb_partitions(fixture.pool), NB_PARTITIONS, "partitions");
	TEST_ASSERT_EQUAL(fixture.table->nb_partitions, NB_PARTITIONS, "partitions");
	for (uint32_t i = 0; i < NB_PARTITIONS; i++) {
		snprintf(name, sizeof(name), "test_pool_%u", i);
		TEST_ASSERT_STRINGS_ARE_EQUAL(
			airlock_pool_mempool(fixture.pool, i)->name, name, "name");
		TEST_ASSERT_EQUAL(fixture.table->partitions[i].first_frame, first, "first");
		TEST_ASSERT_EQUAL(fixture.table->partitions[i].nb_frames, nb[i], "number");
		TEST_ASSERT_SUCCESS(drain_partition(i, first, nb[i]), "partition %u", i);
		first += nb[i];
	}
	return fixture_check_pages(NB_PAGES - 1, 0, 1);
}

static int
test_partition_takes_no_frame_of_another(void)
{
	struct rte_mempool *other = airlock_pool_mempool(fixture.pool, 1);
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);
	struct airlock_pool_report report;

	rte_mempool_put(other, m);
	TEST_ASSERT_EQUAL(fixture_state(m), AIRLOCK_PAGE_CARD, "not taken");
	TEST_ASSERT_EQUAL(airlock_pool_verify(fixture.pool, &report), -EBADMSG, "counted");
	TEST_ASSERT_EQUAL(report.violations, 1, "counted");
	TEST_ASSERT_EQUAL(report.free_by_mempool, NB_PAGES - 2, "not taken");
	rte_pktmbuf_free(m);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(fixture_setup, fixture_teardown, fn)

static const struct unit_test_suite mempool_suite = {
	.suite_name = "mempool",
	.unit_test_cases =
		{
			CASE(test_empty_pool_gives_none_and_fills_again),
			TEST_CASE_ST(setup_jumbo, fixture_teardown,
				test_frames_of_four_pages_keep_to_themselves),
			TEST_CASE_ST(setup_three, fixture_teardown,
				test_frames_of_three_pages_keep_to_themselves),
			TEST_CASE_ST(setup_three, fixture_teardown,
				test_frames_of_three_pages_are_runs_too),
			TEST_CASE_ST(setup_fifteen, fixture_teardown,
				test_frames_of_60_kib_keep_to_themselves),
			TEST_CASE_ST(setup_largest, fixture_teardown,
				test_frames_of_64_kib_keep_to_themselves),
			CASE(test_burst_is_a_run_of_neighbours),
			CASE(test_burst_larger_than_an_extent_is_a_run_per_extent),
			CASE(test_bursts_that_come_back_at_once_stay_in_two_extents),
			CASE(test_burst_that_came_back_comes_again),
			CASE(test_single_frames_that_come_back_do_not_cut_the_next_burst),
			CASE(test_extent_freed_last_comes_first),
			CASE(test_parts_of_an_extent_merge),
			CASE(test_parts_come_only_when_nothing_whole_is_left_and_the_largest_first),
			TEST_CASE_ST(setup_partitions, fixture_teardown, test_partitions_are_apart),
			TEST_CASE_ST(setup_partitions, fixture_teardown,
				test_partition_takes_no_frame_of_another),
			TEST_CASES_END(),
		},
};

static int
test_mempool(void)
{
	return unit_test_suite_runner(&mempool_suite);
}

REGISTER_FAST_TEST(mempool_autotest, true, true, test_mempool)
