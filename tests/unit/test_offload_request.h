/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_OFFLOAD_REQUEST_H
#define TEST_OFFLOAD_REQUEST_H

/**
 * @file
 * For the tests of what airlock_offload_accept() takes and refuses.
 *
 * Packets that are to be refused lie in heap blocks of just their length: AddressSanitizer sees a
 * read beyond.
 */

#include "airlock_offload.h"
#include "test_offload.h"

#define NB_FRAMES 256
#define NB_BARE	  4

static struct frames frames;
static struct rte_mempool *bare; /* mbufs to be attached to the heap */
static uint8_t sent[MAX_PACKET];

static inline int
setup(void)
{
	TEST_ASSERT_SUCCESS(frames_create(&frames, "test_offload", NB_FRAMES), "no frames");
	bare = rte_pktmbuf_pool_create("test_offload_bare", NB_BARE, 0, 0, 0, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(bare, "no mempool");
	return TEST_SUCCESS;
}

static inline void
teardown(void)
{
	rte_mempool_free(bare);
	frames_destroy(&frames);
}

static inline int
pools_are_full(void)
{
	TEST_ASSERT_EQUAL(rte_mempool_avail_count(bare), NB_BARE, "mbufs leaked");
	return frames_are_whole(&frames);
}

static inline void
free_block(void *addr, void *opaque)
{
	free(opaque);
}

/** A packet in a heap block that ends where the packet ends. */
static inline struct rte_mbuf *
on_heap(const uint8_t *bytes, uint16_t len)
{
	static struct rte_mbuf_ext_shared_info info = {.free_cb = free_block};
	struct rte_mbuf *m = rte_pktmbuf_alloc(bare);
	uint8_t *block = malloc(RTE_MAX(len, 1u));

	if (m == NULL || block == NULL) {
		rte_pktmbuf_free(m);
		free(block);
		return NULL;
	}
	memcpy(block, bytes, len);
	info.fcb_opaque = block;
	rte_mbuf_ext_refcnt_set(&info, 1);
	rte_pktmbuf_attach_extbuf(m, block, RTE_BAD_IOVA, len, &info);
	m->data_len = len;
	m->pkt_len = len;
	return m;
}

/** What accept() says to a packet of *len* bytes; *segment_bytes* as for request(). */
static inline int
verdict(const uint8_t *bytes, uint32_t len, uint16_t segment_bytes)
{
	struct rte_mbuf *m =
		len <= UINT16_MAX ? on_heap(bytes, len) : scatter(frames.pool, bytes, len, 0, 0);
	uint64_t flags;
	int ret;

	if (m == NULL)
		return -ENOMEM;
	request(m, segment_bytes);
	flags = m->ol_flags;
	ret = airlock_offload_accept(m);
	if (ret < 0 && m->ol_flags != flags)
		ret = -EBADMSG;
	rte_pktmbuf_free(m);
	return ret;
}

#endif /* TEST_OFFLOAD_REQUEST_H */
