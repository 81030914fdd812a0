/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Requests of a VM to lib/offload for segments: what is taken, what is refused.
 */

#include "airlock_offload.h"
#include "test_offload_request.h"

static int
test_segments_that_cannot_be_are_refused(void)
{
	static const struct {
		const char *name;
		struct shape shape;
		uint16_t segment_bytes;
		int ret;
	} cases[] = {
		{"129 segments of 1 byte", {.payload_bytes = 129}, 1, -EINVAL},
		{"128 segments of 1 byte", {.payload_bytes = 128}, 1, 0},
		{"129 segments, the last short", {.payload_bytes = 12801}, 100, -EINVAL},
		{"128 segments, the last short", {.payload_bytes = 12799}, 100, 0},
		{"UDP", {.udp = true, .payload_bytes = 3000}, 1000, -EINVAL},
		{"UDP, one segment", {.udp = true, .payload_bytes = 300}, 1000, -EINVAL},
		{"longest packet", {.payload_bytes = 65495}, 1460, 0},
		{"longer than IPv4 can say", {.payload_bytes = 65496}, 1460, -EINVAL},
		{"one segment", {.payload_bytes = 1460}, 1460, 0},
		{"one segment, largest size", {.payload_bytes = 65495}, 65535, 0},
		{"no payload", {.payload_bytes = 0}, 1, 0},
		{"IPv6, 129 segments", {.ipv6 = true, .payload_bytes = 129}, 1, -EINVAL},
		{"IPv6, 128 segments", {.ipv6 = true, .payload_bytes = 128}, 1, 0},
		{"IPv6, 129, the last short", {.ipv6 = true, .payload_bytes = 12801}, 100, -EINVAL},
		{"IPv6, 128, the last short", {.ipv6 = true, .payload_bytes = 12799}, 100, 0},
		{"UDP over IPv6", {.ipv6 = true, .udp = true, .payload_bytes = 30}, 10, -EINVAL},
		{"longest over IPv6", {.ipv6 = true, .payload_bytes = 65515}, 1440, 0},
		{"longer than IPv6 can say", {.ipv6 = true, .payload_bytes = 65516}, 1440, -EINVAL},
		{"IPv6, one segment", {.ipv6 = true, .payload_bytes = 1440}, 1440, 0},
		{"IPv6, one, largest size", {.ipv6 = true, .payload_bytes = 65515}, 65535, 0},
		{"IPv6, no payload", {.ipv6 = true, .payload_bytes = 0}, 1, 0},
	};

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		const uint32_t len = build(sent, &cases[i].shape);

		TEST_ASSERT_EQUAL(verdict(sent, len, cases[i].segment_bytes), cases[i].ret, "%s",
			cases[i].name);
	}
	return pools_are_full();
}

static int
test_segment_size_zero_is_refused(void)
{
	for (uint32_t bytes = 0; bytes <= 7000; bytes += 1000) {
		const struct shape shape = {.ipv6 = bytes >= 4000, .payload_bytes = bytes % 4000};
		struct rte_mbuf *m = on_heap(sent, build(sent, &shape));

		TEST_ASSERT_NOT_NULL(m, "no mbuf");
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
		m->tso_segsz = 0;
		TEST_ASSERT_EQUAL(airlock_offload_accept(m), -EINVAL, "%u bytes", bytes);
		rte_pktmbuf_free(m);
	}
	return pools_are_full();
}

/* The flags that a packet of 3000 bytes of payload has to have, and the rest of the request. */
static int
check_request(bool ipv6, uint32_t segment_bytes)
{
	const struct shape shape = {.ipv6 = ipv6, .payload_bytes = 3000, .tcp_options_bytes = 12};
	const bool split = segment_bytes < 3000;
	uint64_t flags = RTE_MBUF_F_TX_TCP_CKSUM | (split ? RTE_MBUF_F_TX_TCP_SEG : 0);
	struct rte_mbuf *m = on_heap(sent, build(sent, &shape));

	if (ipv6)
		flags |= RTE_MBUF_F_TX_IPV6;
	else
		flags |= RTE_MBUF_F_TX_IPV4 | (split ? RTE_MBUF_F_TX_IP_CKSUM : 0);
	TEST_ASSERT_NOT_NULL(m, "no mbuf");
	m->tx_offload = UINT64_MAX;
	request(m, segment_bytes);
	TEST_ASSERT_SUCCESS(airlock_offload_accept(m), "%u bytes", segment_bytes);
	TEST_ASSERT_EQUAL(request_flags(m), flags, "%u bytes", segment_bytes);
	TEST_ASSERT_EQUAL(m->tso_segsz, split ? segment_bytes : 0, "%u bytes", segment_bytes);
	TEST_ASSERT_EQUAL(m->l2_len, ETH_LEN, "l2_len");
	TEST_ASSERT_EQUAL(m->l3_len, ipv6 ? 40 : 20, "l3_len");
	TEST_ASSERT_EQUAL(m->l4_len, 32, "l4_len");
	TEST_ASSERT_EQUAL(m->outer_l2_len + m->outer_l3_len, 0, "outer headers");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(
		rte_pktmbuf_mtod(m, void *), sent, m->pkt_len, "data changed");
	rte_pktmbuf_free(m);
	return TEST_SUCCESS;
}

static int
test_segment_request_becomes_transmit_flags(void)
{
	for (uint32_t bytes = 2998; bytes <= 3001; bytes++) {
		TEST_ASSERT_SUCCESS(check_request(false, bytes), "IPv4");
		TEST_ASSERT_SUCCESS(check_request(true, bytes), "IPv6");
	}
	return pools_are_full();
}

static int
test_one_segment_needs_an_honest_length(void)
{
	static const uint16_t lies[] = {0, 19, 5000};

	for (unsigned int i = 0; i < 2 * RTE_DIM(lies); i++) {
		const struct shape shape = {.ipv6 = i % 2 != 0, .payload_bytes = 1000};
		const uint32_t len = build(sent, &shape);

		put16(sent + ETH_LEN + (shape.ipv6 ? 4 : 2), lies[i / 2]);
		TEST_ASSERT_SUCCESS(verdict(sent, len, 500), "segments get lengths of their own");
		TEST_ASSERT_EQUAL(verdict(sent, len, 1000), -EINVAL, "a checksum needs the length");
	}
	return pools_are_full();
}

/* Put an extension header of 8 bytes behind the IPv6 header. @return the packet's length */
static uint32_t
insert_extension(uint8_t *p, uint32_t len, uint8_t kind)
{
	static const uint8_t options[] = {1, 4, 0, 0, 0, 0}; /* PadN */
	uint8_t *ip = p + ETH_LEN, *extension = ip + 40;

	memmove(extension + 8, extension, len - ETH_LEN - 40);
	extension[0] = ip[6];
	extension[1] = 0;
	memcpy(extension + 2, options, sizeof(options));
	ip[6] = kind;
	put16(ip + 4, get16(ip + 4) + 8);
	return len + 8;
}

static int
test_ipv6_extension_headers_are_refused(void)
{
	/* Hop-by-hop, routing, fragment, authentication, destination, mobility. */
	static const uint8_t extensions[] = {0, 43, 44, 51, 60, 135};
	const struct shape shape = {.ipv6 = true, .payload_bytes = 3000};

	for (unsigned int i = 0; i < RTE_DIM(extensions); i++) {
		uint32_t len = build(sent, &shape);

		TEST_ASSERT_SUCCESS(verdict(sent, len, 1000), "before %u", extensions[i]);
		len = insert_extension(sent, len, extensions[i]);
		TEST_ASSERT_EQUAL(verdict(sent, len, 1000), -EINVAL, "%u", extensions[i]);
		TEST_ASSERT_EQUAL(verdict(sent, len, 4000), -EINVAL, "%u", extensions[i]);
		TEST_ASSERT_EQUAL(verdict(sent, len, 0), -EINVAL, "%u", extensions[i]);
	}
	return pools_are_full();
}

/* A packet over IPv4 or IPv6 with two bytes replaced. The payload has 3000 bytes. */
static const struct {
	const char *name;
	bool ipv6;
	uint32_t offset;
	uint16_t value;
} lies[] = {
	{"VLAN tag", false, 12, 0x8100},
	{"IPv6 type on IPv4", false, 12, 0x86dd},
	{"IPv4 header of 16 bytes", false, 14, 0x4400},
	{"IPv4 more fragments", false, 20, 0x2000},
	{"IPv4 last fragment", false, 20, 0x0001},
	{"ICMP", false, 22, 0x4001},
	{"TCP header of 0 bytes", false, 46, 0x0010},
	{"TCP header of 16 bytes", false, 46, 0x4010},
	{"VLAN tag before IPv6", true, 12, 0x8100},
	{"IPv4 type on IPv6", true, 12, 0x0800},
	{"IPv6 version 4", true, 14, 0x4000},
	{"IPv6 version 0", true, 14, 0x0000},
	{"ICMPv6", true, 20, 0x3a40},
	{"no next header", true, 20, 0x3b40},
	{"TCP over IPv6, header of 0 bytes", true, 66, 0x0010},
	{"TCP over IPv6, header of 16 bytes", true, 66, 0x4010},
};

static int
test_lies_in_headers_are_not_segmented(void)
{
	for (unsigned int i = 0; i < RTE_DIM(lies); i++) {
		const struct shape shape = {
			.ipv6 = lies[i].ipv6,
			.tcp_flags = TCP_ACK,
			.payload_bytes = 3000,
		};
		const uint32_t len = build(sent, &shape);

		TEST_ASSERT_SUCCESS(verdict(sent, len, 1000), "before: %s", lies[i].name);
		put16(sent + lies[i].offset, lies[i].value);
		TEST_ASSERT_EQUAL(verdict(sent, len, 1000), -EINVAL, "%s", lies[i].name);
	}
	return pools_are_full();
}

static const struct unit_test_suite suite = {
	.suite_name = "offload_tso_request",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases =
		{
			TEST_CASE(test_segments_that_cannot_be_are_refused),
			TEST_CASE(test_segment_size_zero_is_refused),
			TEST_CASE(test_segment_request_becomes_transmit_flags),
			TEST_CASE(test_one_segment_needs_an_honest_length),
			TEST_CASE(test_ipv6_extension_headers_are_refused),
			TEST_CASE(test_lies_in_headers_are_not_segmented),
			TEST_CASES_END(),
		},
};

static int
test_offload_tso_request(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(offload_tso_request_autotest, true, true, test_offload_tso_request);
