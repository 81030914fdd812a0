/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Offloads: what a guest leaves undone is done by the time it reaches somebody who cannot do it,
 * and left alone where it can.
 */

#include <netinet/in.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "loop.h"

#define TX_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO)
#define RX_OFFLOADS (RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)

#define SEGMENT_BYTES 1448

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

/* VM 0 leaves work undone; VM 1 cannot do it, VM 2 can. */
static int
open_loop(uint16_t vlan_id)
{
	struct loop_conf conf = {
		.nb_vms = 3,
		.vms =
			{
				{.tx_offloads = TX_OFFLOADS, .vlan_id = vlan_id},
				{.vlan_id = vlan_id},
				{.rx_offloads = RX_OFFLOADS, .vlan_id = vlan_id},
			},
	};

	return loop_open(&conf);
}

static int
send_asking(const struct loop_packet *packet, uint16_t segment_bytes)
{
	struct rte_mbuf *m = loop_packet_mbuf(loop.guest_mbufs, packet);

	TEST_ASSERT_NOT_NULL(m, "mbufs");
	loop_packet_ask(m, packet->tcp, segment_bytes);
	return loop_send_mbufs(0, 0, &m, 1);
}

static struct loop_packet
packet_to(unsigned int idx, bool tcp, uint32_t seq)
{
	return (struct loop_packet){
		.dst = idx == 0 ? stranger : loop.vms[idx].mac,
		.src = loop.vms[0].mac,
		.len = 60 + seq * 97 % 1455,
		.tcp = tcp,
		.seq = seq,
	};
}

static int
test_checksum_for_guest_that_checks_is_finished(void)
{
	struct loop_packet packet;

	TEST_ASSERT_SUCCESS(open_loop(0), "open");
	for (uint32_t seq = 0; seq < 100; seq++) {
		packet = packet_to(1, seq % 2 != 0, seq);
		TEST_ASSERT_SUCCESS(send_asking(&packet, 0), "packet %u", seq);
	}
	loop.vms[1].want = 100;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (uint32_t seq = 0; seq < 100; seq++) {
		packet = packet_to(1, seq % 2 != 0, seq);
		TEST_ASSERT(loop_packet_is(loop.vms[1].sink.mbufs[seq], &packet), "packet %u", seq);
	}
	return loop_check();
}

static int
test_checksum_for_guest_that_trusts_is_left(void)
{
	const uint64_t trusts = RTE_BIT64(1); /* VIRTIO_NET_F_GUEST_CSUM */
	struct loop_packet packet;

	TEST_ASSERT_SUCCESS(open_loop(0), "open");
	TEST_ASSERT((loop_vm_stats(1).features & trusts) == 0, "VM 1 has no such feature");
	TEST_ASSERT((loop_vm_stats(2).features & trusts) != 0, "VM 2 has it");
	for (uint32_t seq = 0; seq < 100; seq++) {
		packet = packet_to(2, seq % 2 != 0, seq);
		TEST_ASSERT_SUCCESS(send_asking(&packet, 0), "packet %u", seq);
	}
	loop.vms[2].want = 100;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (uint32_t seq = 0; seq < 100; seq++) {
		struct rte_mbuf *m = loop.vms[2].sink.mbufs[seq];

		packet = packet_to(2, seq % 2 != 0, seq);
		TEST_ASSERT(loop_packet_is_but_csum(m, &packet), "packet %u", seq);
		TEST_ASSERT_EQUAL(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK,
			RTE_MBUF_F_RX_L4_CKSUM_NONE, "packet %u: told to be unfinished", seq);
	}
	return loop_check();
}

static int
test_checksum_for_the_wire_is_finished(void)
{
	struct loop_packet packet;

	TEST_ASSERT_SUCCESS(open_loop(0), "open");
	for (uint32_t seq = 0; seq < 100; seq++) {
		packet = packet_to(0, seq % 2 != 0, seq);
		TEST_ASSERT_SUCCESS(send_asking(&packet, 0), "packet %u", seq);
	}
	loop.wire_want = 100;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (uint32_t seq = 0; seq < 100; seq++) {
		packet = packet_to(0, seq % 2 != 0, seq);
		TEST_ASSERT(loop_packet_is(loop.wire.mbufs[seq], &packet), "packet %u", seq);
	}
	return loop_check();
}

static int
test_checksum_for_the_wire_of_a_vlan_is_finished(void)
{
	struct loop_packet packet;

	TEST_ASSERT_SUCCESS(open_loop(77), "open");
	for (uint32_t seq = 0; seq < 100; seq++) {
		packet = packet_to(0, seq % 2 != 0, seq);
		TEST_ASSERT_SUCCESS(send_asking(&packet, 0), "packet %u", seq);
	}
	loop.wire_want = 100;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (uint32_t seq = 0; seq < 100; seq++) {
		packet = packet_to(0, seq % 2 != 0, seq);
		packet.tagged = true;
		packet.vlan_id = 77;
		TEST_ASSERT(loop_packet_is(loop.wire.mbufs[seq], &packet), "packet %u", seq);
	}
	return loop_check();
}

/* One segment of *whole*: right headers, right checksums, the payload from *done* on. */
static int
check_segment(const struct rte_mbuf *m, const uint8_t *whole, uint32_t whole_len, uint32_t seq,
	uint32_t done)
{
	static uint8_t bytes[LOOP_PACKET_MAX];
	const uint32_t payload_bytes =
		RTE_MIN(whole_len - LOOP_TCP_HEADERS - done, (uint32_t)SEGMENT_BYTES);
	const bool last = LOOP_TCP_HEADERS + done + payload_bytes == whole_len;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(bytes + RTE_ETHER_HDR_LEN);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
	const uint8_t *read;

	TEST_ASSERT_EQUAL(m->pkt_len, LOOP_TCP_HEADERS + payload_bytes, "length");
	read = rte_pktmbuf_read(m, 0, m->pkt_len, bytes);
	if (read != bytes)
		memcpy(bytes, read, m->pkt_len);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(bytes, whole, RTE_ETHER_HDR_LEN, "Ethernet header");
	TEST_ASSERT_EQUAL(
		rte_be_to_cpu_16(ip->total_length), m->pkt_len - RTE_ETHER_HDR_LEN, "IP length");
	TEST_ASSERT_EQUAL(rte_raw_cksum(ip, sizeof(*ip)), 0xffff, "IP checksum");
	TEST_ASSERT_SUCCESS(rte_ipv4_udptcp_cksum_verify(ip, tcp), "TCP checksum");
	TEST_ASSERT_EQUAL(rte_be_to_cpu_32(tcp->sent_seq), seq + done, "sequence number");
	TEST_ASSERT_EQUAL((tcp->tcp_flags & RTE_TCP_PSH_FLAG) != 0, last, "PSH in the last alone");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(
		tcp + 1, whole + LOOP_TCP_HEADERS + done, payload_bytes, "payload");
	return TEST_SUCCESS;
}

static int
segments_arrive(unsigned int idx, struct loop_sink *sink, uint64_t *want)
{
	static uint8_t whole[LOOP_PACKET_MAX];
	struct loop_packet packet = packet_to(idx, true, 3);
	uint32_t len, first = 0;

	for (unsigned int i = 0; i < 4; i++) {
		/* 64 KiB, one segment and a byte, exactly two, and 20 and a bit. */
		packet.len = (const uint32_t[]){65535 + RTE_ETHER_HDR_LEN,
			LOOP_TCP_HEADERS + SEGMENT_BYTES + 1, LOOP_TCP_HEADERS + 2 * SEGMENT_BYTES,
			30000}[i];
		len = loop_packet_write(&packet, whole);
		*want += (len - LOOP_TCP_HEADERS + SEGMENT_BYTES - 1) / SEGMENT_BYTES;
		TEST_ASSERT_SUCCESS(send_asking(&packet, SEGMENT_BYTES), "%u bytes", packet.len);
		TEST_ASSERT_SUCCESS(loop_wait(), "%u bytes", packet.len);
		for (uint32_t done = 0; done < len - LOOP_TCP_HEADERS; done += SEGMENT_BYTES)
			TEST_ASSERT_SUCCESS(
				check_segment(sink->mbufs[first++], whole, len, packet.seq, done),
				"%u bytes, at %u", packet.len, done);
	}
	return loop_check();
}

static int
test_large_packet_for_guest_without_tso_comes_in_segments(void)
{
	TEST_ASSERT_SUCCESS(open_loop(0), "open");
	return segments_arrive(1, &loop.vms[1].sink, &loop.vms[1].want);
}

static int
test_large_packet_for_the_wire_goes_in_segments(void)
{
	TEST_ASSERT_SUCCESS(open_loop(0), "open");
	return segments_arrive(0, &loop.wire, &loop.wire_want);
}

/* VM 0 sends large packets, and VM 1 takes them. */
static int
open_large(void)
{
	struct loop_conf conf = {
		.nb_vms = 2,
		.vms =
			{
				{.tx_offloads = TX_OFFLOADS},
				{.rx_offloads = RX_OFFLOADS | RTE_ETH_RX_OFFLOAD_TCP_LRO},
			},
	};
	/* VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6 */
	const uint64_t tso = RTE_BIT64(7) | RTE_BIT64(8);

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_EQUAL(loop_vm_stats(1).features & tso, tso, "VM 1 takes large packets");
	return TEST_SUCCESS;
}

static int
is_still_large(const struct rte_mbuf *m)
{
	TEST_ASSERT((m->ol_flags & RTE_MBUF_F_RX_LRO) != 0, "told to be large");
	TEST_ASSERT_EQUAL(m->tso_segsz, SEGMENT_BYTES, "size of its segments");
	TEST_ASSERT_EQUAL(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_NONE,
		"told to be unfinished");
	return TEST_SUCCESS;
}

static int
test_large_packet_for_guest_with_tso_stays_whole(void)
{
	struct loop_packet packet;

	TEST_ASSERT_SUCCESS(open_large(), "open");
	packet = packet_to(1, true, 3);
	for (unsigned int i = 0; i < 3; i++) {
		packet.len = (const uint32_t[]){
			65535 + RTE_ETHER_HDR_LEN, LOOP_TCP_HEADERS + SEGMENT_BYTES + 1, 30000}[i];
		TEST_ASSERT_SUCCESS(send_asking(&packet, SEGMENT_BYTES), "%u bytes", packet.len);
		loop.vms[1].want++;
		TEST_ASSERT_SUCCESS(loop_wait(), "%u bytes", packet.len);
		TEST_ASSERT(loop_packet_is_but_csum(loop.vms[1].sink.mbufs[i], &packet), "%u bytes",
			packet.len);
		TEST_ASSERT_SUCCESS(
			is_still_large(loop.vms[1].sink.mbufs[i]), "%u bytes", packet.len);
	}
	return loop_check();
}

/* Ethernet, IPv6 and TCP headers, and a payload. Returns bytes in all. */
static uint32_t
write_ipv6(uint8_t *bytes, uint16_t payload_bytes)
{
	static const uint8_t from[16] = {0xfd, [15] = 1}, to[16] = {0xfd, [15] = 2};
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)bytes;
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(eth + 1);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);

	*eth = (struct rte_ether_hdr){
		.dst_addr = loop.vms[1].mac,
		.src_addr = loop.vms[0].mac,
		.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6),
	};
	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(6 << 28),
		.payload_len = rte_cpu_to_be_16(sizeof(*tcp) + payload_bytes),
		.proto = IPPROTO_TCP,
		.hop_limits = 64,
	};
	/* Arrays of bytes, or structures: that depends on DPDK's release. */
	memcpy(&ip->src_addr, from, sizeof(from));
	memcpy(&ip->dst_addr, to, sizeof(to));
	*tcp = (struct rte_tcp_hdr){.data_off = sizeof(*tcp) / 4 << 4, .tcp_flags = 0x10};
	for (uint32_t i = 0; i < payload_bytes; i++)
		((uint8_t *)(tcp + 1))[i] = (uint8_t)(i * 31 + i / 251);
	return sizeof(*eth) + sizeof(*ip) + sizeof(*tcp) + payload_bytes;
}

static int
test_large_ipv6_packet_for_guest_with_tso_stays_whole(void)
{
	static uint8_t sent[LOOP_PACKET_MAX], found[LOOP_PACKET_MAX];
	const uint32_t csum_offset = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr) +
		offsetof(struct rte_tcp_hdr, cksum);
	const uint8_t *read;
	struct rte_mbuf *m;
	uint32_t len;

	TEST_ASSERT_SUCCESS(open_large(), "open");
	len = write_ipv6(sent, 40000);
	m = loop_packet_raw(loop.guest_mbufs, sent, len);
	TEST_ASSERT_NOT_NULL(m, "mbufs");
	loop_packet_ask(m, true, SEGMENT_BYTES);
	m->l3_len = sizeof(struct rte_ipv6_hdr);
	m->ol_flags &= ~(RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
	m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	TEST_ASSERT_SUCCESS(loop_send_mbufs(0, 0, &m, 1), "send");
	loop.vms[1].want = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	m = loop.vms[1].sink.mbufs[0];
	TEST_ASSERT_EQUAL(m->pkt_len, len, "length");
	TEST_ASSERT_SUCCESS(is_still_large(m), "large");
	read = rte_pktmbuf_read(m, 0, len, found);
	if (read != found)
		memcpy(found, read, len);
	memcpy(&sent[csum_offset], &found[csum_offset], sizeof(uint16_t));
	TEST_ASSERT_BUFFERS_ARE_EQUAL(sent, found, len, "bytes, but for the checksum");
	return loop_check();
}

static int
test_large_broadcast_is_cut_once_for_all(void)
{
	struct loop_packet packet = {
		.dst = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		.len = LOOP_TCP_HEADERS + 10 * SEGMENT_BYTES,
		.tcp = true,
	};

	TEST_ASSERT_SUCCESS(open_loop(12), "open");
	packet.src = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(send_asking(&packet, SEGMENT_BYTES), "send");
	loop.vms[1].want = loop.vms[2].want = loop.wire_want = 10;
	return loop_check();
}

static int
test_request_that_does_not_fit_the_packet_is_dropped(void)
{
	struct loop_packet packet;
	struct rte_mbuf *m;

	TEST_ASSERT_SUCCESS(open_loop(0), "open");
	packet = packet_to(0, false, 1);
	m = loop_packet_mbuf(loop.guest_mbufs, &packet);
	TEST_ASSERT_NOT_NULL(m, "mbuf");
	loop_packet_ask(m, false, 0);
	rte_pktmbuf_mtod(m, uint8_t *)[38] ^= 1; /* the length in the UDP header */
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(loop.vms[0].port_id, 0, &m, 1), 1, "send");
	loop.vms[0].sent++;
	loop.vms[0].tx_drops[AIRLOCK_DROP_BAD_OFFLOAD] = 1;
	return loop_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite offload_suite = {
	.suite_name = "loop_offload",
	.unit_test_cases =
		{
			CASE(test_checksum_for_guest_that_checks_is_finished),
			CASE(test_checksum_for_guest_that_trusts_is_left),
			CASE(test_checksum_for_the_wire_is_finished),
			CASE(test_checksum_for_the_wire_of_a_vlan_is_finished),
			CASE(test_large_packet_for_guest_without_tso_comes_in_segments),
			CASE(test_large_packet_for_the_wire_goes_in_segments),
			CASE(test_large_packet_for_guest_with_tso_stays_whole),
			CASE(test_large_ipv6_packet_for_guest_with_tso_stays_whole),
			CASE(test_large_broadcast_is_cut_once_for_all),
			CASE(test_request_that_does_not_fit_the_packet_is_dropped),
			TEST_CASES_END(),
		},
};

static int
test_loop_offload(void)
{
	return unit_test_suite_runner(&offload_suite);
}

REGISTER_FAST_TEST(loop_offload_autotest, true, true, test_loop_offload)
