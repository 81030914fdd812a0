/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Packets that lib/offload makes fit a receiver: joined chains, and what holds for segments too:
 * where the frames are afterwards, errors included.
 */

#include <rte_errno.h>

#include "airlock_offload.h"
#include "test_offload_fit.h"

static int
test_chain_is_joined(void)
{
	for (uint32_t caps = 0; caps <= ALL_CAPS; caps++)
		for (uint32_t bytes = 0; bytes <= ROOM_BYTES - 62; bytes += 653) {
			const struct shape shape = {
				.ipv6 = bytes % 2 == 0,
				.udp = caps % 2 == 0,
				.payload_bytes = bytes,
			};

			TEST_ASSERT_SUCCESS(fit_one(packet(frames.pool, &shape, 0, 77, 100), caps),
				"%u bytes", bytes);
			TEST_ASSERT_SUCCESS(fit_one(packet(frames.pool, &shape, 0, 0, 0), caps),
				"%u bytes", bytes);
		}
	return pools_are_full();
}

static int
test_chain_longer_than_a_frame(void)
{
	struct shape shape = {.payload_bytes = ROOM_BYTES - 54};
	struct rte_mbuf *out[MAX_SEGMENTS], *m;

	TEST_ASSERT_SUCCESS(fit_one(packet(frames.pool, &shape, 0, 1000, 1000), 0), "a full frame");
	shape.payload_bytes++;
	for (uint32_t caps = 0; caps < AIRLOCK_OFFLOAD_CHAINS; caps++) {
		m = packet(frames.pool, &shape, 0, 1000, 1000);
		TEST_ASSERT_NOT_NULL(m, "no packet");
		TEST_ASSERT_EQUAL(airlock_offload_fit(ctx, m, caps, out, RTE_DIM(out)), -EINVAL,
			"caps %#x", caps);
		TEST_ASSERT_EQUAL(gather(m, got), m->pkt_len, "length");
		TEST_ASSERT_BUFFERS_ARE_EQUAL(got, sent, m->pkt_len, "caps %#x: changed", caps);
		rte_pktmbuf_free(m);
	}
	return pools_are_full();
}

static int
test_joined_chain_without_checksum_is_given_up(void)
{
	const struct shape shape = {.payload_bytes = 1000};
	struct rte_mbuf *m = packet(frames.pool, &shape, 0, 500, 500);
	struct rte_mbuf *out[MAX_SEGMENTS];

	TEST_ASSERT_NOT_NULL(m, "no packet");
	put16(sent + ETH_LEN + 2, 0xffff);
	put16(rte_pktmbuf_mtod_offset(m, uint8_t *, ETH_LEN + 2), 0xffff);
	TEST_ASSERT_EQUAL(airlock_offload_fit(ctx, m, 0, out, RTE_DIM(out)), -EINVAL, "length");
	TEST_ASSERT_EQUAL(gather(m, got), m->pkt_len, "length");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(got, sent, m->pkt_len, "changed");
	rte_pktmbuf_free(m);
	return pools_are_full();
}

static int
test_segments_or_one_mbuf(void)
{
	for (unsigned int ipv6 = 0; ipv6 < 2; ipv6++) {
		const uint32_t caps = AIRLOCK_OFFLOAD_L4_CSUM |
			(ipv6 != 0 ? AIRLOCK_OFFLOAD_TSO6 : AIRLOCK_OFFLOAD_TSO4);
		const uint32_t room = ROOM_BYTES - (ipv6 != 0 ? 74 : 54);
		struct shape shape = {.ipv6 = ipv6 != 0, .payload_bytes = room};

		TEST_ASSERT_SUCCESS(
			fit_one(packet(frames.pool, &shape, 500, 1000, 1000), caps), "joined");
		shape.payload_bytes++;
		TEST_ASSERT_SUCCESS(
			segment(packet(frames.pool, &shape, 500, 1000, 1000), 500, caps),
			"segmented");
	}
	return pools_are_full();
}

static int
test_metadata_goes_along(void)
{
	struct rte_mbuf *out[MAX_SEGMENTS], *m;
	int nb;

	for (unsigned int round = 0; round < 4; round++) {
		const struct shape shape = {.ipv6 = round / 2 != 0, .payload_bytes = 1000};
		const uint16_t segment_bytes = round % 2 * 500;

		m = packet(frames.pool, &shape, segment_bytes, 100, 100);
		TEST_ASSERT_NOT_NULL(m, "no packet");
		m->port = 7;
		m->hash.rss = 0x1234;
		m->dynfield1[8] = 0x5678;
		m->packet_type = RTE_PTYPE_L4_TCP;
		nb = airlock_offload_fit(ctx, m, 0, out, RTE_DIM(out));
		TEST_ASSERT_EQUAL(nb, segment_bytes == 0 ? 1 : 2, "fit");
		for (int i = 0; i < nb; i++) {
			TEST_ASSERT_EQUAL(out[i]->port, 7, "port");
			TEST_ASSERT_EQUAL(out[i]->hash.rss, 0x1234, "hash");
			TEST_ASSERT_EQUAL(out[i]->dynfield1[8], 0x5678, "dynamic field");
			TEST_ASSERT_EQUAL(out[i]->packet_type, RTE_PTYPE_L4_TCP, "type");
		}
		rte_pktmbuf_free_bulk(out, nb);
	}
	return pools_are_full();
}

/* Frames and ordinary mbufs must not take on each other's nature. */
static int
stay_frames(bool ipv6)
{
	const struct shape large = {.ipv6 = ipv6, .payload_bytes = 60000};
	const struct shape small = {.ipv6 = ipv6, .payload_bytes = 3000};
	struct rte_mbuf *m, *clone;

	m = packet(ordinary, &large, 1460, 0, 0);
	TEST_ASSERT_SUCCESS(segment(m, 1460, 0), "ordinary to frames");
	TEST_ASSERT_SUCCESS(fit_one(packet(ordinary, &small, 0, 500, 500), 0), "to a frame");
	TEST_ASSERT_SUCCESS(pools_are_full(), "ordinary to frames");

	m = packet(frames.pool, &large, 1460, 0, 0);
	TEST_ASSERT_NOT_NULL(m, "no packet");
	clone = rte_pktmbuf_clone(m, ordinary);
	TEST_ASSERT_NOT_NULL(clone, "no clone");
	TEST_ASSERT_SUCCESS(segment(clone, 1460, 0), "frames that a clone is attached to");
	TEST_ASSERT_EQUAL(rte_mempool_avail_count(ordinary), NB_ORDINARY, "clone is gone");
	TEST_ASSERT_EQUAL(rte_mempool_avail_count(frames.pool), NB_FRAMES - m->nb_segs, "not yet");
	TEST_ASSERT_EQUAL(gather(m, got), m->pkt_len, "length");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(got, sent, m->pkt_len, "the other holder's packet");
	rte_pktmbuf_free(m);
	return pools_are_full();
}

static int
test_frames_stay_frames(void)
{
	TEST_ASSERT_SUCCESS(stay_frames(false), "IPv4");
	TEST_ASSERT_SUCCESS(stay_frames(true), "IPv6");
	return TEST_SUCCESS;
}

static int
test_context_uses_mbufs_of_any_kind(void)
{
	const struct shape large = {.payload_bytes = 20000};
	struct rte_mbuf *out[MAX_SEGMENTS], *m;
	struct airlock_offload *plain = airlock_offload_create(ordinary, SOCKET_ID_ANY);
	int nb;

	TEST_ASSERT_NOT_NULL(plain, "no context");
	m = packet(frames.pool, &large, 1460, 0, 0);
	TEST_ASSERT_NOT_NULL(m, "no packet");
	nb = airlock_offload_fit(plain, m, 0, out, RTE_DIM(out));
	TEST_ASSERT_EQUAL(nb, 14, "segments");
	for (int i = 0; i < nb; i++) {
		TEST_ASSERT_EQUAL(out[i]->pool, ordinary, "mempool");
		TEST_ASSERT_EQUAL(out[i]->ol_flags, 0, "an ordinary mbuf");
	}
	airlock_offload_destroy(plain);
	rte_pktmbuf_free_bulk(out, nb);
	return pools_are_full();
}

/* Fit *m* with each number of frames free, until it works, and look at *m* after every failure. */
static int
starve(struct rte_mbuf *m, uint32_t caps, uint32_t enough)
{
	struct rte_mbuf *held[NB_FRAMES], *out[MAX_SEGMENTS];
	const uint64_t flags = m->ol_flags, tx_offload = m->tx_offload;
	const uint32_t len = m->pkt_len, nb_segs = m->nb_segs;
	uint32_t nb_held = 0;
	int nb;

	while ((held[nb_held] = rte_pktmbuf_alloc(frames.pool)) != NULL)
		nb_held++;
	for (uint32_t nb_free = 0;; nb_free++) {
		nb = airlock_offload_fit(ctx, m, caps, out, RTE_DIM(out));
		if (nb > 0)
			break;
		TEST_ASSERT_EQUAL(nb, -ENOMEM, "%u frames free", nb_free);
		TEST_ASSERT(nb_free < enough, "%u frames free", nb_free);
		TEST_ASSERT_EQUAL(rte_mempool_avail_count(frames.pool), nb_free, "frames leaked");
		TEST_ASSERT(m->ol_flags == flags && m->tx_offload == tx_offload &&
				m->nb_segs == nb_segs && m->pkt_len == len,
			"%u frames free: packet changed", nb_free);
		TEST_ASSERT_EQUAL(gather(m, got), len, "length");
		TEST_ASSERT_BUFFERS_ARE_EQUAL(got, sent, len, "%u frames free", nb_free);
		rte_pktmbuf_free(held[--nb_held]);
	}
	rte_pktmbuf_free_bulk(out, nb);
	rte_pktmbuf_free_bulk(held, nb_held);
	return TEST_SUCCESS;
}

static int
starve_all(bool ipv6)
{
	const struct shape large = {.ipv6 = ipv6, .payload_bytes = 60000};
	const struct shape small = {.ipv6 = ipv6, .payload_bytes = 3000};
	struct rte_mbuf *m;

	m = packet(frames.pool, &large, 1460, 0, 0);
	TEST_ASSERT_NOT_NULL(m, "no packet");
	TEST_ASSERT_SUCCESS(starve(m, 0, 42), "segments of one frame");
	TEST_ASSERT_SUCCESS(pools_are_full(), "segments of one frame");
	m = packet(frames.pool, &large, 9000, 0, 0);
	TEST_ASSERT_NOT_NULL(m, "no packet");
	TEST_ASSERT_SUCCESS(starve(m, AIRLOCK_OFFLOAD_CHAINS, 20), "segments of three frames");
	TEST_ASSERT_SUCCESS(pools_are_full(), "segments of three frames");
	m = packet(frames.pool, &small, 0, 500, 500);
	TEST_ASSERT_NOT_NULL(m, "no packet");
	TEST_ASSERT_SUCCESS(starve(m, 0, 1), "a joined chain");
	return pools_are_full();
}

static int
test_too_few_frames(void)
{
	TEST_ASSERT_SUCCESS(starve_all(false), "IPv4");
	TEST_ASSERT_SUCCESS(starve_all(true), "IPv6");
	return TEST_SUCCESS;
}

static int
test_context_needs_room_for_headers(void)
{
	struct rte_mempool *tiny = rte_pktmbuf_pool_create(
		"test_offload_tiny", 4, 0, 0, RTE_PKTMBUF_HEADROOM + 133, SOCKET_ID_ANY);

	TEST_ASSERT_NOT_NULL(tiny, "no mempool");
	rte_errno = 0;
	TEST_ASSERT_NULL(airlock_offload_create(tiny, SOCKET_ID_ANY), "133 bytes");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "reason");
	rte_mempool_free(tiny);
	airlock_offload_destroy(NULL);
	return TEST_SUCCESS;
}

static const struct unit_test_suite suite = {
	.suite_name = "offload_fit",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases =
		{
			TEST_CASE(test_chain_is_joined),
			TEST_CASE(test_chain_longer_than_a_frame),
			TEST_CASE(test_joined_chain_without_checksum_is_given_up),
			TEST_CASE(test_segments_or_one_mbuf),
			TEST_CASE(test_metadata_goes_along),
			TEST_CASE(test_frames_stay_frames),
			TEST_CASE(test_context_uses_mbufs_of_any_kind),
			TEST_CASE(test_too_few_frames),
			TEST_CASE(test_context_needs_room_for_headers),
			TEST_CASES_END(),
		},
};

static int
test_offload_fit(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(offload_fit_autotest, true, true, test_offload_fit);
