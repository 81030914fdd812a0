/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Requests of a VM to lib/offload: what is taken, what is refused. What only a request for segments
 * can get wrong is in test_offload_tso_request.c. Checksums are in test_offload_csum.c, segments in
 * test_offload_tso.c.
 */

#include "airlock_offload.h"
#include "test_offload_request.h"

static uint8_t got[MAX_PACKET];

static int
test_packet_without_request_is_not_read(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(frames.pool);
	void *memory;

	TEST_ASSERT_NOT_NULL(m, "no frame");
	memory = m->buf_addr;
	m->buf_addr = NULL;
	m->data_len = m->pkt_len = 60;
	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	TEST_ASSERT_SUCCESS(airlock_offload_accept(m), "no request");
	TEST_ASSERT_EQUAL(m->ol_flags, RTE_MBUF_F_EXTERNAL, "flags of the memory, no others");
	TEST_ASSERT(airlock_offload_fits(m, 0), "fits anybody");
	TEST_ASSERT_SUCCESS(airlock_offload_finish_csum(m), "nothing to do");
	m->buf_addr = memory;
	rte_pktmbuf_free(m);
	return pools_are_full();
}

static int
test_request_becomes_transmit_flags(void)
{
	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		const struct kind *k = &kinds[i];
		const struct shape shape = {
			.ipv6 = k->ipv6,
			.udp = k->udp,
			.ip_options_bytes = k->ipv6 ? 0 : 40,
			.tcp_options_bytes = k->udp ? 0 : 40,
			.payload_bytes = 100,
		};
		const uint32_t len = build(sent, &shape);
		struct rte_mbuf *m = on_heap(sent, len);

		TEST_ASSERT_NOT_NULL(m, "%s", k->name);
		request(m, 0);
		m->tx_offload = UINT64_MAX;
		TEST_ASSERT_SUCCESS(airlock_offload_accept(m), "%s", k->name);
		TEST_ASSERT_EQUAL(request_flags(m), k->tx_flags, "%s", k->name);
		TEST_ASSERT_EQUAL(m->l2_len, ETH_LEN, "%s", k->name);
		TEST_ASSERT_EQUAL(m->l3_len, k->ipv6 ? 40 : 60, "%s", k->name);
		TEST_ASSERT_EQUAL(m->l4_len, k->udp ? 8 : 60, "%s", k->name);
		TEST_ASSERT_EQUAL(m->tso_segsz, 0, "%s", k->name);
		TEST_ASSERT_EQUAL(m->outer_l2_len + m->outer_l3_len, 0, "%s", k->name);
		TEST_ASSERT_BUFFERS_ARE_EQUAL(
			rte_pktmbuf_mtod(m, void *), sent, len, "%s: data changed", k->name);
		rte_pktmbuf_free(m);
	}
	return pools_are_full();
}

static int
test_headers_cut_short_are_refused(void)
{
	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		const struct shape shape = {
			.ipv6 = kinds[i].ipv6,
			.udp = kinds[i].udp,
			.ip_options_bytes = kinds[i].ipv6 ? 0 : 8,
			.tcp_options_bytes = kinds[i].udp ? 0 : 12,
			.payload_bytes = 300,
		};
		const uint32_t len = build(sent, &shape);

		for (uint32_t cut = 0; cut < len; cut++)
			TEST_ASSERT_EQUAL(
				verdict(sent, cut, 0), -EINVAL, "%s, %u bytes", kinds[i].name, cut);
		for (uint32_t cut = 0; cut < headers_bytes(sent); cut++)
			TEST_ASSERT_EQUAL(verdict(sent, cut, 100), -EINVAL, "%s, %u bytes",
				kinds[i].name, cut);
		TEST_ASSERT_SUCCESS(verdict(sent, len, 0), "%s", kinds[i].name);
		TEST_ASSERT_EQUAL(
			verdict(sent, len, 100), kinds[i].udp ? -EINVAL : 0, "%s", kinds[i].name);
	}
	return pools_are_full();
}

static int
test_headers_over_two_mbufs_are_refused(void)
{
	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		const struct shape shape = {
			.ipv6 = kinds[i].ipv6,
			.udp = kinds[i].udp,
			.tcp_options_bytes = 12,
			.payload_bytes = 300,
		};
		const uint32_t len = build(sent, &shape);
		const uint32_t headers = headers_bytes(sent);

		for (uint32_t n = 2; n < 2 * headers + 2; n++) {
			const bool segments = n % 2 != 0 && !kinds[i].udp;
			const uint32_t first = n / 2;
			struct rte_mbuf *m = scatter(frames.pool, sent, len, first, 0);

			TEST_ASSERT_NOT_NULL(m, "no frame");
			request(m, segments ? 100 : 0);
			TEST_ASSERT_EQUAL(airlock_offload_accept(m), first < headers ? -EINVAL : 0,
				"%s, %u bytes", kinds[i].name, first);
			rte_pktmbuf_free(m);
		}
	}
	return pools_are_full();
}

/* A packet of kind *kind* with up to two bytes replaced. The payload has 40 bytes. */
static const struct lie {
	const char *name;
	unsigned int kind;
	uint32_t offset;
	uint16_t value;
} lies[] = {
	{"VLAN tag", 0, 12, 0x8100},
	{"ARP", 0, 12, 0x0806},
	{"IPv6 type on IPv4", 0, 12, 0x86dd},
	{"IPv4 type on IPv6", 2, 12, 0x0800},
	{"IPv4 version 5", 0, 14, 0x5500},
	{"IPv4 header of 16 bytes", 0, 14, 0x4400},
	{"IPv4 header of 0 bytes", 0, 14, 0x4000},
	{"IPv4 length 0", 0, 16, 0},
	{"IPv4 length without TCP header", 0, 16, 39},
	{"IPv4 length beyond the packet", 0, 16, 81},
	{"IPv4 length 65535", 0, 16, 0xffff},
	{"IPv4 more fragments", 0, 20, 0x2000},
	{"IPv4 last fragment", 0, 20, 0x0001},
	{"IPv4 fragment, largest offset", 0, 20, 0x1fff},
	{"ICMP", 0, 22, 0x4001},
	{"SCTP", 0, 22, 0x4084},
	{"UDP is TCP", 0, 22, 0x4011},
	{"TCP header of 0 bytes", 0, 46, 0x0010},
	{"TCP header of 16 bytes", 0, 46, 0x4010},
	{"UDP length 0", 1, 38, 0},
	{"UDP length beyond IP", 1, 38, 49},
	{"UDP length below IP", 1, 38, 47},
	{"IPv6 version 4", 2, 14, 0x4000},
	{"IPv6 length 0", 2, 18, 0},
	{"IPv6 length without TCP header", 2, 18, 19},
	{"IPv6 length beyond the packet", 2, 18, 61},
	{"IPv6 length 65535", 2, 18, 0xffff},
	{"IPv6 fragment", 2, 20, 0x2c40},
	{"IPv6 routing header", 2, 20, 0x2b40},
	{"IPv6 hop-by-hop options", 2, 20, 0x0040},
	{"ICMPv6", 2, 20, 0x3a40},
	{"UDP over IPv6, length 0", 3, 58, 0},
};

static int
test_lies_in_headers_are_refused(void)
{
	for (unsigned int i = 0; i < RTE_DIM(lies); i++) {
		const struct shape shape = {
			.ipv6 = kinds[lies[i].kind].ipv6,
			.udp = kinds[lies[i].kind].udp,
			.tcp_flags = TCP_ACK,
			.payload_bytes = 40,
		};
		const uint32_t len = build(sent, &shape);

		TEST_ASSERT_SUCCESS(verdict(sent, len, 0), "before: %s", lies[i].name);
		put16(sent + lies[i].offset, lies[i].value);
		TEST_ASSERT_EQUAL(verdict(sent, len, 0), -EINVAL, "%s", lies[i].name);
	}
	return pools_are_full();
}

static int
test_longest_headers_must_be_there(void)
{
	const struct shape shape = {
		.ip_options_bytes = 40,
		.tcp_options_bytes = 40,
		.payload_bytes = 1,
	};
	const uint32_t len = build(sent, &shape);

	TEST_ASSERT_SUCCESS(verdict(sent, len, 0), "headers of 134 bytes");
	put16(sent + 16, 119);
	TEST_ASSERT_EQUAL(verdict(sent, len - 2, 0), -EINVAL, "options of TCP end beyond");
	put16(sent + 16, 79);
	TEST_ASSERT_EQUAL(verdict(sent, 93, 0), -EINVAL, "TCP header ends beyond");
	put16(sent + 16, 59);
	TEST_ASSERT_EQUAL(verdict(sent, 73, 0), -EINVAL, "options of IPv4 end beyond");
	return pools_are_full();
}

/* Nothing to compare with: looks for reads beyond the packet, and for mbufs that get lost. */
static int
test_random_headers_do_no_harm(void)
{
	unsigned int nb_accepted = 0;
	unsigned int seed = 1;

	for (unsigned int i = 0; i < 200000; i++) {
		const struct kind *k = &kinds[i % RTE_DIM(kinds)];
		const struct shape shape = {
			.ipv6 = k->ipv6,
			.udp = k->udp,
			.payload_bytes = rand_r(&seed) % 64,
		};
		const uint32_t len = build(sent, &shape);
		struct rte_mbuf *m;

		for (int n = rand_r(&seed) % 4; n > 0; n--)
			sent[12 + rand_r(&seed) % 60] = rand_r(&seed);
		m = on_heap(sent, rand_r(&seed) % 4 == 0 ? rand_r(&seed) % len : len);
		TEST_ASSERT_NOT_NULL(m, "round %u", i);
		request(m, rand_r(&seed) % 3 == 0 ? rand_r(&seed) % 100 : 0);
		if (airlock_offload_accept(m) == 0 && (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0) {
			nb_accepted++;
			TEST_ASSERT_SUCCESS(airlock_offload_finish_csum(m), "round %u", i);
			gather(m, got);
			TEST_ASSERT(l4_csum_is_right(got), "round %u", i);
		}
		rte_pktmbuf_free(m);
	}
	TEST_ASSERT(nb_accepted > 10000, "%u accepted", nb_accepted);
	return pools_are_full();
}

static const struct unit_test_suite suite = {
	.suite_name = "offload",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases =
		{
			TEST_CASE(test_packet_without_request_is_not_read),
			TEST_CASE(test_request_becomes_transmit_flags),
			TEST_CASE(test_headers_cut_short_are_refused),
			TEST_CASE(test_headers_over_two_mbufs_are_refused),
			TEST_CASE(test_lies_in_headers_are_refused),
			TEST_CASE(test_longest_headers_must_be_there),
			TEST_CASE(test_random_headers_do_no_harm),
			TEST_CASES_END(),
		},
};

static int
test_offload(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(offload_autotest, true, true, test_offload);
