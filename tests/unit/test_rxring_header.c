/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The virtio-net header that the RX ring engine writes (VIRTIO 1.2, 5.1.6.4): what a packet asks
 * for, in private buffers and in frames, and what the engine does to the packet before.
 */

#include <linux/virtio_net.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "rxring_guest.h"

#define PAYLOAD_BYTES 1000
#define V4_BYTES      (14 + 20)
#define V6_BYTES      (14 + 40)

/* A packet of IP and TCP or UDP that asks for these offloads. */
static struct rte_mbuf *
packet(bool v6, uint64_t ol_flags)
{
	uint32_t l3_len = v6 ? 40 : 20;
	struct rte_mbuf *m = guest_packet(14 + l3_len + 20 + PAYLOAD_BYTES, 7, 1);
	struct rte_ipv4_hdr *v4_hdr = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	struct rte_ipv6_hdr *v6_hdr = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, 14);

	if (v6) {
		v6_hdr->vtc_flow = RTE_BE32(6u << 28);
		v6_hdr->payload_len = RTE_BE16(20 + PAYLOAD_BYTES);
		v6_hdr->proto = IPPROTO_TCP;
	} else {
		v4_hdr->version_ihl = 0x45;
		v4_hdr->total_length = RTE_BE16(20 + 20 + PAYLOAD_BYTES);
		v4_hdr->fragment_offset = 0;
		v4_hdr->next_proto_id = IPPROTO_TCP;
		v4_hdr->hdr_checksum = 0;
	}
	m->l2_len = 14;
	m->l3_len = l3_len;
	m->l4_len = 20;
	m->tso_segsz = 500;
	m->ol_flags |= ol_flags | (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
	return m;
}

/* Put it both ways; the headers are the same but for nothing. Returns the one in memory. */
static const struct virtio_net_hdr_mrg_rxbuf *
put(struct rte_mbuf *m)
{
	const void *in_frame = guest_frame_at(300, 116);
	const void *in_memory = guest_at(GUEST_MEMORY);

	memset(guest_at(GUEST_MEMORY), 0xff, 64);
	memset(guest_frame_at(300, 0), 0xff, 200);
	guest_post_frame(300);
	guest_post_private(0, 2048);
	guest_poll();
	if (airlock_rxring_copy_to_frame(guest.ring, m, 300) < 0 ||
		airlock_rxring_put_copy(guest.ring, m) < 0 ||
		memcmp(in_frame, in_memory, 12 + m->pkt_len) != 0)
		return NULL;
	return in_memory;
}

static int
check_header(struct rte_mbuf *m, uint8_t flags, uint16_t start, uint16_t offset, uint8_t gso_type)
{
	const struct virtio_net_hdr_mrg_rxbuf *hdr = put(m);
	bool gso = gso_type != VIRTIO_NET_HDR_GSO_NONE;

	TEST_ASSERT_NOT_NULL(hdr, "put");
	TEST_ASSERT_EQUAL(hdr->hdr.flags, flags, "flags");
	TEST_ASSERT_EQUAL(hdr->hdr.csum_start, start, "csum_start");
	TEST_ASSERT_EQUAL(hdr->hdr.csum_offset, offset, "csum_offset");
	TEST_ASSERT_EQUAL(hdr->hdr.gso_type, gso_type, "gso_type");
	TEST_ASSERT_EQUAL(hdr->hdr.gso_size, gso ? 500 : 0, "gso_size");
	TEST_ASSERT_EQUAL(hdr->hdr.hdr_len, gso ? start + 20 : 0, "hdr_len");
	TEST_ASSERT_EQUAL(hdr->num_buffers, 1, "num_buffers");
	TEST_ASSERT_SUCCESS(memcmp(hdr + 1, rte_pktmbuf_mtod(m, const void *), m->pkt_len),
		"the packet as the engine left it");
	rte_pktmbuf_free(m);
	return TEST_SUCCESS;
}

static int
open_guest(void)
{
	TEST_ASSERT_SUCCESS(guest_open(&(struct guest_conf){.mergeable = true}), "open");
	return TEST_SUCCESS;
}

static int
test_a_finished_packet_asks_for_nothing(void)
{
	struct rte_mbuf *m = packet(false, 0);

	return check_header(m, 0, 0, 0, VIRTIO_NET_HDR_GSO_NONE);
}

static int
test_checksums_are_left_to_the_guest(void)
{
	const uint8_t flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	struct rte_mbuf *m = packet(false, RTE_MBUF_F_TX_TCP_CKSUM);
	const struct rte_tcp_hdr *tcp =
		rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, V4_BYTES);
	uint16_t sum = rte_ipv4_phdr_cksum(
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, 14), m->ol_flags);

	rte_mbuf_refcnt_update(m, 1);
	TEST_ASSERT_SUCCESS(check_header(m, flags, V4_BYTES, 16, 0), "TCP");
	TEST_ASSERT_EQUAL(tcp->cksum, sum, "pseudo-header");
	rte_pktmbuf_free(m);
	TEST_ASSERT_SUCCESS(
		check_header(packet(false, RTE_MBUF_F_TX_UDP_CKSUM), flags, V4_BYTES, 6, 0), "UDP");
	TEST_ASSERT_SUCCESS(
		check_header(packet(true, RTE_MBUF_F_TX_TCP_CKSUM), flags, V6_BYTES, 16, 0),
		"TCP over IPv6");
	return TEST_SUCCESS;
}

static int
test_a_large_segment_says_how_to_cut_it(void)
{
	const uint8_t flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;

	TEST_ASSERT_SUCCESS(check_header(packet(false, RTE_MBUF_F_TX_TCP_SEG), flags, V4_BYTES, 16,
				    VIRTIO_NET_HDR_GSO_TCPV4),
		"IPv4");
	TEST_ASSERT_SUCCESS(check_header(packet(true, RTE_MBUF_F_TX_TCP_SEG), flags, V6_BYTES, 16,
				    VIRTIO_NET_HDR_GSO_TCPV6),
		"IPv6");
	return TEST_SUCCESS;
}

static int
test_the_sum_of_an_ip_header_is_done_here(void)
{
	struct rte_mbuf *m = packet(false, RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);

	rte_mbuf_refcnt_update(m, 1);
	TEST_ASSERT_SUCCESS(
		check_header(m, VIRTIO_NET_HDR_F_NEEDS_CSUM, V4_BYTES, 16, 0), "header");
	TEST_ASSERT_EQUAL(rte_raw_cksum(ip, 20), 0xffff, "sum");
	rte_pktmbuf_free(m);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(open_guest, guest_close, fn)

static const struct unit_test_suite rxring_header_suite = {
	.suite_name = "rxring_header",
	.unit_test_cases =
		{
			CASE(test_a_finished_packet_asks_for_nothing),
			CASE(test_checksums_are_left_to_the_guest),
			CASE(test_a_large_segment_says_how_to_cut_it),
			CASE(test_the_sum_of_an_ip_header_is_done_here),
			TEST_CASES_END(),
		},
};

static int
test_rxring_header(void)
{
	return unit_test_suite_runner(&rxring_header_suite);
}

REGISTER_FAST_TEST(rxring_header_autotest, true, true, test_rxring_header)
