/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Checksums that lib/offload completes, against a plain sum and against DPDK's.
 */

#include <rte_ip.h>

#include "airlock_offload.h"
#include "test_offload.h"

#define NB_FRAMES 256

static struct frames frames;
static uint8_t sent[MAX_PACKET], got[MAX_PACKET];

static int
setup(void)
{
	return frames_create(&frames, "test_offload_csum", NB_FRAMES);
}

static void
teardown(void)
{
	frames_destroy(&frames);
}

/* DPDK's word on the checksum, besides ours. */
static bool
dpdk_agrees(const uint8_t *p)
{
	const void *l3 = p + ETH_LEN, *l4 = p + l4_offset(p);

	return is_ipv6(p) ? rte_ipv6_udptcp_cksum_verify(l3, l4) == 0
			  : rte_ipv4_udptcp_cksum_verify(l3, l4) == 0;
}

static int
finish(uint32_t len, uint32_t first, uint32_t rest)
{
	struct rte_mbuf *m = scatter(frames.pool, sent, len, first, rest);

	TEST_ASSERT_NOT_NULL(m, "no frame");
	request(m, 0);
	TEST_ASSERT_SUCCESS(airlock_offload_accept(m), "%u bytes", len);
	TEST_ASSERT(!airlock_offload_fits(m, ALL_CAPS & ~AIRLOCK_OFFLOAD_L4_CSUM), "unfinished");
	TEST_ASSERT_SUCCESS(airlock_offload_finish_csum(m), "%u bytes", len);
	TEST_ASSERT_EQUAL(m->ol_flags, RTE_MBUF_F_EXTERNAL, "request is done");
	TEST_ASSERT(airlock_offload_fits(m, AIRLOCK_OFFLOAD_CHAINS), "finished");
	TEST_ASSERT_EQUAL(gather(m, got), len, "length");
	TEST_ASSERT(
		l4_csum_is_right(got), "%u bytes, %u in the first mbuf, then %u", len, first, rest);
	TEST_ASSERT(dpdk_agrees(got), "%u bytes", len);
	put16(got + csum_offset(got), GARBAGE);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(got, sent, len, "%u bytes: more than the sum changed", len);
	rte_pktmbuf_free(m);
	return TEST_SUCCESS;
}

static int
test_checksum_is_completed(void)
{
	static const uint32_t payloads[] = {0, 1, 2, 3, 7, 536, 1459, 1460, 3001, 9001, 65000};
	static const uint32_t rests[] = {0, 997, 1000, 2001};

	for (unsigned int i = 0; i < RTE_DIM(kinds) * RTE_DIM(payloads) * RTE_DIM(rests); i++) {
		const struct kind *k = &kinds[i % RTE_DIM(kinds)];
		const uint32_t rest = rests[i / RTE_DIM(kinds) % RTE_DIM(rests)];
		const struct shape shape = {
			.ipv6 = k->ipv6,
			.udp = k->udp,
			.ip_options_bytes = k->ipv6 ? 0 : rest % 8 * 4,
			.payload_bytes = payloads[i / RTE_DIM(kinds) / RTE_DIM(rests)],
		};
		const uint32_t len = build(sent, &shape);
		const uint32_t headers = headers_bytes(sent);

		TEST_ASSERT_SUCCESS(finish(len, 0, rest), "%s", k->name);
		TEST_ASSERT_SUCCESS(finish(len, headers, rest), "%s", k->name);
		TEST_ASSERT_SUCCESS(finish(len, headers + 1, rest), "%s", k->name);
		TEST_ASSERT_SUCCESS(finish(len, headers + 900, rest), "%s", k->name);
	}
	return frames_are_whole(&frames);
}

static int
test_checksum_of_short_pieces(void)
{
	const struct shape shape = {.payload_bytes = 150};
	const uint32_t len = build(sent, &shape);

	for (uint32_t rest = 1; rest < 20; rest++)
		TEST_ASSERT_SUCCESS(finish(len, 54 + rest % 3, rest), "pieces of %u", rest);
	return frames_are_whole(&frames);
}

static int
test_checksum_of_all_ones(void)
{
	struct shape shape = {.payload_bytes = 8000, .udp = true};
	uint32_t len = build(sent, &shape);

	/* Makes the most of every carry. */
	memset(sent + headers_bytes(sent), 0xff, shape.payload_bytes);
	TEST_ASSERT_SUCCESS(finish(len, 101, 1001), "ones");
	shape.ipv6 = true;
	len = build(sent, &shape);
	memset(sent + headers_bytes(sent), 0xff, shape.payload_bytes);
	TEST_ASSERT_SUCCESS(finish(len, 101, 1001), "ones");
	return frames_are_whole(&frames);
}

/* Payload that makes the checksum 0. */
static void
balance(uint8_t *p, uint32_t len)
{
	uint8_t *word = p + len - 2;

	put16(p + csum_offset(p), 0);
	put16(word, 0);
	put16(word, ~plain_sum(p + l4_offset(p), l4_bytes(p), pseudo_sum(p)));
	put16(p + csum_offset(p), GARBAGE);
}

static int
test_only_udp_replaces_a_checksum_of_zero(void)
{
	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		const struct shape shape = {
			.ipv6 = kinds[i].ipv6,
			.udp = kinds[i].udp,
			.payload_bytes = 64,
		};
		const uint32_t len = build(sent, &shape);
		struct rte_mbuf *m;

		balance(sent, len);
		m = scatter(frames.pool, sent, len, 0, 0);
		TEST_ASSERT_NOT_NULL(m, "no frame");
		request(m, 0);
		TEST_ASSERT_SUCCESS(airlock_offload_accept(m), "%s", kinds[i].name);
		TEST_ASSERT_SUCCESS(airlock_offload_finish_csum(m), "%s", kinds[i].name);
		gather(m, got);
		TEST_ASSERT_EQUAL(get16(got + csum_offset(got)), kinds[i].udp ? 0xffff : 0, "%s",
			kinds[i].name);
		rte_pktmbuf_free(m);
	}
	return frames_are_whole(&frames);
}

static int
test_padding_is_not_summed(void)
{
	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		const struct shape shape = {.ipv6 = kinds[i].ipv6, .udp = kinds[i].udp};
		const uint32_t len = build(sent, &shape);

		memset(sent + len, 0xa5, 33);
		TEST_ASSERT_SUCCESS(finish(len + 33, 0, 0), "%s", kinds[i].name);
		TEST_ASSERT_SUCCESS(finish(len + 33, len, 5), "%s", kinds[i].name);
	}
	return frames_are_whole(&frames);
}

/* A transmit request for TCP over IPv4 that accept() has not seen. */
static void
ask(struct rte_mbuf *m, uint64_t tx_flags)
{
	m->ol_flags |= RTE_MBUF_F_TX_IPV4 | tx_flags;
	m->tx_offload = rte_mbuf_tx_offload(ETH_LEN, 20, 20, 0, 0, 0, 0);
}

static int
test_finish_refuses_headers_over_two_mbufs(void)
{
	const struct shape shape = {.payload_bytes = 300};
	const uint32_t len = build(sent, &shape);

	for (uint32_t first = 1; first <= 54; first++) {
		struct rte_mbuf *m = scatter(frames.pool, sent, len, first, 0);

		TEST_ASSERT_NOT_NULL(m, "no frame");
		m->ol_flags |=
			RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IP_CKSUM;
		m->tx_offload = rte_mbuf_tx_offload(ETH_LEN, 20, 20, 0, 0, 0, 0);
		TEST_ASSERT_EQUAL(airlock_offload_finish_csum(m), first < 54 ? -EINVAL : 0,
			"%u bytes", first);
		TEST_ASSERT_EQUAL(request_flags(m) != 0, first < 54, "%u bytes", first);
		TEST_ASSERT_EQUAL(gather(m, got), len, "length");
		TEST_ASSERT_EQUAL(memcmp(got, sent, len) == 0, first < 54, "%u bytes", first);
		rte_pktmbuf_free(m);
	}
	TEST_ASSERT(l4_csum_is_right(got) && ipv4_csum_is_right(got), "the last one is finished");
	return frames_are_whole(&frames);
}

static int
test_ipv4_checksum_alone(void)
{
	const struct shape shape = {.payload_bytes = 300};
	const uint32_t len = build(sent, &shape);

	put16(sent + ETH_LEN + 10, GARBAGE);
	for (uint32_t first = 33; first <= 34; first++) {
		struct rte_mbuf *m = scatter(frames.pool, sent, len, first, 0);

		TEST_ASSERT_NOT_NULL(m, "no frame");
		ask(m, RTE_MBUF_F_TX_IP_CKSUM);
		TEST_ASSERT_EQUAL(airlock_offload_finish_csum(m), first < 34 ? -EINVAL : 0,
			"%u bytes", first);
		TEST_ASSERT_EQUAL(gather(m, got), len, "length");
		TEST_ASSERT_EQUAL(ipv4_csum_is_right(got), first == 34, "%u bytes", first);
		TEST_ASSERT_EQUAL(get16(got + csum_offset(got)), GARBAGE, "not asked for");
		rte_pktmbuf_free(m);
	}
	return frames_are_whole(&frames);
}

static int
test_finish_refuses_lengths_that_are_not_there(void)
{
	static const uint16_t lengths[] = {0, 19, 20, 39, 341, 0xffff};
	const struct shape shape = {.payload_bytes = 300};
	const uint32_t len = build(sent, &shape);

	for (unsigned int i = 0; i < RTE_DIM(lengths); i++) {
		struct rte_mbuf *m;

		put16(sent + ETH_LEN + 2, lengths[i]);
		m = scatter(frames.pool, sent, len, 0, 0);
		TEST_ASSERT_NOT_NULL(m, "no frame");
		ask(m, RTE_MBUF_F_TX_TCP_CKSUM);
		TEST_ASSERT_EQUAL(airlock_offload_finish_csum(m), -EINVAL, "%u", lengths[i]);
		TEST_ASSERT_NOT_EQUAL(request_flags(m), 0, "%u", lengths[i]);
		TEST_ASSERT_EQUAL(gather(m, got), len, "length");
		TEST_ASSERT_BUFFERS_ARE_EQUAL(got, sent, len, "%u", lengths[i]);
		rte_pktmbuf_free(m);
	}
	return frames_are_whole(&frames);
}

static const struct unit_test_suite suite = {
	.suite_name = "offload_csum",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases =
		{
			TEST_CASE(test_checksum_is_completed),
			TEST_CASE(test_checksum_of_short_pieces),
			TEST_CASE(test_checksum_of_all_ones),
			TEST_CASE(test_only_udp_replaces_a_checksum_of_zero),
			TEST_CASE(test_padding_is_not_summed),
			TEST_CASE(test_ipv4_checksum_alone),
			TEST_CASE(test_finish_refuses_headers_over_two_mbufs),
			TEST_CASE(test_finish_refuses_lengths_that_are_not_there),
			TEST_CASES_END(),
		},
};

static int
test_offload_csum(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(offload_csum_autotest, true, true, test_offload_csum);
