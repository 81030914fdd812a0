/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The RX ring engine and a guest that keeps to the rules: what is around the packets. The ring and
 * the window come and go, the guest is told of packets, writes are logged.
 */

#include "test_rxring.h"

static int
take_empty(uint16_t n)
{
	uint32_t len;
	uint16_t id;

	for (uint16_t i = 0; i < n; i++) {
		TEST_ASSERT(guest_take(&id, &len), "%u of %u", i, n);
		TEST_ASSERT(id != UINT16_MAX, "posted");
		TEST_ASSERT_EQUAL(len, 0, "empty");
	}
	TEST_ASSERT(!guest_take(&id, &len), "more than %u", n);
	return TEST_SUCCESS;
}

static int
run_detach(void)
{
	uint16_t last_avail = 1, last_used = 2, used;

	for (uint32_t round = 0; round < 6; round++) {
		for (uint32_t i = 0; i < 10; i++)
			guest_post_private(i, PRIVATE_BYTES);
		for (uint32_t i = 0; i < 7; i++)
			guest_post_frame(256 + i);
		TEST_ASSERT_EQUAL(guest_poll(), 7, "frames");
		TEST_ASSERT_SUCCESS(copy(100, 1, 1), "one that was put but not published");
		guest_post_private(11, PRIVATE_BYTES);
		airlock_rxring_detach(guest.ring, &last_avail, &last_used);
		TEST_ASSERT(!airlock_rxring_is_usable(guest.ring), "detached");
		TEST_ASSERT_EQUAL(last_avail, last_used, "nothing is outstanding");
		TEST_ASSERT_SUCCESS(check_copy(100, 1, -1), "the copy");
		TEST_ASSERT_SUCCESS(take_empty(16), "all that was taken in");
		used = guest.used_idx | (guest.conf.packed ? guest.used_wrap << 15 : 0);
		TEST_ASSERT_EQUAL(last_used, used, "index");
		guest.vring.last_avail = last_avail;
		guest.vring.last_used = last_used;
		TEST_ASSERT_SUCCESS(guest_attach(), "again");
		guest_poll();
		TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 1, "the last one");
		TEST_ASSERT_SUCCESS(copy(100, 2, 1), "copy");
		airlock_rxring_publish(guest.ring);
		TEST_ASSERT_SUCCESS(check_copy(100, 2, -1), "after that");
	}
	return TEST_SUCCESS;
}

static int
test_detached_all_comes_back_empty(void)
{
	return for_all(run_detach);
}

static int
run_window(void)
{
	for (uint32_t i = 0; i < 5; i++) {
		guest_post_frame(500 + i);
		guest_post_private(i, PRIVATE_BYTES);
	}
	TEST_ASSERT_EQUAL(guest_poll(), 5, "frames");
	TEST_ASSERT_SUCCESS(guest_set_window(false), "gone");
	TEST_ASSERT_SUCCESS(take_empty(5), "the frames");
	TEST_ASSERT(!airlock_rxring_has_frame(guest.ring, 500), "gone");
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 5, "others stay");
	TEST_ASSERT(airlock_rxring_publish(guest.ring), "the guest has not been told");
	guest_post_frame(500);
	TEST_ASSERT_EQUAL(guest_poll(), 0, "no frames without a window");
	airlock_rxring_publish(guest.ring);
	TEST_ASSERT_SUCCESS(take_empty(1), "it came back");
	TEST_ASSERT_EQUAL(
		airlock_rxring_refused(guest.ring, AIRLOCK_RXRING_NO_WINDOW), 1, "too early");
	TEST_ASSERT_EQUAL(
		airlock_rxring_refused(guest.ring, AIRLOCK_RXRING_ADDRESS), 0, "it may be right");
	TEST_ASSERT_SUCCESS(guest_set_window(true), "back");
	guest_post_frame(500);
	TEST_ASSERT_EQUAL(guest_poll(), 1, "frames");
	return TEST_SUCCESS;
}

static int
test_the_window_may_go_and_come(void)
{
	return for_all(run_window);
}

static bool
publish_one(void)
{
	uint32_t len;
	uint16_t id;
	bool kick;

	guest_post_private(0, PRIVATE_BYTES);
	guest_poll();
	copy(60, 0, 1);
	kick = airlock_rxring_publish(guest.ring);
	guest_take(&id, &len);
	return kick;
}

static int
run_kicks(void)
{
	guest_want_kick(true);
	TEST_ASSERT(publish_one(), "the first");
	TEST_ASSERT(airlock_rxring_publish(guest.ring), "again, as nobody kicked");
	airlock_rxring_kicked(guest.ring);
	TEST_ASSERT(!airlock_rxring_publish(guest.ring), "nothing is new");
	if (guest.conf.event_idx)
		return TEST_SUCCESS;
	TEST_ASSERT(publish_one(), "wanted");
	airlock_rxring_kicked(guest.ring);
	guest_want_kick(false);
	TEST_ASSERT(!publish_one(), "not wanted");
	return TEST_SUCCESS;
}

static int
test_the_guest_is_told_when_it_wants(void)
{
	return for_all(run_kicks);
}

/* Each distance, at each place of the ring, across the end of the index. */
static int
run_events(void)
{
	if (!guest.conf.event_idx)
		return TEST_SUCCESS;
	publish_one();
	airlock_rxring_kicked(guest.ring);
	for (uint16_t round = 0; round < 300; round++) {
		uint16_t after = 1 + round % 7;

		guest_want_kick_after(after);
		for (uint16_t i = 1; i <= 9; i++) {
			TEST_ASSERT_EQUAL(
				publish_one(), i == after, "%u of %u in round %u", i, after, round);
			airlock_rxring_kicked(guest.ring);
		}
	}
	return TEST_SUCCESS;
}

static int
test_an_event_index_asks_for_one_kick(void)
{
	return for_all(run_events);
}

static int
run_bounds(void)
{
	uint32_t frames[2];

	for (uint32_t i = 0; i < 5; i++)
		guest_post_frame(256 + i);
	TEST_ASSERT_EQUAL(airlock_rxring_poll(guest.ring, frames, 2), 2, "two");
	TEST_ASSERT(!airlock_rxring_has_frame(guest.ring, 258), "not yet");
	TEST_ASSERT_EQUAL(airlock_rxring_poll(guest.ring, frames, 2), 2, "two");
	TEST_ASSERT_EQUAL(airlock_rxring_poll(guest.ring, frames, 2), 1, "the last");
	TEST_ASSERT_EQUAL(airlock_rxring_poll(guest.ring, frames, 2), 0, "no more");
	return TEST_SUCCESS;
}

static int
test_a_poll_looks_at_no_more_than_it_may(void)
{
	return for_all(run_bounds);
}

static int
run_log(void)
{
	uint16_t last;

	guest_log();
	airlock_rxring_detach(guest.ring, &last, &last);
	TEST_ASSERT_EQUAL(guest.logged_used, 0, "no log");
	TEST_ASSERT_SUCCESS(guest_attach(), "again");
	guest_post_private(0, PRIVATE_BYTES);
	guest_poll();
	copy(500, 1, 1);
	TEST_ASSERT_EQUAL(guest.logged_bytes, 512, "packet and header");
	airlock_rxring_publish(guest.ring);
	TEST_ASSERT_EQUAL(guest.logged_used, guest.conf.packed ? 1 : 2, "elements and index");
	TEST_ASSERT_EQUAL(guest.logged_early, 0, "and nothing before it was written");
	return TEST_SUCCESS;
}

static int
test_what_is_written_is_logged(void)
{
	return for_all(run_log);
}

static const struct unit_test_suite rxring_life_suite = {
	.suite_name = "rxring, life",
	.unit_test_cases =
		{
			CASE(test_detached_all_comes_back_empty),
			CASE(test_the_window_may_go_and_come),
			CASE(test_the_guest_is_told_when_it_wants),
			CASE(test_an_event_index_asks_for_one_kick),
			CASE(test_a_poll_looks_at_no_more_than_it_may),
			CASE(test_what_is_written_is_logged),
			TEST_CASES_END(),
		},
};

static int
test_rxring_life(void)
{
	return unit_test_suite_runner(&rxring_life_suite);
}

REGISTER_FAST_TEST(rxring_life_autotest, true, true, test_rxring_life)
