/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Checksums in software, for packets that request.c or segment.c left with a request.
 *
 * The sum is taken over everything anew. A VM is supposed to have put the sum of the pseudo-header
 * into the field, but a packet's checksum should not hang on whether it did.
 *
 * The sum over a chain is made here, of rte_raw_cksum() per mbuf, because rte_raw_cksum_mbuf() of
 * DPDK 22.11 loses carries: behind an mbuf of odd length it cuts a sum of 32 bits to 16 before it
 * swaps the bytes.
 *
 * Thread rule: any thread that owns the mbuf.
 */

#include <errno.h>
#include <stdbool.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "airlock_offload.h"

#define CSUM_FLAGS (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM)

/* What a TCP or UDP checksum covers and where it goes. */
struct span {
	uint32_t offset;
	uint32_t len;
	uint16_t pseudo; /* sum of the pseudo-header */
	rte_be16_t *field;
};

static uint16_t
fold(uint32_t sum)
{
	sum = (sum >> 16) + (sum & UINT16_MAX);
	return (sum >> 16) + (sum & UINT16_MAX);
}

/* *offset* lies in the first mbuf, and all the bytes are there. */
static uint16_t
sum_chain(const struct rte_mbuf *m, uint32_t offset, uint32_t len)
{
	uint32_t done = 0, sum = 0;
	uint32_t nb_bytes;
	uint16_t part;

	for (; done < len; done += nb_bytes) {
		nb_bytes = RTE_MIN(m->data_len - offset, len - done);
		part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, offset), nb_bytes);
		sum += (done & 1) != 0 ? rte_bswap16(part) : part;
		offset = 0;
		m = m->next;
	}
	return fold(sum);
}

static int
find_span(const struct rte_mbuf *m, struct span *s)
{
	const bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
	const uint32_t l4_min = udp ? sizeof(struct rte_udp_hdr) : sizeof(struct rte_tcp_hdr);
	const struct rte_ipv4_hdr *ip4 = rte_pktmbuf_mtod_offset(m, const void *, m->l2_len);
	const struct rte_ipv6_hdr *ip6 = (const void *)ip4;
	void *l4;

	s->offset = m->l2_len + m->l3_len;
	if (s->offset + l4_min > m->data_len)
		return -EINVAL;
	if ((m->ol_flags & RTE_MBUF_F_TX_IPV4) != 0) {
		s->len = rte_be_to_cpu_16(ip4->total_length) - m->l3_len;
		s->pseudo = rte_ipv4_phdr_cksum(ip4, 0);
	} else {
		s->len = rte_be_to_cpu_16(ip6->payload_len);
		s->pseudo = rte_ipv6_phdr_cksum(ip6, 0);
	}
	/* A difference below 0 is a large number here. */
	if (s->len < l4_min || s->len > m->pkt_len - s->offset)
		return -EINVAL;
	l4 = rte_pktmbuf_mtod_offset(m, void *, s->offset);
	s->field =
		udp ? &((struct rte_udp_hdr *)l4)->dgram_cksum : &((struct rte_tcp_hdr *)l4)->cksum;
	return 0;
}

static void
finish_l4(struct rte_mbuf *m, const struct span *s)
{
	const bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
	uint16_t csum;

	*s->field = 0;
	csum = ~fold((uint32_t)sum_chain(m, s->offset, s->len) + s->pseudo);
	/* In UDP, 0 means that there is no checksum. */
	*s->field = csum == 0 && udp ? UINT16_MAX : csum;
}

static void
finish_ipv4(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, m->l2_len);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = ~rte_raw_cksum(ip, m->l3_len);
}

int
airlock_offload_finish_csum(struct rte_mbuf *m)
{
	const bool l4 = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0;
	struct span s;

	if ((m->ol_flags & CSUM_FLAGS) == 0)
		return 0;
	if (m->l2_len + m->l3_len > m->data_len)
		return -EINVAL;
	if (l4 && find_span(m, &s) < 0)
		return -EINVAL;
	if ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0)
		finish_ipv4(m);
	if (l4)
		finish_l4(m, &s);
	m->ol_flags &= ~(CSUM_FLAGS | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	return 0;
}
