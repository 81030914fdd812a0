/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_OFFLOAD_FIT_H
#define TEST_OFFLOAD_FIT_H

/**
 * @file
 * For the tests of airlock_offload_fit(): packets, and what is to become of them.
 */

#include "airlock_offload.h"
#include "test_offload.h"

#define NB_FRAMES    512
#define NB_ORDINARY  64
#define MAX_SEGMENTS AIRLOCK_OFFLOAD_MAX_SEGMENTS

static struct frames frames;
static struct rte_mempool *ordinary; /* mbufs with a buffer of their own */
static struct airlock_offload *ctx;
static uint8_t sent[MAX_PACKET], got[MAX_PACKET], joined[MAX_PACKET];

static inline int
setup(void)
{
	TEST_ASSERT_SUCCESS(frames_create(&frames, "test_offload_tso", NB_FRAMES), "no frames");
	ordinary = rte_pktmbuf_pool_create(
		"test_offload_ordinary", NB_ORDINARY, 0, 0, FRAME_BYTES, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(ordinary, "no mempool");
	ctx = airlock_offload_create(frames.pool, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(ctx, "no context");
	return TEST_SUCCESS;
}

static inline void
teardown(void)
{
	airlock_offload_destroy(ctx);
	rte_mempool_free(ordinary);
	frames_destroy(&frames);
}

static inline int
pools_are_full(void)
{
	TEST_ASSERT_EQUAL(rte_mempool_avail_count(ordinary), NB_ORDINARY, "mbufs leaked");
	return frames_are_whole(&frames);
}

/** A packet of *s* that a VM wants segmented, or with 0 for *segment_bytes* completed. */
static inline struct rte_mbuf *
packet(struct rte_mempool *pool, const struct shape *s, uint16_t segment_bytes, uint32_t first,
	uint32_t rest)
{
	const uint32_t len = build(sent, s);
	struct rte_mbuf *m = scatter(pool, sent, len, first, rest);

	if (m == NULL)
		return NULL;
	request(m, segment_bytes);
	if (airlock_offload_accept(m) == 0)
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

/** What segmentation changes in the IP header of segment *i* in got[]; puts it back afterwards. */
static inline int
check_ip_header(uint32_t i)
{
	if (is_ipv6(sent)) {
		memcpy(got + ETH_LEN + 4, sent + ETH_LEN + 4, 2);
		return TEST_SUCCESS;
	}
	TEST_ASSERT_EQUAL(get16(got + ETH_LEN + 4), (FIRST_ID + i) & 0xffff, "IP id of %u", i);
	TEST_ASSERT(ipv4_csum_is_right(got), "IP checksum of %u", i);
	memcpy(got + ETH_LEN + 2, sent + ETH_LEN + 2, 4);
	memcpy(got + ETH_LEN + 10, sent + ETH_LEN + 10, 2);
	return TEST_SUCCESS;
}

/** Headers of segment *i* of *nb* in got[], against those of the packet in sent[]. */
static inline int
check_headers(uint32_t i, uint32_t nb, uint32_t done, bool complete)
{
	const uint8_t *tcp = got + l4_offset(got), *all = sent + l4_offset(sent);
	const uint8_t absent = (i > 0 ? TCP_CWR : 0) | (i < nb - 1 ? TCP_FIN | TCP_PSH : 0);

	TEST_ASSERT_EQUAL(get32(tcp + 4), (FIRST_SEQ + done) & UINT32_MAX, "sequence of %u", i);
	TEST_ASSERT_EQUAL(tcp[13], all[13] & ~absent, "flags of %u of %u", i, nb);
	TEST_ASSERT(complete ? l4_csum_is_right(got) : get16(tcp + 16) == pseudo_sum(got),
		"checksum of %u", i);
	TEST_ASSERT_SUCCESS(check_ip_header(i), "segment %u", i);
	/* All that has to differ is looked at: the rest is the packet's. */
	memcpy(got + l4_offset(got) + 4, all + 4, 4);
	got[l4_offset(got) + 13] = all[13];
	memcpy(got + l4_offset(got) + 16, all + 16, 2);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(got, sent, headers_bytes(sent), "headers of %u", i);
	return TEST_SUCCESS;
}

static inline int
check_mbuf(const struct rte_mbuf *m, uint32_t caps)
{
	const bool complete = (caps & AIRLOCK_OFFLOAD_L4_CSUM) == 0;
	const uint64_t ip = is_ipv6(sent) ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	const uint64_t flags = complete ? 0 : ip | RTE_MBUF_F_TX_TCP_CKSUM;

	TEST_ASSERT(airlock_offload_fits(m, caps), "fits after all");
	TEST_ASSERT_SUCCESS(rte_mbuf_check(m, 1, &(const char *){NULL}), "a sane mbuf");
	TEST_ASSERT_EQUAL(m->nb_segs, (m->pkt_len + ROOM_BYTES - 1) / ROOM_BYTES, "no more frames");
	TEST_ASSERT_EQUAL(request_flags(m), flags, "what is left to do");
	TEST_ASSERT((m->ol_flags & RTE_MBUF_F_EXTERNAL) != 0, "a frame");
	TEST_ASSERT_EQUAL(rte_pktmbuf_headroom(m), RTE_PKTMBUF_HEADROOM, "headroom");
	TEST_ASSERT_EQUAL(m->l2_len, ETH_LEN, "l2_len");
	TEST_ASSERT_EQUAL(m->l3_len, l3_bytes(sent), "l3_len");
	TEST_ASSERT_EQUAL(m->l4_len, headers_bytes(sent) - l4_offset(sent), "l4_len");
	TEST_ASSERT_EQUAL(m->tso_segsz, 0, "tso_segsz");
	return TEST_SUCCESS;
}

/** *nb* packets in *out* are the segments of the packet in sent[], for a receiver with *caps*. */
static inline int
check_segments(
	struct rte_mbuf **out, uint32_t nb, uint32_t len, uint32_t segment_bytes, uint32_t caps)
{
	const uint32_t headers = headers_bytes(sent);
	const uint32_t payload = len - headers;
	uint32_t done = 0;

	TEST_ASSERT_EQUAL(nb, (payload + segment_bytes - 1) / segment_bytes, "segments");
	for (uint32_t i = 0; i < nb; i++) {
		const uint32_t want = RTE_MIN(segment_bytes, payload - done);

		TEST_ASSERT_SUCCESS(check_mbuf(out[i], caps), "segment %u", i);
		TEST_ASSERT_EQUAL(gather(out[i], got), headers + want, "length of %u", i);
		TEST_ASSERT_EQUAL(out[i]->pkt_len, headers + want, "length of %u", i);
		TEST_ASSERT_EQUAL(l4_offset(got) + l4_bytes(got), headers + want, "of %u", i);
		memcpy(joined + done, got + headers, want);
		TEST_ASSERT_SUCCESS(
			check_headers(i, nb, done, (caps & AIRLOCK_OFFLOAD_L4_CSUM) == 0),
			"segment %u", i);
		done += want;
	}
	TEST_ASSERT_BUFFERS_ARE_EQUAL(joined, sent + headers, payload, "payload");
	return TEST_SUCCESS;
}

/** Segment a packet for *caps*, look at the outcome, and free it. */
static inline int
segment(struct rte_mbuf *m, uint32_t segment_bytes, uint32_t caps)
{
	struct rte_mbuf *out[MAX_SEGMENTS];
	uint32_t len;
	int nb;

	TEST_ASSERT_NOT_NULL(m, "no packet");
	len = m->pkt_len;
	nb = airlock_offload_fit(ctx, m, caps, out, RTE_DIM(out));
	TEST_ASSERT(nb > 0, "fit: %d", nb);
	TEST_ASSERT_SUCCESS(check_segments(out, nb, len, segment_bytes, caps), "caps %#x", caps);
	rte_pktmbuf_free_bulk(out, nb);
	return TEST_SUCCESS;
}

/** Make a packet fit *caps* as one; it is sent[], with the right checksum or ours to come. */
static inline int
fit_one(struct rte_mbuf *m, uint32_t caps)
{
	struct rte_mbuf *out[MAX_SEGMENTS];
	uint32_t len;

	TEST_ASSERT_NOT_NULL(m, "no packet");
	len = m->pkt_len;
	TEST_ASSERT_EQUAL(airlock_offload_fit(ctx, m, caps, out, RTE_DIM(out)), 1, "%#x", caps);
	TEST_ASSERT(airlock_offload_fits(out[0], caps), "%#x", caps);
	TEST_ASSERT_SUCCESS(rte_mbuf_check(out[0], 1, &(const char *){NULL}), "a sane mbuf");
	TEST_ASSERT_EQUAL(gather(out[0], got), len, "length");
	if ((caps & AIRLOCK_OFFLOAD_L4_CSUM) == 0) {
		TEST_ASSERT(l4_csum_is_right(got), "%#x, %u bytes", caps, len);
		put16(got + csum_offset(got), GARBAGE);
	} else {
		TEST_ASSERT_NOT_EQUAL(request_flags(out[0]), 0, "request is kept");
	}
	TEST_ASSERT_BUFFERS_ARE_EQUAL(got, sent, len, "%#x, %u bytes", caps, len);
	rte_pktmbuf_free(out[0]);
	return TEST_SUCCESS;
}

#endif /* TEST_OFFLOAD_FIT_H */
