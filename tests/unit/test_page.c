/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Page states: every transition, and those that are wrong. The mempool that makes most of them is
 * tested in test_mempool.c, the file below in test_pool.c.
 */

#include "pool_fixture.h"

#define NB_PAGES FIXTURE_PAGES

static int
test_state_names_are_their_own(void)
{
	TEST_ASSERT_STRINGS_ARE_EQUAL(airlock_page_state_name(AIRLOCK_PAGE_FREE), "free", "FREE");
	TEST_ASSERT_STRINGS_ARE_EQUAL(airlock_page_state_name(AIRLOCK_PAGE_CARD), "card", "CARD");
	TEST_ASSERT_STRINGS_ARE_EQUAL(airlock_page_state_name(AIRLOCK_PAGE_HOST), "host", "HOST");
	return TEST_SUCCESS;
}

static int
test_frame_goes_free_card_host_free(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);

	TEST_ASSERT_NOT_NULL(m, "first frame");
	TEST_ASSERT_EQUAL(fixture_state(m), AIRLOCK_PAGE_CARD, "handed out");
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES - 1, 1, 0), "handed out");
	airlock_page_receive(fixture.table, &m, 1);
	TEST_ASSERT_EQUAL(fixture_state(m), AIRLOCK_PAGE_HOST, "received");
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES - 1, 0, 1), "received");
	rte_pktmbuf_free(m);
	TEST_ASSERT_EQUAL(fixture_state(m), AIRLOCK_PAGE_FREE, "freed");
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES, 0, 0), "freed");

	m = rte_pktmbuf_alloc(fixture.mempool);
	rte_pktmbuf_free(m);
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES, 0, 0), "freed without a packet");
	return TEST_SUCCESS;
}

static int
test_chain_is_received_and_freed_as_a_whole(void)
{
	struct rte_mbuf *m[3];

	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(fixture.mempool, m, 3), "three frames");
	for (unsigned int i = 0; i < 3; i++)
		m[i]->pkt_len = m[i]->data_len = 100;
	TEST_ASSERT_SUCCESS(rte_pktmbuf_chain(m[0], m[1]), "chain");
	TEST_ASSERT_SUCCESS(rte_pktmbuf_chain(m[0], m[2]), "chain");
	airlock_page_receive(fixture.table, m, 1);
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES - 3, 0, 3), "received");
	rte_pktmbuf_free(m[0]);
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES, 0, 0), "freed");
	return TEST_SUCCESS;
}

static int
test_shared_frame_is_free_with_its_last_reference(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);

	airlock_page_receive(fixture.table, &m, 1);
	rte_pktmbuf_refcnt_update(m, 2);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(m);
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES - 1, 0, 1), "one reference left");
	rte_pktmbuf_free(m);
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES, 0, 0), "none left");
	return TEST_SUCCESS;
}

static int
test_foreign_buffers_are_ignored(void)
{
	struct rte_mempool *foreign;
	struct rte_mbuf *m[2];
	int ret;

	foreign = rte_pktmbuf_pool_create("test_page_foreign", 63, 0, 0, 2048, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(foreign, "foreign mempool");
	m[0] = rte_pktmbuf_alloc(foreign);
	m[1] = rte_pktmbuf_alloc(fixture.mempool);
	m[0]->data_len = m[0]->pkt_len = 1;
	m[1]->data_len = m[1]->pkt_len = 1;
	rte_pktmbuf_chain(m[0], m[1]);
	airlock_page_receive(fixture.table, m, 1);
	ret = fixture_check_pages(NB_PAGES - 1, 0, 1);
	rte_pktmbuf_free(m[0]);
	rte_mempool_free(foreign);
	TEST_ASSERT_SUCCESS(ret, "only the second buffer is a frame");
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static int
check_violation(const char *what)
{
	struct airlock_pool_report report;
	int ret = airlock_pool_verify(fixture.pool, &report);

	TEST_ASSERT_EQUAL(report.violations, 1, "%s", what);
	TEST_ASSERT_EQUAL(ret, -EBADMSG, "%s", what);
	return TEST_SUCCESS;
}

static int
test_double_free_is_counted(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);
	struct airlock_pool_report report;

	rte_mempool_put(fixture.mempool, m);
	TEST_ASSERT_SUCCESS(fixture_check_pages(NB_PAGES, 0, 0), "freed once");
	rte_mempool_put(fixture.mempool, m);
	airlock_pool_verify(fixture.pool, &report);
	TEST_ASSERT_EQUAL(report.free_by_table, NB_PAGES, "the table has it once");
	TEST_ASSERT_EQUAL(report.free_by_mempool, NB_PAGES, "the mempool has it once");
	return check_violation("freed twice");
}

static int
test_frame_received_twice_is_counted(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);

	airlock_page_receive(fixture.table, &m, 1);
	airlock_page_receive(fixture.table, &m, 1);
	rte_pktmbuf_free(m);
	return check_violation("HOST to HOST");
}

static int
test_frame_received_while_free_is_counted(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);

	rte_pktmbuf_free(m);
	airlock_page_receive(fixture.table, &m, 1);
	return check_violation("FREE to HOST");
}

static int
test_frame_given_out_while_in_use_is_counted(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);

	airlock_page_take(fixture.table, fixture_frame(m), 1);
	rte_pktmbuf_free(m);
	return check_violation("CARD to CARD");
}

#define CASE(fn) TEST_CASE_ST(fixture_setup, fixture_teardown, fn)

static const struct unit_test_suite page_suite = {
	.suite_name = "page",
	.unit_test_cases =
		{
			TEST_CASE(test_state_names_are_their_own),
			CASE(test_frame_goes_free_card_host_free),
			CASE(test_chain_is_received_and_freed_as_a_whole),
			CASE(test_shared_frame_is_free_with_its_last_reference),
			CASE(test_foreign_buffers_are_ignored),
			CASE(test_double_free_is_counted),
			CASE(test_frame_received_twice_is_counted),
			CASE(test_frame_received_while_free_is_counted),
			CASE(test_frame_given_out_while_in_use_is_counted),
			TEST_CASES_END(),
		},
};

static int
test_page(void)
{
	return unit_test_suite_runner(&page_suite);
}

REGISTER_FAST_TEST(page_autotest, true, true, test_page)
