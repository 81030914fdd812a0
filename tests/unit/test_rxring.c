/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The RX ring engine and a guest that keeps to the rules. Each case runs for all layouts and
 * features of a ring that it says; begins near the end of the ring, or of its index, so that it
 * goes round.
 */

#include <linux/virtio_net.h>

#include "rxring_guest.h"

#define PRIVATE_BYTES 2048

static const struct guest_conf variants[] = {
	{.start = 65500},
	{.mergeable = true, .start = 65500},
	{.event_idx = true, .start = 65500},
	{.mergeable = true, .event_idx = true, .start = 65500},
	{.packed = true, .start = 60},
	{.packed = true, .mergeable = true, .start = 1 << 15 | 60},
	{.packed = true, .event_idx = true, .start = 1 << 15 | 60},
	{.packed = true, .mergeable = true, .event_idx = true, .size = 48, .start = 40},
};

/* Run a case for each variant. */
static int
for_all(int (*run)(void))
{
	for (unsigned int i = 0; i < RTE_DIM(variants); i++) {
		TEST_ASSERT_SUCCESS(guest_open(&variants[i]), "variant %u", i);
		TEST_ASSERT_SUCCESS(run(), "variant %u", i);
		guest_close();
	}
	return TEST_SUCCESS;
}

static int
copy(uint32_t len, uint32_t seed, uint16_t nb_segs)
{
	struct rte_mbuf *m = guest_packet(len, seed, nb_segs);
	int ret = airlock_rxring_put_copy(guest.ring, m);

	rte_pktmbuf_free(m);
	return ret;
}

/* The next used buffer holds the packet, as a whole. */
static int
check_copy(uint32_t len, uint32_t seed, int want_id)
{
	const struct virtio_net_hdr_mrg_rxbuf *hdr;
	uint32_t used_len;
	uint16_t id;

	TEST_ASSERT(guest_take(&id, &used_len), "used");
	TEST_ASSERT(id != UINT16_MAX, "posted");
	if (want_id >= 0)
		TEST_ASSERT_EQUAL(id, want_id, "id");
	TEST_ASSERT_EQUAL(used_len, len + sizeof(*hdr), "length");
	hdr = (const void *)guest_at(guest.buffers[id].addr);
	TEST_ASSERT_EQUAL(hdr->num_buffers, 1, "buffers");
	TEST_ASSERT_EQUAL(hdr->hdr.flags, 0, "flags");
	TEST_ASSERT(guest_is_packet((const uint8_t *)(hdr + 1), len, seed, 0), "bytes");
	return TEST_SUCCESS;
}

static int
run_copies(void)
{
	int ids[8];

	for (uint32_t round = 0; round < 40; round++) {
		for (uint32_t i = 0; i < 8; i++)
			ids[i] = guest_post_private(i, PRIVATE_BYTES);
		TEST_ASSERT_EQUAL(guest_poll(), 0, "frames");
		TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 8, "taken in");
		for (uint32_t i = 0; i < 8; i++)
			TEST_ASSERT_SUCCESS(copy(60 + i * 200, round + i, 1 + i % 3), "copy");
		TEST_ASSERT_EQUAL(copy(60, 0, 1), -ENOBUFS, "no buffer is left");
		TEST_ASSERT(!guest_take(&(uint16_t){0}, &(uint32_t){0}), "not published yet");
		airlock_rxring_publish(guest.ring);
		for (uint32_t i = 0; i < 8; i++)
			TEST_ASSERT_SUCCESS(
				check_copy(60 + i * 200, round + i, ids[i]), "round %u", round);
		TEST_ASSERT(!guest_take(&(uint16_t){0}, &(uint32_t){0}), "no more");
	}
	return TEST_SUCCESS;
}

static int
test_copies_go_in_the_order_of_buffers(void)
{
	return for_all(run_copies);
}

static int
check_frame(uint32_t frame, uint16_t want_id)
{
	const uint8_t *start = &guest.pool[frame * GUEST_FRAME_BYTES];
	const struct virtio_net_hdr_mrg_rxbuf *hdr = (const void *)(start + 116);
	uint32_t len;
	uint16_t id;

	TEST_ASSERT(guest_take(&id, &len), "used");
	TEST_ASSERT_EQUAL(id, want_id, "id");
	TEST_ASSERT_EQUAL(len, 12 + 100 + frame, "length");
	TEST_ASSERT_EQUAL(hdr->num_buffers, 1, "buffers");
	TEST_ASSERT_EQUAL(start[115], 0xee, "in front of the header");
	TEST_ASSERT_EQUAL(start[128], 0xee, "data");
	return TEST_SUCCESS;
}

/* Posted in one order, used in another. */
static int
run_frames(void)
{
	uint32_t frames[GUEST_MAX_SIZE];
	int ids[16];

	memset(guest.pool, 0xee, GUEST_FRAMES * GUEST_FRAME_BYTES);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 16; i++) {
			ids[i] = guest_post_frame(300 + i * 5);
			TEST_ASSERT(!airlock_rxring_has_frame(guest.ring, 300 + i * 5), "not yet");
		}
		TEST_ASSERT_EQUAL(
			airlock_rxring_poll(guest.ring, frames, GUEST_MAX_SIZE), 16, "frames");
		for (uint32_t i = 0; i < 16; i++) {
			TEST_ASSERT_EQUAL(frames[i], 300 + i * 5, "frame");
			TEST_ASSERT(airlock_rxring_has_frame(guest.ring, frames[i]), "posted");
		}
		for (uint32_t i = 0; i < 16; i++) {
			uint32_t frame = frames[i * 7 % 16];
			struct rte_mbuf *m = guest_packet(100 + frame, 0, 1);

			airlock_rxring_put_frame(guest.ring, m, frame);
			rte_pktmbuf_free(m);
			TEST_ASSERT(!airlock_rxring_has_frame(guest.ring, frame), "used");
		}
		airlock_rxring_publish(guest.ring);
		for (uint32_t i = 0; i < 16; i++)
			TEST_ASSERT_SUCCESS(check_frame(frames[i * 7 % 16], ids[i * 7 % 16]),
				"round %u", round);
	}
	return TEST_SUCCESS;
}

static int
test_frames_are_used_in_any_order(void)
{
	return for_all(run_frames);
}

static int
run_copy_to_frame(void)
{
	struct rte_mbuf *m = guest_packet(3000, 5, 2), *whole = guest_packet(3968, 6, 1),
			*more = guest_packet(3969, 6, 1);
	uint32_t len;
	uint16_t id;

	guest_post_frame(400);
	guest_post_frame(401);
	TEST_ASSERT_EQUAL(guest_poll(), 2, "frames");
	TEST_ASSERT_EQUAL(
		airlock_rxring_copy_to_frame(guest.ring, more, 400), -EMSGSIZE, "too long");
	TEST_ASSERT_SUCCESS(airlock_rxring_copy_to_frame(guest.ring, m, 400), "chain");
	TEST_ASSERT_SUCCESS(airlock_rxring_copy_to_frame(guest.ring, whole, 401), "longest");
	airlock_rxring_publish(guest.ring);
	TEST_ASSERT(guest_take(&id, &len) && len == 3012, "the first");
	TEST_ASSERT(guest_is_packet(&guest.pool[400 * 4096 + 128], 3000, 5, 0), "bytes");
	TEST_ASSERT(guest_take(&id, &len) && len == 3980, "the second");
	TEST_ASSERT(guest_is_packet(&guest.pool[401 * 4096 + 128], 3968, 6, 0), "bytes");
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(whole);
	rte_pktmbuf_free(more);
	return TEST_SUCCESS;
}

static int
test_a_frame_takes_a_copy(void)
{
	return for_all(run_copy_to_frame);
}

/* 9000 bytes in buffers of 2048. */
static int
check_spread(uint32_t len, uint32_t seed, uint16_t nb_buffers)
{
	uint32_t done = 0;

	for (uint16_t i = 0; i < nb_buffers; i++) {
		const struct virtio_net_hdr_mrg_rxbuf *hdr;
		uint32_t used_len, hdr_len = i == 0 ? sizeof(*hdr) : 0;
		const uint8_t *bytes;
		uint16_t id;

		TEST_ASSERT(guest_take(&id, &used_len) && id != UINT16_MAX, "used");
		bytes = guest_at(guest.buffers[id].addr);
		hdr = (const void *)bytes;
		if (i == 0)
			TEST_ASSERT_EQUAL(hdr->num_buffers, nb_buffers, "buffers");
		if (i + 1 < nb_buffers)
			TEST_ASSERT_EQUAL(used_len, PRIVATE_BYTES, "full");
		TEST_ASSERT(
			guest_is_packet(bytes + hdr_len, used_len - hdr_len, seed, done), "bytes");
		done += used_len - hdr_len;
	}
	TEST_ASSERT_EQUAL(done, len, "length");
	return TEST_SUCCESS;
}

static int
run_long(void)
{
	for (uint32_t i = 0; i < 4; i++)
		guest_post_private(i, PRIVATE_BYTES);
	guest_poll();
	if (!guest.conf.mergeable) {
		TEST_ASSERT_EQUAL(copy(2037, 1, 1), -EMSGSIZE, "too long");
		TEST_ASSERT_SUCCESS(copy(2036, 1, 1), "as long as the buffer");
		airlock_rxring_publish(guest.ring);
		return check_copy(2036, 1, -1);
	}
	TEST_ASSERT_EQUAL(copy(9000, 1, 1), -ENOBUFS, "one too few");
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 4, "none was used");
	guest_post_private(4, PRIVATE_BYTES);
	guest_post_private(5, PRIVATE_BYTES);
	guest_poll();
	TEST_ASSERT_SUCCESS(copy(9000, 1, 3), "five buffers, three mbufs");
	TEST_ASSERT_SUCCESS(copy(2036, 2, 1), "one buffer");
	airlock_rxring_publish(guest.ring);
	TEST_ASSERT_SUCCESS(check_spread(9000, 1, 5), "9000 bytes");
	return check_copy(2036, 2, -1);
}

static int
test_a_long_packet_takes_several_buffers_or_none(void)
{
	return for_all(run_long);
}

/* A buffer across two regions that lie apart in the engine's memory. */
static int
run_pieces(void)
{
	uint64_t border = GUEST_MEMORY + GUEST_REGION_BYTES;

	guest_post(border - 5, PRIVATE_BYTES);
	guest_poll();
	TEST_ASSERT_SUCCESS(copy(300, 1, 1), "the border in the header");
	TEST_ASSERT(guest_is_packet(guest_at(border + 7), 300, 1, 0), "bytes");
	TEST_ASSERT_EQUAL(*guest_at(border + 2), 0, "high byte of a checksum offset of 0");
	guest_post(border - 700, PRIVATE_BYTES);
	guest_poll();
	TEST_ASSERT_SUCCESS(copy(1500, 2, 2), "the border in the data");
	TEST_ASSERT(guest_is_packet(guest_at(border - 688), 688, 2, 0), "bytes before");
	TEST_ASSERT(guest_is_packet(guest_at(border), 812, 2, 688), "bytes behind");
	return TEST_SUCCESS;
}

static int
test_a_buffer_may_straddle_regions(void)
{
	for (unsigned int i = 0; i < RTE_DIM(variants); i++) {
		TEST_ASSERT_SUCCESS(guest_open(&variants[i]), "variant %u", i);
		memset(guest_at(GUEST_MEMORY + GUEST_REGION_BYTES), 0xff, PRIVATE_BYTES);
		TEST_ASSERT_SUCCESS(run_pieces(), "variant %u", i);
	}
	return TEST_SUCCESS;
}

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
		airlock_rxring_refused(guest.ring, AIRLOCK_RXRING_ADDRESS), 1, "no memory there");
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
	return TEST_SUCCESS;
}

static int
test_what_is_written_is_logged(void)
{
	return for_all(run_log);
}

#define CASE(fn) TEST_CASE_ST(NULL, guest_close, fn)

static const struct unit_test_suite rxring_suite = {
	.suite_name = "rxring",
	.unit_test_cases =
		{
			CASE(test_copies_go_in_the_order_of_buffers),
			CASE(test_frames_are_used_in_any_order),
			CASE(test_a_frame_takes_a_copy),
			CASE(test_a_long_packet_takes_several_buffers_or_none),
			CASE(test_a_buffer_may_straddle_regions),
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
test_rxring(void)
{
	return unit_test_suite_runner(&rxring_suite);
}

REGISTER_FAST_TEST(rxring_autotest, true, true, test_rxring)
