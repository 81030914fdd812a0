/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What a VM asks to be done with a packet, checked and put into DPDK's words for a transmit
 * request. csum.c and segment.c carry such a request out in software.
 *
 * Nothing is taken from the VM's virtio header but the wish itself: offsets and lengths come from
 * the packet, which is a private copy by now. Everything that the code behind relies on is made
 * sure of here:
 * - Ethernet, IP and TCP or UDP headers lie in the first mbuf;
 * - for a checksum, the bytes that the IP header claims are there;
 * - for segments, there are two at least, and no more than fit an array; the length in the IP
 *   header is not used, because some drivers leave it at 0.
 * IPv6 extension headers are refused: some change the addresses that the checksum covers.
 *
 * A VM may also mark a TCP segment as one with CWR set (VIRTIO_NET_HDR_GSO_ECN). rte_vhost drops
 * the mark, and it is not missed: segment.c leaves CWR to the first segment of any packet.
 *
 * Thread rule: any thread that owns the mbuf.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "airlock_offload.h"
#include "offload_priv.h"

/* Where the headers of a packet end. */
struct layout {
	uint64_t tx_flags; /* IP version and kind of checksum */
	uint32_t l3_len;
	uint32_t l4_len;
	int32_t ip_payload_bytes; /* as the IP header claims */
	uint8_t proto;
};

static const void *
header_at(const struct rte_mbuf *m, uint32_t offset, uint32_t len)
{
	if (offset + len > m->data_len)
		return NULL;
	return rte_pktmbuf_mtod_offset(m, const void *, offset);
}

static int
parse_ipv4(const struct rte_mbuf *m, struct layout *l)
{
	const rte_be16_t fragment =
		rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);
	const struct rte_ipv4_hdr *ip = header_at(m, RTE_ETHER_HDR_LEN, sizeof(*ip));

	if (ip == NULL || ip->version_ihl >> 4 != 4)
		return -EINVAL;
	l->l3_len = rte_ipv4_hdr_len(ip);
	if (l->l3_len < sizeof(*ip) || (ip->fragment_offset & fragment) != 0)
		return -EINVAL;
	l->ip_payload_bytes = rte_be_to_cpu_16(ip->total_length) - (int32_t)l->l3_len;
	l->proto = ip->next_proto_id;
	l->tx_flags = RTE_MBUF_F_TX_IPV4;
	return 0;
}

static int
parse_ipv6(const struct rte_mbuf *m, struct layout *l)
{
	const struct rte_ipv6_hdr *ip = header_at(m, RTE_ETHER_HDR_LEN, sizeof(*ip));

	if (ip == NULL || rte_be_to_cpu_32(ip->vtc_flow) >> 28 != 6)
		return -EINVAL;
	l->l3_len = sizeof(*ip);
	l->ip_payload_bytes = rte_be_to_cpu_16(ip->payload_len);
	l->proto = ip->proto;
	l->tx_flags = RTE_MBUF_F_TX_IPV6;
	return 0;
}

static int
parse_tcp(const struct rte_mbuf *m, struct layout *l)
{
	const uint32_t offset = RTE_ETHER_HDR_LEN + l->l3_len;
	const struct rte_tcp_hdr *tcp = header_at(m, offset, sizeof(*tcp));

	if (tcp == NULL)
		return -EINVAL;
	l->l4_len = (tcp->data_off >> 4) * 4;
	if (l->l4_len < sizeof(*tcp) || header_at(m, offset, l->l4_len) == NULL)
		return -EINVAL;
	l->tx_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	return 0;
}

static int
parse_udp(const struct rte_mbuf *m, struct layout *l)
{
	const uint32_t offset = RTE_ETHER_HDR_LEN + l->l3_len;
	const struct rte_udp_hdr *udp = header_at(m, offset, sizeof(*udp));

	/* Two lengths that differ leave open what the checksum covers. */
	if (udp == NULL || rte_be_to_cpu_16(udp->dgram_len) != l->ip_payload_bytes)
		return -EINVAL;
	l->l4_len = sizeof(*udp);
	l->tx_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	return 0;
}

static int
parse_headers(const struct rte_mbuf *m, struct layout *l)
{
	const struct rte_ether_hdr *eth = header_at(m, 0, sizeof(*eth));
	int ret = -EINVAL;

	if (eth == NULL)
		return -EINVAL;
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		ret = parse_ipv4(m, l);
	else if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		ret = parse_ipv6(m, l);
	if (ret < 0)
		return ret;
	if (l->proto == IPPROTO_TCP)
		return parse_tcp(m, l);
	if (l->proto == IPPROTO_UDP)
		return parse_udp(m, l);
	return -EINVAL;
}

/* 0 with the request for segments in *l*, or without if the payload is one segment only. */
static int
check_segments(const struct rte_mbuf *m, struct layout *l)
{
	const bool ipv6 = (l->tx_flags & RTE_MBUF_F_TX_IPV6) != 0;
	/* What the length field covers: IPv6 does not count its own header. */
	const uint32_t ip_bytes = m->pkt_len - RTE_ETHER_HDR_LEN - (ipv6 ? l->l3_len : 0);
	const uint32_t payload_bytes = m->pkt_len - RTE_ETHER_HDR_LEN - l->l3_len - l->l4_len;

	if (l->proto != IPPROTO_TCP || m->tso_segsz == 0 || ip_bytes > UINT16_MAX)
		return -EINVAL;
	if (payload_bytes <= m->tso_segsz)
		return 0;
	if (payload_bytes > (uint32_t)m->tso_segsz * AIRLOCK_OFFLOAD_MAX_SEGMENTS)
		return -EINVAL;
	l->tx_flags |= RTE_MBUF_F_TX_TCP_SEG | (ipv6 ? 0 : RTE_MBUF_F_TX_IP_CKSUM);
	return 0;
}

static int
check_lengths(const struct rte_mbuf *m, const struct layout *l)
{
	const uint32_t there = m->pkt_len - RTE_ETHER_HDR_LEN - l->l3_len;

	if (l->ip_payload_bytes < (int32_t)l->l4_len || (uint32_t)l->ip_payload_bytes > there)
		return -EINVAL;
	return 0;
}

/* Not inlined, so that the packet without a request does not pay for saving registers. */
static __rte_noinline int
accept_request(struct rte_mbuf *m)
{
	const bool segments = (m->ol_flags & RTE_MBUF_F_RX_LRO) != 0;
	struct layout l = {0};
	int ret;

	ret = parse_headers(m, &l);
	if (ret == 0 && segments)
		ret = check_segments(m, &l);
	if (ret == 0 && (l.tx_flags & RTE_MBUF_F_TX_TCP_SEG) == 0)
		ret = check_lengths(m, &l);
	if (ret < 0)
		return ret;
	m->tx_offload = rte_mbuf_tx_offload(RTE_ETHER_HDR_LEN, l.l3_len, l.l4_len,
		(l.tx_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ? m->tso_segsz : 0, 0, 0, 0);
	m->ol_flags = (m->ol_flags & OFFLOAD_MEMORY_FLAGS) | l.tx_flags;
	return 0;
}

int
airlock_offload_accept(struct rte_mbuf *m)
{
	const uint64_t csum = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (csum == RTE_MBUF_F_RX_L4_CKSUM_NONE || (m->ol_flags & RTE_MBUF_F_RX_LRO) != 0)
		return accept_request(m);
	m->ol_flags &= OFFLOAD_MEMORY_FLAGS;
	return 0;
}
