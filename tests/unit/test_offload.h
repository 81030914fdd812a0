/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_OFFLOAD_H
#define TEST_OFFLOAD_H

/**
 * @file
 * Packets and mempools for the tests of lib/offload.
 *
 * Packets are built and checksums verified byte by byte, with none of the code that is tested and
 * none of DPDK's: an error in either shows.
 */

#include <stdlib.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "airlock_offload.h"
#include "test.h"

#define ETH_LEN	     14
#define FRAME_BYTES  4096
#define ROOM_BYTES   (FRAME_BYTES - RTE_PKTMBUF_HEADROOM)
#define MAX_PACKET   (65536 + 128)
#define TSO_CAPS     (AIRLOCK_OFFLOAD_TSO4 | AIRLOCK_OFFLOAD_TSO6)
#define ALL_CAPS     (AIRLOCK_OFFLOAD_L4_CSUM | TSO_CAPS | AIRLOCK_OFFLOAD_CHAINS)
#define IP_PROTO_TCP 6
#define IP_PROTO_UDP 17
#define TCP_FIN	     0x01
#define TCP_PSH	     0x08
#define TCP_ACK	     0x10
#define TCP_ECE	     0x40
#define TCP_CWR	     0x80
#define FIRST_SEQ    0xfffff000 /* wraps in a long packet */
#define FIRST_ID     0xfff0 /* wraps after 16 segments */
#define GARBAGE	     0xdead /* in a checksum field that is to be filled in */

/** A mempool of frames as the daemon has them: pinned external buffers. */
struct frames {
	struct rte_mempool *pool;
	void *memory;
	unsigned int nb;
};

/** What a packet is to look like. */
struct shape {
	bool ipv6;
	bool udp;
	uint32_t ip_options_bytes;
	uint32_t tcp_options_bytes;
	uint32_t payload_bytes;
	uint8_t tcp_flags;
};

/** The four kinds of packets that get a checksum. */
static const struct kind {
	const char *name;
	bool ipv6;
	bool udp;
	uint64_t tx_flags;
} kinds[] = {
	{"tcp4", false, false, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM},
	{"udp4", false, true, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM},
	{"tcp6", true, false, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM},
	{"udp6", true, true, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM},
};

static inline int
frames_create(struct frames *f, const char *name, unsigned int nb)
{
	const size_t bytes = (size_t)nb * FRAME_BYTES;
	struct rte_pktmbuf_extmem area = {
		.buf_iova = RTE_BAD_IOVA,
		.buf_len = bytes,
		.elt_size = FRAME_BYTES,
	};

	f->nb = nb;
	f->memory = aligned_alloc(FRAME_BYTES, bytes);
	area.buf_ptr = f->memory;
	TEST_ASSERT_NOT_NULL(f->memory, "%zu bytes", bytes);
	f->pool = rte_pktmbuf_pool_create_extbuf(
		name, nb, 32, 0, FRAME_BYTES, SOCKET_ID_ANY, &area, 1);
	TEST_ASSERT_NOT_NULL(f->pool, "no mempool of %u frames", nb);
	return TEST_SUCCESS;
}

static inline void
frames_destroy(struct frames *f)
{
	rte_mempool_free(f->pool);
	free(f->memory);
	memset(f, 0, sizeof(*f));
}

/** Every frame is back in its mempool, once, and is a frame still. */
static inline int
frames_are_whole(const struct frames *f)
{
	struct rte_mbuf **all = calloc(f->nb, sizeof(*all));
	unsigned int nb_lost = 0, nb_twice = 0, nb;

	TEST_ASSERT_NOT_NULL(all, "no memory");
	TEST_ASSERT_EQUAL(rte_mempool_avail_count(f->pool), f->nb, "frames leaked");
	for (nb = 0; nb < f->nb; nb++) {
		all[nb] = rte_pktmbuf_alloc(f->pool);
		if (all[nb] == NULL)
			break;
		if ((all[nb]->ol_flags & RTE_MBUF_F_EXTERNAL) == 0)
			nb_lost++;
		/* Marks it: a frame that is handed out twice carries the mark already. */
		if (*rte_pktmbuf_mtod(all[nb], uint64_t *) == (uintptr_t)all[nb])
			nb_twice++;
		*rte_pktmbuf_mtod(all[nb], uint64_t *) = (uintptr_t)all[nb];
	}
	for (unsigned int i = 0; i < nb; i++) {
		*rte_pktmbuf_mtod(all[i], uint64_t *) = 0;
		rte_pktmbuf_free(all[i]);
	}
	free(all);
	TEST_ASSERT_EQUAL(nb, f->nb, "frames are not to be had");
	TEST_ASSERT_EQUAL(nb_lost, 0, "frames without their flag");
	TEST_ASSERT_EQUAL(nb_twice, 0, "frames that returned twice");
	return TEST_SUCCESS;
}

static inline void
put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static inline void
put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static inline uint16_t
get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static inline uint32_t
get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/** One's complement sum as RFC 1071 has it, in host byte order; goes on from *sum*. */
static inline uint16_t
plain_sum(const uint8_t *bytes, uint32_t len, uint64_t sum)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
	while (sum > 0xffff)
		sum = (sum >> 16) + (sum & 0xffff);
	return sum;
}

static inline bool
is_ipv6(const uint8_t *p)
{
	return get16(p + 12) == 0x86dd;
}

static inline uint32_t
l3_bytes(const uint8_t *p)
{
	return is_ipv6(p) ? 40 : (p[ETH_LEN] & 0x0f) * 4;
}

static inline uint8_t
l4_proto(const uint8_t *p)
{
	return p[ETH_LEN + (is_ipv6(p) ? 6 : 9)];
}

static inline uint32_t
l4_offset(const uint8_t *p)
{
	return ETH_LEN + l3_bytes(p);
}

/** Bytes behind the IP header, as the IP header says. */
static inline uint32_t
l4_bytes(const uint8_t *p)
{
	return is_ipv6(p) ? get16(p + ETH_LEN + 4) : get16(p + ETH_LEN + 2) - l3_bytes(p);
}

static inline uint32_t
csum_offset(const uint8_t *p)
{
	return l4_offset(p) + (l4_proto(p) == IP_PROTO_TCP ? 16 : 6);
}

static inline uint32_t
headers_bytes(const uint8_t *p)
{
	const uint32_t l4 = l4_offset(p);

	return l4 + (l4_proto(p) == IP_PROTO_TCP ? (p[l4 + 12] >> 4) * 4 : 8);
}

static inline uint16_t
pseudo_sum(const uint8_t *p)
{
	const uint64_t sum = l4_bytes(p) + l4_proto(p);

	return is_ipv6(p) ? plain_sum(p + ETH_LEN + 8, 32, sum)
			  : plain_sum(p + ETH_LEN + 12, 8, sum);
}

static inline bool
l4_csum_is_right(const uint8_t *p)
{
	return plain_sum(p + l4_offset(p), l4_bytes(p), pseudo_sum(p)) == 0xffff;
}

static inline bool
ipv4_csum_is_right(const uint8_t *p)
{
	return plain_sum(p + ETH_LEN, l3_bytes(p), 0) == 0xffff;
}

/** Bytes without a pattern that a mixed-up segment could hide in. */
static inline void
fill(uint8_t *at, uint32_t len)
{
	uint32_t state = 2463534242u;

	for (uint32_t i = 0; i < len; i++) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		at[i] = state;
	}
}

static inline uint32_t
build_l3(uint8_t *p, const struct shape *s, uint32_t l4_len)
{
	const uint32_t ihl_bytes = 20 + s->ip_options_bytes;
	uint8_t *ip = p + ETH_LEN;

	put16(p + 12, s->ipv6 ? 0x86dd : 0x0800);
	if (s->ipv6) {
		put32(ip, 0x60000000);
		put16(ip + 4, l4_len);
		ip[6] = s->udp ? IP_PROTO_UDP : IP_PROTO_TCP;
		ip[7] = 64;
		return ETH_LEN + 40;
	}
	ip[0] = 0x40 | ihl_bytes / 4;
	ip[1] = 0;
	put16(ip + 2, ihl_bytes + l4_len);
	put16(ip + 4, FIRST_ID);
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = s->udp ? IP_PROTO_UDP : IP_PROTO_TCP;
	memset(ip + 20, 1, s->ip_options_bytes);
	put16(ip + 10, 0);
	put16(ip + 10, ~plain_sum(ip, ihl_bytes, 0));
	return ETH_LEN + ihl_bytes;
}

/** Build a packet whose L4 checksum holds garbage. @return its length in bytes */
static inline uint32_t
build(uint8_t *p, const struct shape *s)
{
	const uint32_t header = s->udp ? 8 : 20 + s->tcp_options_bytes;
	const uint32_t l4_len = header + s->payload_bytes;
	uint32_t offset;
	uint8_t *l4;

	fill(p, ETH_LEN + 60 + l4_len);
	offset = build_l3(p, s, l4_len);
	l4 = p + offset;
	if (s->udp) {
		put16(l4 + 4, l4_len);
		put16(l4 + 6, GARBAGE);
	} else {
		put32(l4 + 4, FIRST_SEQ);
		l4[12] = header / 4 << 4;
		l4[13] = s->tcp_flags;
		put16(l4 + 16, GARBAGE);
		memset(l4 + 20, 1, s->tcp_options_bytes);
	}
	return offset + l4_len;
}

/**
 * Put bytes into a chain: *first* of them in the first mbuf, *rest* in each of the others. 0 stands
 * for as many as there is room for.
 */
static inline struct rte_mbuf *
scatter(struct rte_mempool *pool, const uint8_t *bytes, uint32_t len, uint32_t first, uint32_t rest)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(pool), *last = head;
	uint32_t want = first, done = 0, nb;

	while (last != NULL) {
		nb = RTE_MIN(len - done, (uint32_t)rte_pktmbuf_tailroom(last));
		nb = want == 0 ? nb : RTE_MIN(nb, want);
		memcpy(rte_pktmbuf_mtod(last, void *), bytes + done, nb);
		last->data_len = nb;
		head->pkt_len += nb;
		done += nb;
		if (done == len)
			return head;
		want = rest;
		last->next = rte_pktmbuf_alloc(pool);
		last = last->next;
		head->nb_segs++;
	}
	rte_pktmbuf_free(head);
	return NULL;
}

/** The other way round. @return the number of bytes */
static inline uint32_t
gather(const struct rte_mbuf *m, uint8_t *bytes)
{
	uint32_t len = 0;

	for (; m != NULL; m = m->next) {
		memcpy(bytes + len, rte_pktmbuf_mtod(m, const void *), m->data_len);
		len += m->data_len;
	}
	return len;
}

/** Ask for it as rte_vhost_dequeue_burst() does; *segment_bytes* of 0: for a checksum only. */
static inline void
request(struct rte_mbuf *m, uint16_t segment_bytes)
{
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	m->tso_segsz = segment_bytes;
	if (segment_bytes != 0)
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
}

/** The flags of a packet, without those that say what memory its mbuf has. */
static inline uint64_t
request_flags(const struct rte_mbuf *m)
{
	return m->ol_flags & ~(RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT);
}

#endif /* TEST_OFFLOAD_H */
