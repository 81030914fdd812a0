/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's mempool: where frames lie, and what happens when none is left. In which order they
 * come is in test_mempool_order.c, several threads at once in test_mempool_churn.c, page states in
 * test_page.c.
 */

#include <stdlib.h>

#include "pool_fixture.h"

#define NB_PAGES FIXTURE_PAGES
#define BURST	 32

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
