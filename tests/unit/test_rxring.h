/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_RXRING_H
#define TEST_RXRING_H

/**
 * @file
 * What the tests of the RX ring engine with a guest that keeps to the rules share. Each case runs
 * for all layouts and features of a ring that it says; begins near the end of the ring, or of its
 * index, so that it goes round.
 *
 * Thread rule: main thread.
 */

#include <linux/virtio_net.h>

#include "rxring_guest.h"

#define CASE(fn) TEST_CASE_ST(NULL, guest_close, fn)

#define PRIVATE_BYTES 2048

static const struct guest_conf variants[] = {
	{.start = 65500},
	{.mergeable = true, .start = 65500},
	{.event_idx = true, .start = 65500},
	{.mergeable = true, .event_idx = true, .start = 65500},
	{.packed = true, .start = 60},
	{.packed = true, .mergeable = true, .start = 1 << 15 | 60},
	{.packed = true, .event_idx = true, .start = 1 << 15 | 60},
	{.packed = true, .mergeable = true, .event_idx = true, .size = 48, .start = 40},
	{.mergeable = true, .event_idx = true, .start = 65500, .frame_pages = 3},
	{.packed = true, .mergeable = true, .start = 1 << 15 | 60, .frame_pages = 3},
};

/* Run a case for each variant. */
static inline int
for_all(int (*run)(void))
{
	for (unsigned int i = 0; i < RTE_DIM(variants); i++) {
		TEST_ASSERT_SUCCESS(guest_open(&variants[i]), "variant %u", i);
		TEST_ASSERT_SUCCESS(run(), "variant %u", i);
		guest_close();
	}
	return TEST_SUCCESS;
}

static inline int
copy(uint32_t len, uint32_t seed, uint16_t nb_segs)
{
	struct rte_mbuf *m = guest_packet(len, seed, nb_segs);
	int ret = airlock_rxring_put_copy(guest.ring, m);

	rte_pktmbuf_free(m);
	return ret;
}

/* The next used buffer holds the packet, as a whole. */
static inline int
check_copy(uint32_t len, uint32_t seed, int want_id)
{
	const struct virtio_net_hdr_mrg_rxbuf *hdr;
	uint32_t used_len;
	uint16_t id;

	TEST_ASSERT(guest_take(&id, &used_len), "used");
	TEST_ASSERT(id != UINT16_MAX, "posted");
	if (want_id >= 0)
		TEST_ASSERT_EQUAL(id, want_id, "id");
	TEST_ASSERT_EQUAL(used_len, len + sizeof(*hdr), "length");
	hdr = (const void *)guest_at(guest.buffers[id].addr);
	TEST_ASSERT_EQUAL(hdr->num_buffers, 1, "buffers");
	TEST_ASSERT_EQUAL(hdr->hdr.flags, 0, "flags");
	TEST_ASSERT(guest_is_packet((const uint8_t *)(hdr + 1), len, seed, 0), "bytes");
	return TEST_SUCCESS;
}

#endif /* TEST_RXRING_H */
