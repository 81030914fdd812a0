/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Packets of the loop tests, written from the specifications of their headers and not with the code
 * under test.
 *
 * Thread rule: one thread at a time (the buffer to compare with is static).
 */

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "loop_packet.h"

#define DST_PORT 9

static uint16_t
write_ethernet(const struct loop_packet *packet, uint8_t *bytes)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)bytes;
	struct rte_vlan_hdr *tag = (struct rte_vlan_hdr *)(eth + 1);

	eth->dst_addr = packet->dst;
	eth->src_addr = packet->src;
	if (!packet->tagged) {
		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
		return sizeof(*eth);
	}
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	tag->vlan_tci = rte_cpu_to_be_16(packet->vlan_id);
	tag->eth_proto = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	return sizeof(*eth) + sizeof(*tag);
}

static void
write_payload(uint8_t *payload, uint32_t len, uint32_t seq)
{
	for (uint32_t i = 0; i < len; i++)
		payload[i] = (uint8_t)((i * 31 + i / 251) ^ (seq * 7));
	if (len >= sizeof(seq))
		memcpy(payload, &seq, sizeof(seq));
}

static void
write_l4(const struct loop_packet *packet, struct rte_ipv4_hdr *ip, uint16_t l4_bytes)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);

	if (packet->tcp) {
		memset(tcp, 0, sizeof(*tcp));
		tcp->src_port = rte_cpu_to_be_16(packet->flow);
		tcp->dst_port = rte_cpu_to_be_16(DST_PORT);
		tcp->sent_seq = rte_cpu_to_be_32(packet->seq);
		tcp->data_off = sizeof(*tcp) / 4 << 4;
		tcp->tcp_flags = RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG;
		tcp->rx_win = RTE_BE16(1024);
		write_payload((uint8_t *)(tcp + 1), l4_bytes - sizeof(*tcp), packet->seq);
		tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	} else {
		udp->src_port = rte_cpu_to_be_16(packet->flow);
		udp->dst_port = rte_cpu_to_be_16(DST_PORT);
		udp->dgram_len = rte_cpu_to_be_16(l4_bytes);
		udp->dgram_cksum = 0;
		write_payload((uint8_t *)(udp + 1), l4_bytes - sizeof(*udp), packet->seq);
		udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
	}
}

uint32_t
loop_packet_write(const struct loop_packet *packet, uint8_t *bytes)
{
	uint32_t len = packet->len == 0 ? 60 : packet->len;
	uint32_t l3_bytes = len - RTE_ETHER_HDR_LEN;
	uint16_t offset = write_ethernet(packet, bytes);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(bytes + offset);

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(l3_bytes),
		.time_to_live = 64,
		.next_proto_id = packet->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.src_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 1)),
		.dst_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 2)),
	};
	write_l4(packet, ip, l3_bytes - sizeof(*ip));
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return offset + l3_bytes;
}

struct rte_mbuf *
loop_packet_raw(struct rte_mempool *mempool, const void *bytes, uint32_t len)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(mempool), *m = head;
	uint32_t done = 0, now;

	while (m != NULL) {
		now = RTE_MIN(len - done, (uint32_t)rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_mtod(m, void *), (const uint8_t *)bytes + done, now);
		m->data_len = now;
		done += now;
		head->pkt_len = done;
		if (done == len)
			return head;
		m->next = rte_pktmbuf_alloc(mempool);
		head->nb_segs += m->next != NULL;
		m = m->next;
	}
	rte_pktmbuf_free(head);
	return NULL;
}

struct rte_mbuf *
loop_packet_mbuf(struct rte_mempool *mempool, const struct loop_packet *packet)
{
	static uint8_t bytes[LOOP_PACKET_MAX];
	uint32_t len = loop_packet_write(packet, bytes);

	return loop_packet_raw(mempool, bytes, len);
}

static uint16_t
csum_offset(const struct loop_packet *packet)
{
	uint16_t l4 = LOOP_UDP_HEADERS - sizeof(struct rte_udp_hdr) + (packet->tagged ? 4 : 0);

	return l4 +
		(packet->tcp ? offsetof(struct rte_tcp_hdr, cksum)
			     : offsetof(struct rte_udp_hdr, dgram_cksum));
}

static bool
compare(const struct rte_mbuf *m, const struct loop_packet *packet, bool with_csum)
{
	static uint8_t expected[LOOP_PACKET_MAX], found[LOOP_PACKET_MAX];
	uint32_t len = loop_packet_write(packet, expected);
	const uint8_t *bytes;

	if (m->pkt_len != len)
		return false;
	bytes = rte_pktmbuf_read(m, 0, len, found);
	if (bytes != found)
		memcpy(found, bytes, len);
	if (!with_csum)
		memcpy(&found[csum_offset(packet)], &expected[csum_offset(packet)], 2);
	return memcmp(found, expected, len) == 0;
}

bool
loop_packet_is(const struct rte_mbuf *m, const struct loop_packet *packet)
{
	return compare(m, packet, true);
}

bool
loop_packet_is_but_csum(const struct rte_mbuf *m, const struct loop_packet *packet)
{
	return compare(m, packet, false);
}

bool
loop_packet_read(const struct rte_mbuf *m, uint16_t *flow, uint32_t *seq)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);

	if (m->data_len < LOOP_UDP_HEADERS + sizeof(*seq) ||
		eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
		ip->next_proto_id != IPPROTO_UDP)
		return false;
	*flow = rte_be_to_cpu_16(udp->src_port);
	memcpy(seq, udp + 1, sizeof(*seq));
	return true;
}

void
loop_packet_ask(struct rte_mbuf *m, bool tcp, uint16_t segment_bytes)
{
	m->l2_len = RTE_ETHER_HDR_LEN;
	m->l3_len = sizeof(struct rte_ipv4_hdr);
	m->l4_len = tcp ? sizeof(struct rte_tcp_hdr) : sizeof(struct rte_udp_hdr);
	m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	m->ol_flags |= tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if (segment_bytes == 0)
		return;
	m->tso_segsz = segment_bytes;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM;
}
