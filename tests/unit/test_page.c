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
	TEST_ASSERT_STRINGS_ARE_EQUAL(
		airlock_page_state_name(AIRLOCK_PAGE_LEASED), "leased", "LEASED");
	TEST_ASSERT_STRINGS_ARE_EQUAL(
		airlock_page_state_name(AIRLOCK_PAGE_RELEASED), "released", "RELEASED");
	TEST_ASSERT_STRINGS_ARE_EQUAL(
		airlock_page_state_name(AIRLOCK_PAGE_UNMAPPING), "unmapping", "UNMAPPING");
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

/* A frame that holds a packet. */
static struct rte_mbuf *
received(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fixture.mempool);

	if (m != NULL)
		airlock_page_receive(fixture.table, &m, 1);
	return m;
}

/* Give back a frame that a VM has, and take the same one again. */
static struct rte_mbuf *
through_the_mempool(struct rte_mbuf *m, uint32_t tag)
{
	struct rte_mbuf *again;

	airlock_page_withdraw(fixture.table, fixture_frame(m), tag);
	rte_pktmbuf_free(m);
	again = rte_pktmbuf_alloc(fixture.mempool);
	if (again != m)
		rte_pktmbuf_free(again);
	return again == m ? m : NULL;
}

static int
check_word(const struct rte_mbuf *m, enum airlock_page_state state, uint32_t tag, const char *when)
{
	TEST_ASSERT_EQUAL(fixture_state(m), state, "%s: state", when);
	TEST_ASSERT_EQUAL(
		airlock_page_tag_get(fixture.table, fixture_frame(m)), tag, "%s: tag", when);
	return TEST_SUCCESS;
}

#define CHECK_WORD(...) TEST_ASSERT_SUCCESS(check_word(__VA_ARGS__), "word")

static int
test_tags_are_never_given_out_twice(void)
{
	uint32_t last = 0, tag;

	for (unsigned int i = 0; i < 1000; i++) {
		tag = airlock_page_new_tag(fixture.table);
		TEST_ASSERT(
			tag > last && tag <= AIRLOCK_PAGE_MAX_TAG, "tag %u after %u", tag, last);
		last = tag;
	}
	atomic_store_explicit(
		&fixture.table->last_tag, AIRLOCK_PAGE_MAX_TAG - 1, memory_order_relaxed);
	TEST_ASSERT_EQUAL(
		airlock_page_new_tag(fixture.table), AIRLOCK_PAGE_MAX_TAG, "the last one");
	TEST_ASSERT_EQUAL(airlock_page_new_tag(fixture.table), 0, "none is left");
	TEST_ASSERT_EQUAL(airlock_page_new_tag(fixture.table), 0, "nor later");
	return TEST_SUCCESS;
}

static int
test_frame_goes_into_a_vm_and_back(void)
{
	const uint32_t tag = AIRLOCK_PAGE_MAX_TAG;
	struct rte_mbuf *m = received();
	struct airlock_pool_stats stats;
	uint32_t frame;

	TEST_ASSERT_NOT_NULL(m, "first frame");
	frame = fixture_frame(m);
	CHECK_WORD(m, AIRLOCK_PAGE_HOST, AIRLOCK_PAGE_NOBODY, "received");
	airlock_page_lease(fixture.table, frame, tag);
	CHECK_WORD(m, AIRLOCK_PAGE_LEASED, tag, "leased");
	airlock_page_release(fixture.table, frame, tag);
	CHECK_WORD(m, AIRLOCK_PAGE_RELEASED, tag, "released");
	airlock_page_renew(fixture.table, frame, tag);
	CHECK_WORD(m, AIRLOCK_PAGE_LEASED, tag, "renewed");
	airlock_page_release(fixture.table, frame, tag);
	airlock_pool_stats(fixture.pool, &stats);
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_RELEASED], 1, "pages in RELEASED");
	TEST_ASSERT_SUCCESS(airlock_pool_verify(fixture.pool, NULL), "while a VM has it");
	airlock_page_withdraw(fixture.table, frame, tag);
	CHECK_WORD(m, AIRLOCK_PAGE_UNMAPPING, tag, "withdrawn");
	rte_pktmbuf_free(m);
	CHECK_WORD(m, AIRLOCK_PAGE_FREE, tag, "back");
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static int
test_tag_says_whose_bytes_are_in_a_frame(void)
{
	struct rte_mbuf *m = received();

	airlock_page_lease(fixture.table, fixture_frame(m), 7);
	m = through_the_mempool(m, 7);
	TEST_ASSERT_NOT_NULL(m, "the same frame");
	CHECK_WORD(m, AIRLOCK_PAGE_CARD, 7, "taken");
	airlock_page_receive(fixture.table, &m, 1);
	CHECK_WORD(m, AIRLOCK_PAGE_HOST, 7, "a packet, and else bytes of that VM");

	airlock_page_lease(fixture.table, fixture_frame(m), 7);
	m = through_the_mempool(m, 7);
	airlock_page_receive_inexact(fixture.table, &m, 1);
	CHECK_WORD(m, AIRLOCK_PAGE_HOST, AIRLOCK_PAGE_NOBODY, "the card may have written anything");

	airlock_page_lease(fixture.table, fixture_frame(m), 7);
	m = through_the_mempool(m, 7);
	airlock_page_receive(fixture.table, &m, 1);
	rte_pktmbuf_free(m);
	CHECK_WORD(m, AIRLOCK_PAGE_FREE, AIRLOCK_PAGE_NOBODY, "a packet that was for another");
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static int
test_page_that_a_vm_has_does_not_come_back_to_the_mempool(void)
{
	struct airlock_pool_report report;
	struct rte_mbuf *m = received();
	uint32_t frame = fixture_frame(m);

	airlock_page_lease(fixture.table, frame, 7);
	rte_mempool_put(fixture.mempool, m);
	CHECK_WORD(m, AIRLOCK_PAGE_LEASED, 7, "leased");
	airlock_page_release(fixture.table, frame, 7);
	rte_mempool_put(fixture.mempool, m);
	CHECK_WORD(m, AIRLOCK_PAGE_RELEASED, 7, "released");
	TEST_ASSERT_EQUAL(airlock_pool_verify(fixture.pool, &report), -EBADMSG, "counted");
	TEST_ASSERT_EQUAL(report.violations, 2, "counted");
	TEST_ASSERT_EQUAL(report.free_by_mempool, NB_PAGES - 1, "by mempool");
	TEST_ASSERT_EQUAL(report.free_by_table, NB_PAGES - 1, "by table");
	airlock_page_withdraw(fixture.table, frame, 7);
	rte_pktmbuf_free(m);
	return TEST_SUCCESS;
}

enum step {
	LEASE,
	RELEASE,
	RENEW,
	WITHDRAW
};

static void
take_step(uint32_t frame, enum step step, uint32_t tag)
{
	switch (step) {
	case LEASE:
		airlock_page_lease(fixture.table, frame, tag);
		break;
	case RELEASE:
		airlock_page_release(fixture.table, frame, tag);
		break;
	case RENEW:
		airlock_page_renew(fixture.table, frame, tag);
		break;
	case WITHDRAW:
		airlock_page_withdraw(fixture.table, frame, tag);
		break;
	}
}

/* Each state with each step, of the right VM and of another one. */
static int
test_step_from_a_wrong_state_is_counted(void)
{
	static const bool right[AIRLOCK_PAGE_STATES][WITHDRAW + 1] = {
		[AIRLOCK_PAGE_HOST][LEASE] = true,
		[AIRLOCK_PAGE_LEASED][RELEASE] = true,
		[AIRLOCK_PAGE_LEASED][WITHDRAW] = true,
		[AIRLOCK_PAGE_RELEASED][RENEW] = true,
		[AIRLOCK_PAGE_RELEASED][WITHDRAW] = true,
	};
	uint64_t before, after;
	bool ok;

	for (unsigned int state = 0; state < AIRLOCK_PAGE_STATES; state++) {
		for (unsigned int i = 0; i < 2 * RTE_DIM(right[0]); i++) {
			enum step step = i / 2;
			uint32_t tag = 7 + i % 2;

			airlock_page_word_set(fixture.table, 0, airlock_page_word(state, 7));
			before = atomic_load(&fixture.table->violations);
			take_step(0, step, tag);
			after = atomic_load(&fixture.table->violations);
			ok = right[state][step] && (step == LEASE || tag == 7);
			TEST_ASSERT_EQUAL(after - before, !ok, "%s, step %u, tag %u",
				airlock_page_state_name(state), step, tag);
		}
	}
	airlock_page_word_set(fixture.table, 0, airlock_page_word(AIRLOCK_PAGE_FREE, 0));
	return TEST_SUCCESS;
}

static int
test_frame_in_no_state_is_found(void)
{
	struct airlock_pool_report report;
	struct rte_mbuf *m = received();

	TEST_ASSERT_SUCCESS(airlock_pool_verify(fixture.pool, NULL), "so far");
	airlock_page_word_set(fixture.table, fixture_frame(m), AIRLOCK_PAGE_STATES);
	TEST_ASSERT_EQUAL(airlock_pool_verify(fixture.pool, &report), -EBADMSG, "found");
	TEST_ASSERT_EQUAL(report.nb_lost, 1, "found");
	airlock_page_word_set(fixture.table, fixture_frame(m), AIRLOCK_PAGE_HOST);
	rte_pktmbuf_free(m);
	return fixture_check_pages(NB_PAGES, 0, 0);
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
			CASE(test_tags_are_never_given_out_twice),
			CASE(test_frame_goes_into_a_vm_and_back),
			CASE(test_tag_says_whose_bytes_are_in_a_frame),
			CASE(test_page_that_a_vm_has_does_not_come_back_to_the_mempool),
			CASE(test_step_from_a_wrong_state_is_counted),
			CASE(test_frame_in_no_state_is_found),
			TEST_CASES_END(),
		},
};

static int
test_page(void)
{
	return unit_test_suite_runner(&page_suite);
}

REGISTER_FAST_TEST(page_autotest, true, true, test_page)
