/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's mempool: where frames lie, in which order they come, what happens when none is left,
 * and several lcores and other threads at once. Page states are tested in test_page.c.
 */

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "airlock_pool.h"
#include "test.h"

#define NB_PAGES  4096
#define NB_ROUNDS 2000
#define BURST	  32

static char path[64];
static struct airlock_pool *pool;
static struct rte_mempool *mempool;
static struct airlock_page_table *table;

static int
create(uint32_t frame_pages)
{
	struct airlock_pool_conf conf = {
		.name = "test_mempool",
		.path = path,
		.nb_pages = NB_PAGES,
		.frame_pages = frame_pages,
		.socket_id = SOCKET_ID_ANY,
	};

	snprintf(path, sizeof(path), "/dev/shm/airlock-test-%d", getpid());
	unlink(path);
	pool = airlock_pool_create(&conf);
	TEST_ASSERT_NOT_NULL(pool, "%s: %s", path, rte_strerror(rte_errno));
	mempool = airlock_pool_mempool(pool, 0);
	table = airlock_pool_table(pool);
	return TEST_SUCCESS;
}

static int
setup(void)
{
	return create(1);
}

static int
setup_jumbo(void)
{
	return create(4);
}

static void
teardown(void)
{
	airlock_pool_destroy(pool, false);
	pool = NULL;
}

static int
check_pages(uint32_t nb_free, uint32_t nb_card, uint32_t nb_host)
{
	struct airlock_pool_stats stats;

	airlock_pool_stats(pool, &stats);
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_FREE], nb_free, "pages in FREE");
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_CARD], nb_card, "pages in CARD");
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_HOST], nb_host, "pages in HOST");
	TEST_ASSERT_EQUAL(stats.violations, 0, "violations");
	TEST_ASSERT_SUCCESS(airlock_pool_verify(pool, NULL), "table and mempool agree");
	return TEST_SUCCESS;
}

static enum airlock_page_state
state_of(const struct rte_mbuf *m)
{
	return airlock_page_state_get(table, airlock_page_frame(table, m->buf_addr));
}

/* All frames, into an array for free(), by one thread that finds the lcores' caches empty. */
static uint32_t
take_all(struct rte_mbuf ***taken)
{
	uint32_t n = 0;

	*taken = calloc(NB_PAGES + 1, sizeof(**taken));
	while (*taken != NULL && n <= NB_PAGES) {
		(*taken)[n] = rte_pktmbuf_alloc(mempool);
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
		TEST_ASSERT_EQUAL((uintptr_t)m[i]->buf_addr % frame_bytes, 0, "alignment");
		TEST_ASSERT_EQUAL(rte_pktmbuf_mtod(m[i], uintptr_t),
			(uintptr_t)m[i]->buf_addr + RTE_PKTMBUF_HEADROOM, "data behind headroom");
		TEST_ASSERT_EQUAL(m[i]->buf_len, frame_bytes, "a buffer is a frame");
		TEST_ASSERT_EQUAL(rte_mbuf_iova_get(m[i]), (uintptr_t)m[i]->buf_addr, "IOVA is VA");
		TEST_ASSERT(RTE_MBUF_HAS_PINNED_EXTBUF(m[i]), "pinned");
		frame = airlock_page_frame(table, m[i]->buf_addr);
		TEST_ASSERT(frame < n, "frame %u of %u", frame, n);
		TEST_ASSERT_EQUAL(seen[frame], 0, "frame %u twice", frame);
		seen[frame] = 1;
	}
	return TEST_SUCCESS;
}

/* Frame i comes back in turn 7 i: other neighbours than those it left with. */
static void
give_all(struct rte_mbuf **taken, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		rte_pktmbuf_free(taken[i * 7 % n]);
	free(taken);
}

static int
drain_and_refill(uint32_t frame_pages)
{
	const uint32_t nb_frames = NB_PAGES / frame_pages;
	struct rte_mbuf **taken, *extra[BURST] = {NULL};
	uint32_t n = take_all(&taken);
	int places, pages, ret;

	places = check_places(taken, RTE_MIN(n, nb_frames), frame_pages * AIRLOCK_PAGE_SIZE);
	pages = check_pages(0, NB_PAGES, 0);
	ret = rte_pktmbuf_alloc_bulk(mempool, extra, BURST);
	give_all(taken, n);
	TEST_ASSERT_EQUAL(n, nb_frames, "frames that there were");
	TEST_ASSERT_SUCCESS(places, "places of the frames");
	TEST_ASSERT_SUCCESS(pages, "nothing is left");
	TEST_ASSERT(ret < 0 && extra[0] == NULL, "a burst from an empty pool");
	return check_pages(NB_PAGES, 0, 0);
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
	struct rte_mbuf *m = rte_pktmbuf_alloc(mempool);

	TEST_ASSERT_NOT_NULL(m, "first frame");
	TEST_ASSERT_EQUAL(rte_pktmbuf_tailroom(m), 4 * AIRLOCK_PAGE_SIZE - RTE_PKTMBUF_HEADROOM,
		"room for a 9000-byte packet");
	TEST_ASSERT_SUCCESS(check_pages(NB_PAGES - 4, 4, 0), "a frame is four pages");
	airlock_page_receive(table, &m, 1);
	TEST_ASSERT_SUCCESS(check_pages(NB_PAGES - 4, 0, 4), "a frame is four pages");
	rte_pktmbuf_free(m);
	return drain_and_refill(4);
}

static int
test_frame_freed_last_comes_first(void)
{
	struct rte_mbuf *m[BURST], *again[BURST];

	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(mempool, m, BURST), "burst");
	for (unsigned int i = 0; i < BURST; i++)
		rte_pktmbuf_free(m[i]);
	for (unsigned int i = 0; i < BURST; i++)
		again[i] = rte_pktmbuf_alloc(mempool);
	rte_pktmbuf_free_bulk(again, BURST);
	for (unsigned int i = 0; i < BURST; i++)
		TEST_ASSERT_EQUAL((uintptr_t)again[i], (uintptr_t)m[BURST - 1 - i], "frame %u", i);
	return TEST_SUCCESS;
}

/* Frames that one lcore puts and the next takes. */
static struct rte_mbuf *_Atomic mailbox[BURST];

/* An lcore's or thread's share: take, receive, swap with the others, free. */
static int
churn(void *arg)
{
	struct rte_mbuf *m[BURST];
	unsigned int *seed = arg;
	unsigned int n;

	for (unsigned int round = 0; round < NB_ROUNDS; round++) {
		n = 1 + rand_r(seed) % BURST;
		if (rte_pktmbuf_alloc_bulk(mempool, m, n) < 0)
			return -ENOMEM;
		for (unsigned int i = 0; i < n; i++) {
			if (state_of(m[i]) != AIRLOCK_PAGE_CARD)
				return -EBADMSG;
		}
		airlock_page_receive(table, m, n);
		for (unsigned int i = 0; i < n; i++)
			m[i] = atomic_exchange_explicit(&mailbox[i], m[i], memory_order_acq_rel);
		for (unsigned int i = 0; i < n; i++)
			rte_pktmbuf_free(m[i]);
	}
	return 0;
}

static int
empty_mailbox(void)
{
	for (unsigned int i = 0; i < BURST; i++)
		rte_pktmbuf_free(atomic_exchange_explicit(&mailbox[i], NULL, memory_order_acq_rel));
	return check_pages(NB_PAGES, 0, 0);
}

static int
test_lcores_swap_frames_and_lose_none(void)
{
	static unsigned int seeds[RTE_MAX_LCORE];
	unsigned int lcore_id;
	int ret = 0;

	if (rte_lcore_count() < 3)
		return TEST_SKIPPED;
	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		seeds[lcore_id] = lcore_id;
		ret |= rte_eal_remote_launch(churn, &seeds[lcore_id], lcore_id);
	}
	seeds[rte_lcore_id()] = rte_lcore_id();
	ret |= churn(&seeds[rte_lcore_id()]);
	RTE_LCORE_FOREACH_WORKER (lcore_id)
		ret |= rte_eal_wait_lcore(lcore_id);
	TEST_ASSERT_SUCCESS(ret, "every lcore gets its frames");
	return empty_mailbox();
}

static void *
churn_in_thread(void *arg)
{
	return churn(arg) == 0 ? NULL : arg;
}

static int
test_threads_that_are_no_lcores_take_part(void)
{
	static unsigned int seeds[3] = {101, 102, 103};
	pthread_t threads[2];
	void *failed = NULL;
	int ret;

	for (unsigned int i = 0; i < RTE_DIM(threads); i++)
		TEST_ASSERT_SUCCESS(pthread_create(&threads[i], NULL, churn_in_thread, &seeds[i]),
			"thread %u", i);
	ret = churn(&seeds[2]);
	for (unsigned int i = 0; i < RTE_DIM(threads); i++) {
		void *result;

		pthread_join(threads[i], &result);
		if (result != NULL)
			failed = result;
	}
	TEST_ASSERT_SUCCESS(ret, "the lcore gets its frames");
	TEST_ASSERT_NULL(failed, "the threads get their frames");
	return empty_mailbox();
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static const struct unit_test_suite mempool_suite = {
	.suite_name = "mempool",
	.unit_test_cases =
		{
			CASE(test_empty_pool_gives_none_and_fills_again),
			TEST_CASE_ST(setup_jumbo, teardown,
				test_frames_of_four_pages_keep_to_themselves),
			CASE(test_frame_freed_last_comes_first),
			CASE(test_lcores_swap_frames_and_lose_none),
			CASE(test_threads_that_are_no_lcores_take_part),
			TEST_CASES_END(),
		},
};

static int
test_mempool(void)
{
	return unit_test_suite_runner(&mempool_suite);
}

REGISTER_FAST_TEST(mempool_autotest, true, true, test_mempool)
