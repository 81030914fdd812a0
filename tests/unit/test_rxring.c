/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The RX ring engine and a guest that keeps to the rules: what comes into its buffers.
 */

#include <linux/virtio_net.h>

#include "test_rxring.h"

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
	const uint8_t *start = guest_frame_at(frame, 0);
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
	const uint32_t room = GUEST_FRAME_BYTES - RTE_PKTMBUF_HEADROOM;
	struct rte_mbuf *m = guest_packet(3000, 5, 2), *whole = guest_packet(room, 6, 1),
			*more = guest_packet(room + 1, 6, 1);
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
	TEST_ASSERT(guest_is_packet(guest_frame_at(400, 128), 3000, 5, 0), "bytes");
	TEST_ASSERT(guest_take(&id, &len) && len == 12 + room, "the second");
	TEST_ASSERT(guest_is_packet(guest_frame_at(401, 128), room, 6, 0), "bytes");
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

static const struct unit_test_suite rxring_suite = {
	.suite_name = "rxring",
	.unit_test_cases =
		{
			CASE(test_copies_go_in_the_order_of_buffers),
			CASE(test_frames_are_used_in_any_order),
			CASE(test_a_frame_takes_a_copy),
			CASE(test_a_long_packet_takes_several_buffers_or_none),
			CASE(test_a_buffer_may_straddle_regions),
			TEST_CASES_END(),
		},
};

static int
test_rxring(void)
{
	return unit_test_suite_runner(&rxring_suite);
}

REGISTER_FAST_TEST(rxring_autotest, true, true, test_rxring)
