/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Segments of lib/offload: which receiver gets them, and what is in them.
 */

#include "airlock_offload.h"
#include "test_offload_fit.h"

/* A packet fits as it is whoever can do all that it needs, and nobody else. */
static int
test_packet_fits_who_can_do_the_rest(void)
{
	for (uint32_t i = 0; i < RTE_DIM(kinds) * 8; i++) {
		const struct kind *k = &kinds[i / 8];
		const bool segments = (i & 1) != 0 && !k->udp, csum = segments || (i & 2) != 0;
		const bool chain = (i & 4) != 0;
		const uint32_t tso = k->ipv6 ? AIRLOCK_OFFLOAD_TSO6 : AIRLOCK_OFFLOAD_TSO4;
		const uint32_t needs = (csum ? AIRLOCK_OFFLOAD_L4_CSUM : 0) | (segments ? tso : 0) |
			(chain ? AIRLOCK_OFFLOAD_CHAINS : 0);
		const struct shape shape = {.ipv6 = k->ipv6, .udp = k->udp, .payload_bytes = 3000};
		struct rte_mbuf *m =
			packet(frames.pool, &shape, segments ? 1000 : 0, chain ? 500 : 0, 0);

		TEST_ASSERT_NOT_NULL(m, "no packet");
		if (!csum)
			TEST_ASSERT_SUCCESS(airlock_offload_finish_csum(m), "%s", k->name);
		for (uint32_t caps = 0; caps <= ALL_CAPS; caps++)
			TEST_ASSERT_EQUAL(airlock_offload_fits(m, caps), (caps & needs) == needs,
				"%s, caps %#x, needs %#x", k->name, caps, needs);
		rte_pktmbuf_free(m);
	}
	return pools_are_full();
}

/* Segments for all but a receiver that can do *needs*. */
static int
fit_every_receiver(const struct shape *shape, uint32_t needs)
{
	struct rte_mbuf *out[MAX_SEGMENTS], *m;

	for (uint32_t caps = 0; caps <= ALL_CAPS; caps++) {
		m = packet(frames.pool, shape, 1428, 0, 0);
		TEST_ASSERT_NOT_NULL(m, "no packet");
		TEST_ASSERT_EQUAL(m->nb_segs, 17, "a chain");
		TEST_ASSERT_EQUAL(
			airlock_offload_fits(m, caps), (caps & needs) == needs, "caps %#x", caps);
		if ((caps & needs) != needs) {
			TEST_ASSERT_SUCCESS(segment(m, 1428, caps), "caps %#x", caps);
			continue;
		}
		TEST_ASSERT_EQUAL(airlock_offload_fit(ctx, m, caps, out, RTE_DIM(out)), 1, "fit");
		TEST_ASSERT_EQUAL(out[0], m, "as it is");
		TEST_ASSERT((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0, "as it is");
		rte_pktmbuf_free(m);
	}
	return pools_are_full();
}

static int
test_longest_packet_for_every_receiver(void)
{
	const uint32_t both = AIRLOCK_OFFLOAD_L4_CSUM | AIRLOCK_OFFLOAD_CHAINS;
	struct shape shape = {
		.tcp_options_bytes = 12,
		.tcp_flags = TCP_FIN | TCP_PSH | TCP_ACK | TCP_CWR,
		.payload_bytes = 65535 - 20 - 32,
	};

	TEST_ASSERT_SUCCESS(fit_every_receiver(&shape, both | AIRLOCK_OFFLOAD_TSO4), "IPv4");
	shape.ipv6 = true;
	shape.payload_bytes = 65535 - 32;
	TEST_ASSERT_SUCCESS(fit_every_receiver(&shape, both | AIRLOCK_OFFLOAD_TSO6), "IPv6");
	return TEST_SUCCESS;
}

static int
test_segments_of_many_shapes(void)
{
	unsigned int seed = 2;

	for (unsigned int i = 0; i < 5000; i++) {
		const uint32_t segment_bytes = 1 + rand_r(&seed) % 2000;
		const uint32_t most = RTE_MIN(segment_bytes * MAX_SEGMENTS, 65400u);
		const bool ipv6 = rand_r(&seed) % 2 == 0, options = rand_r(&seed) % 4 == 0;
		const struct shape shape = {
			.ipv6 = ipv6,
			.ip_options_bytes = options && !ipv6 ? rand_r(&seed) % 11 * 4 : 0,
			.tcp_options_bytes = rand_r(&seed) % 11 * 4,
			.tcp_flags = rand_r(&seed),
			.payload_bytes = segment_bytes + 1 + rand_r(&seed) % (most - segment_bytes),
		};
		const uint32_t first = rand_r(&seed) % 2 == 0 ? 0 : 134 + rand_r(&seed) % 300;
		const uint32_t rest = rand_r(&seed) % 2 == 0 ? 0 : 700 + rand_r(&seed) % 3000;
		const uint32_t others = ipv6 ? AIRLOCK_OFFLOAD_TSO6 : AIRLOCK_OFFLOAD_TSO4;
		const uint32_t caps = rand_r(&seed) % (ALL_CAPS + 1) & ~others;
		struct rte_mbuf *m;

		if (shape.payload_bytes + shape.ip_options_bytes + shape.tcp_options_bytes > 65495)
			continue;
		m = packet(frames.pool, &shape, segment_bytes, first, rest);
		TEST_ASSERT_SUCCESS(segment(m, segment_bytes, caps), "round %u", i);
	}
	return pools_are_full();
}

static int
test_length_in_ip_header_is_not_used(void)
{
	static const uint16_t lengths[] = {0, 1, 1000, 0xffff};

	for (unsigned int i = 0; i < 2 * RTE_DIM(lengths); i++) {
		const struct shape shape = {
			.ipv6 = i % 2 != 0,
			.tcp_flags = TCP_ACK,
			.payload_bytes = 9000,
		};
		const uint32_t len = build(sent, &shape);
		struct rte_mbuf *m;

		put16(sent + ETH_LEN + (shape.ipv6 ? 4 : 2), lengths[i / 2]);
		m = scatter(frames.pool, sent, len, 0, 0);
		TEST_ASSERT_NOT_NULL(m, "no packet");
		request(m, 1440);
		TEST_ASSERT_SUCCESS(airlock_offload_accept(m), "length %u", lengths[i / 2]);
		TEST_ASSERT_SUCCESS(segment(m, 1440, 0), "length %u", lengths[i / 2]);
	}
	return pools_are_full();
}

static int
segment_over_frames(bool ipv6)
{
	const struct shape shape = {.ipv6 = ipv6, .tcp_flags = TCP_PSH, .payload_bytes = 65000};
	const uint32_t room = ROOM_BYTES - (ipv6 ? 74 : 54);
	struct rte_mbuf *out[MAX_SEGMENTS], *m;

	for (uint32_t bytes = room - 1; bytes <= room + 1; bytes++) {
		m = packet(frames.pool, &shape, bytes, 0, 0);
		TEST_ASSERT_SUCCESS(segment(m, bytes, AIRLOCK_OFFLOAD_CHAINS), "%u bytes", bytes);
		m = packet(frames.pool, &shape, bytes, 0, 0);
		if (bytes <= room) {
			TEST_ASSERT_SUCCESS(segment(m, bytes, 0), "%u bytes", bytes);
			continue;
		}
		TEST_ASSERT_EQUAL(airlock_offload_fit(ctx, m, 0, out, RTE_DIM(out)), -EINVAL,
			"one mbuf cannot hold %u bytes", bytes);
		rte_pktmbuf_free(m);
	}
	m = packet(frames.pool, &shape, 64999, 0, 0);
	TEST_ASSERT_SUCCESS(segment(m, 64999, AIRLOCK_OFFLOAD_CHAINS), "two segments");
	return pools_are_full();
}

static int
test_segment_longer_than_a_frame(void)
{
	TEST_ASSERT_SUCCESS(segment_over_frames(false), "IPv4");
	TEST_ASSERT_SUCCESS(segment_over_frames(true), "IPv6");
	return TEST_SUCCESS;
}

static int
test_segment_size_bounds(void)
{
	struct rte_mbuf *out[MAX_SEGMENTS], *m;

	for (unsigned int ipv6 = 0; ipv6 < 2; ipv6++) {
		const struct shape shape = {
			.ipv6 = ipv6 != 0,
			.tcp_flags = TCP_PSH | TCP_FIN,
			.payload_bytes = 128,
		};

		m = packet(frames.pool, &shape, 1, 0, 0);
		TEST_ASSERT_SUCCESS(segment(m, 1, 0), "segments of 1 byte");
		m = packet(frames.pool, &shape, 127, ipv6 != 0 ? 74 : 54, 1);
		TEST_ASSERT_SUCCESS(segment(m, 127, 0), "a last segment of 1 byte");
		m = packet(frames.pool, &shape, 1, 0, 0);
		TEST_ASSERT_NOT_NULL(m, "no packet");
		TEST_ASSERT_EQUAL(airlock_offload_fit(ctx, m, 0, out, 127), -EINVAL, "no room");
		rte_pktmbuf_free(m);
	}
	return pools_are_full();
}

/* Congestion is answered once, in the first segment, whether or not the VM marked the packet. */
static int
test_cwr_is_in_the_first_segment_only(void)
{
	struct rte_mbuf *out[MAX_SEGMENTS], *m;
	int nb;

	for (unsigned int ipv6 = 0; ipv6 < 2; ipv6++) {
		const struct shape shape = {
			.ipv6 = ipv6 != 0,
			.tcp_flags = TCP_ACK | TCP_CWR | TCP_ECE,
			.payload_bytes = 4000,
		};

		m = packet(frames.pool, &shape, 1000, 0, 0);
		TEST_ASSERT_NOT_NULL(m, "no packet");
		nb = airlock_offload_fit(ctx, m, 0, out, RTE_DIM(out));
		TEST_ASSERT_EQUAL(nb, 4, "segments");
		for (int i = 0; i < nb; i++) {
			gather(out[i], got);
			TEST_ASSERT_EQUAL(got[l4_offset(got) + 13],
				TCP_ACK | TCP_ECE | (i == 0 ? TCP_CWR : 0), "segment %d", i);
		}
		rte_pktmbuf_free_bulk(out, nb);
	}
	return pools_are_full();
}

/* Whatever is accepted comes out right; looks for writes beyond a segment, and for lost frames. */
static int
test_random_headers_do_no_harm(void)
{
	unsigned int nb_segmented[2] = {0};
	unsigned int seed = 3;

	for (unsigned int i = 0; i < 50000; i++) {
		const struct shape shape = {
			.ipv6 = i % 2 != 0,
			.tcp_options_bytes = rand_r(&seed) % 11 * 4,
			.payload_bytes = rand_r(&seed) % 300,
		};
		const uint32_t len = build(sent, &shape);
		struct rte_mbuf *out[MAX_SEGMENTS], *m;
		int nb;

		for (int n = rand_r(&seed) % 4; n > 0; n--)
			sent[12 + rand_r(&seed) % 60] = rand_r(&seed);
		m = scatter(frames.pool, sent, len, rand_r(&seed) % 2 * 134, 0);
		TEST_ASSERT_NOT_NULL(m, "no packet");
		request(m, 1 + rand_r(&seed) % 100);
		if (airlock_offload_accept(m) < 0 || (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0) {
			rte_pktmbuf_free(m);
			continue;
		}
		nb = airlock_offload_fit(ctx, m, 0, out, RTE_DIM(out));
		TEST_ASSERT(nb > 1, "round %u: %d", i, nb);
		for (int j = 0; j < nb; j++) {
			TEST_ASSERT_EQUAL(gather(out[j], got), out[j]->pkt_len, "round %u", i);
			TEST_ASSERT(l4_csum_is_right(got), "round %u, segment %d", i, j);
		}
		nb_segmented[is_ipv6(got)]++;
		rte_pktmbuf_free_bulk(out, nb);
	}
	TEST_ASSERT(nb_segmented[0] > 5000, "%u over IPv4", nb_segmented[0]);
	TEST_ASSERT(nb_segmented[1] > 5000, "%u over IPv6", nb_segmented[1]);
	return pools_are_full();
}

static const struct unit_test_suite suite = {
	.suite_name = "offload_tso",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases =
		{
			TEST_CASE(test_packet_fits_who_can_do_the_rest),
			TEST_CASE(test_longest_packet_for_every_receiver),
			TEST_CASE(test_segments_of_many_shapes),
			TEST_CASE(test_length_in_ip_header_is_not_used),
			TEST_CASE(test_segment_longer_than_a_frame),
			TEST_CASE(test_segment_size_bounds),
			TEST_CASE(test_cwr_is_in_the_first_segment_only),
			TEST_CASE(test_random_headers_do_no_harm),
			TEST_CASES_END(),
		},
};

static int
test_offload_tso(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(offload_tso_autotest, true, true, test_offload_tso);
