/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's mempool, used by several lcores and other threads at once: no frame is lost, and none
 * is in two hands.
 */

#include <pthread.h>
#include <stdlib.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "pool_fixture.h"

#define NB_PAGES  FIXTURE_PAGES
#define NB_ROUNDS 10000
#define BURST	  32

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
		if (rte_pktmbuf_alloc_bulk(fixture.mempool, m, n) < 0)
			return -ENOMEM;
		for (unsigned int i = 0; i < n; i++) {
			if (fixture_state(m[i]) != AIRLOCK_PAGE_CARD)
				return -EBADMSG;
		}
		airlock_page_receive(fixture.table, m, n);
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
	return fixture_check_pages(NB_PAGES, 0, 0);
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

/* 1 while a frame is in somebody's hands; written by those. */
static _Atomic uint8_t held[NB_PAGES];
static _Atomic uint32_t nb_twice;

static void
hold(struct rte_mbuf *const *m, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (atomic_exchange_explicit(&held[fixture_frame(m[i])], 1, memory_order_relaxed))
			atomic_fetch_add_explicit(&nb_twice, 1, memory_order_relaxed);
	}
}

static void
release(struct rte_mbuf *const *m, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		atomic_store_explicit(&held[fixture_frame(m[i])], 0, memory_order_relaxed);
}

#define NB_HELD 1000

static void
shuffle(struct rte_mbuf **m, unsigned int n, unsigned int *seed)
{
	struct rte_mbuf *other;
	unsigned int j;

	for (unsigned int i = n; i > 1; i--) {
		j = rand_r(seed) % i;
		other = m[j];
		m[j] = m[i - 1];
		m[i - 1] = other;
	}
}

/* Take until the pool is nearly used up, in bursts of any size; give back in another order. */
static int
exhaust(void *arg)
{
	static __thread struct rte_mbuf *m[NB_HELD + 2 * AIRLOCK_PAGE_EXTENT];
	unsigned int *seed = arg, nb = 0, n, give;

	for (unsigned int round = 0; round < NB_ROUNDS; round++) {
		n = 1 + rand_r(seed) % (2 * AIRLOCK_PAGE_EXTENT);
		if (nb < NB_HELD && rte_pktmbuf_alloc_bulk(fixture.mempool, &m[nb], n) == 0) {
			hold(&m[nb], n);
			nb += n;
		}
		if (round % 16 == 0)
			shuffle(m, nb, seed);
		give = RTE_MIN(nb, (unsigned int)rand_r(seed) % (2 * AIRLOCK_PAGE_EXTENT));
		release(&m[nb - give], give);
		rte_pktmbuf_free_bulk(&m[nb - give], give);
		nb -= give;
	}
	release(m, nb);
	rte_pktmbuf_free_bulk(m, nb);
	return 0;
}

/* Four lcores want a little more than there is: parts of extents are all that is left at times. */
static int
test_frame_is_never_in_two_hands(void)
{
	static unsigned int seeds[RTE_MAX_LCORE];
	unsigned int lcore_id, twice;
	int ret = 0;

	if (rte_lcore_count() < 3)
		return TEST_SKIPPED;
	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		seeds[lcore_id] = 200 + lcore_id;
		ret |= rte_eal_remote_launch(exhaust, &seeds[lcore_id], lcore_id);
	}
	seeds[rte_lcore_id()] = 200;
	exhaust(&seeds[rte_lcore_id()]);
	RTE_LCORE_FOREACH_WORKER (lcore_id)
		ret |= rte_eal_wait_lcore(lcore_id);
	TEST_ASSERT_SUCCESS(ret, "launch");
	twice = atomic_load_explicit(&nb_twice, memory_order_relaxed);
	TEST_ASSERT_EQUAL(twice, 0, "frames in two hands");
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static void *
exhaust_in_thread(void *arg)
{
	exhaust(arg);
	return NULL;
}

/* Threads that are no lcores keep nothing, so whatever is missing then was lost. */
static int
test_all_frames_can_be_taken_afterwards(void)
{
	static struct rte_mbuf *m[NB_PAGES];
	unsigned int seeds[4] = {301, 302, 303, 304};
	pthread_t threads[RTE_DIM(seeds)];
	unsigned int n = 0;

	for (unsigned int i = 0; i < RTE_DIM(threads); i++)
		TEST_ASSERT_SUCCESS(pthread_create(&threads[i], NULL, exhaust_in_thread, &seeds[i]),
			"thread %u", i);
	for (unsigned int i = 0; i < RTE_DIM(threads); i++)
		pthread_join(threads[i], NULL);
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES, 0, 0), "at rest");
	while (n < NB_PAGES && (m[n] = rte_pktmbuf_alloc(fixture.mempool)) != NULL)
		n++;
	rte_pktmbuf_free_bulk(m, n);
	TEST_ASSERT_EQUAL(n, NB_PAGES, "frames");
	return fixture_check_pages(NB_PAGES, 0, 0);
}

#define CASE(fn) TEST_CASE_ST(fixture_setup, fixture_teardown, fn)

static const struct unit_test_suite mempool_churn_suite = {
	.suite_name = "mempool_churn",
	.unit_test_cases =
		{
			CASE(test_lcores_swap_frames_and_lose_none),
			CASE(test_threads_that_are_no_lcores_take_part),
			CASE(test_frame_is_never_in_two_hands),
			CASE(test_all_frames_can_be_taken_afterwards),
			TEST_CASES_END(),
		},
};

static int
test_mempool_churn(void)
{
	return unit_test_suite_runner(&mempool_churn_suite);
}

REGISTER_FAST_TEST(mempool_churn_autotest, true, true, test_mempool_churn)
