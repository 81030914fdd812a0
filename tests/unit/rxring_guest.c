/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The guest of an RX ring: its memory, its rings as they are before anything is posted, the engine
 * that is attached to them, and packets. What its driver does is in rxring_guest_driver.c.
 *
 * Thread rule: main thread.
 */

#include <stdlib.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_errno.h>
#include <rte_mempool.h>

#include "rxring_guest.h"

#define RINGS_BYTES (32 << 10)
#define NB_MBUFS    511

struct guest guest;

uint8_t *
guest_at(uint64_t addr)
{
	uint64_t offset = addr - GUEST_MEMORY;

	return &guest.regions[offset / GUEST_REGION_BYTES][offset % GUEST_REGION_BYTES];
}

static void *
translate(void *arg, uint64_t guest_addr, uint64_t *len)
{
	uint64_t offset = guest_addr - GUEST_MEMORY;

	if (offset >= GUEST_BYTES) {
		*len = 0;
		return NULL;
	}
	*len = RTE_MIN(*len, GUEST_REGION_BYTES - offset % GUEST_REGION_BYTES);
	return guest_at(guest_addr);
}

static void
log_write(void *arg, uint64_t guest_addr, uint64_t len)
{
	guest.logged_bytes += len;
}

/* What is logged has been written: of a packed ring, a descriptor is used in this round. */
static void
log_used(void *arg, uint64_t offset, uint64_t len)
{
	const uint16_t both = 1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED;
	uint16_t flags;

	guest.logged_used++;
	if (!guest.conf.packed)
		return;
	flags = guest.vring.desc_packed[offset / sizeof(guest.vring.desc_packed[0])].flags;
	guest.logged_early += (flags & both) != (guest.used_wrap ? both : 0);
}

/* As if the ring had gone round up to where it begins: used in this round, or in the last one. */
static void
fill_packed(void)
{
	uint16_t start = guest.conf.start & INT16_MAX;
	bool wrap = (guest.conf.start & RTE_BIT32(15)) != 0;

	for (uint16_t i = 0; i < guest.conf.size; i++) {
		if ((i < start) == wrap)
			guest.vring.desc_packed[i].flags =
				1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED;
	}
}

static void
place_rings(void)
{
	struct airlock_rxring_vring *vring = &guest.vring;
	uint16_t size = guest.conf.size;

	vring->packed = guest.conf.packed;
	vring->size = size;
	if (guest.conf.packed) {
		vring->desc_packed = (void *)guest.rings;
		vring->driver_event = (void *)(vring->desc_packed + size);
		vring->device_event = vring->driver_event + 1;
		fill_packed();
		return;
	}
	vring->desc = (void *)guest.rings;
	vring->avail = (void *)(vring->desc + size);
	vring->used = (void *)RTE_PTR_ALIGN_CEIL(
		(uint8_t *)vring->avail + sizeof(uint16_t) * (3 + size), 4);
	vring->avail->idx = guest.conf.start;
	vring->used->idx = guest.conf.start;
}

int
guest_attach(void)
{
	struct airlock_rxring_vring *vring = &guest.vring;

	vring->features = (guest.conf.packed ? RTE_BIT64(VIRTIO_F_RING_PACKED) : 0) |
		(guest.conf.mergeable ? RTE_BIT64(VIRTIO_NET_F_MRG_RXBUF) : 0) |
		(guest.conf.event_idx ? RTE_BIT64(VIRTIO_RING_F_EVENT_IDX) : 0) |
		(guest.conf.legacy ? 0 : RTE_BIT64(VIRTIO_F_VERSION_1));
	vring->translate = translate;
	return airlock_rxring_attach(guest.ring, vring);
}

void
guest_log(void)
{
	guest.vring.log_write = log_write;
	guest.vring.log_used = log_used;
}

int
guest_set_window(bool there)
{
	struct airlock_rxring_window window = {
		.guest_addr = GUEST_WINDOW,
		.bytes = there ? GUEST_FRAMES * GUEST_FRAME_BYTES : 0,
		.first_frame = GUEST_FIRST_FRAME,
		.nb_frames = GUEST_FRAMES - GUEST_FIRST_FRAME,
	};

	return airlock_rxring_set_window(guest.ring, &window);
}

static int
open_memory(void)
{
	struct airlock_page_partition all = {.name = "rxring", .nb_frames = GUEST_FRAMES};

	guest.regions[0] = calloc(1, GUEST_REGION_BYTES);
	guest.regions[1] = calloc(1, GUEST_REGION_BYTES);
	guest.pool = aligned_alloc(GUEST_FRAME_BYTES, GUEST_FRAMES * GUEST_FRAME_BYTES);
	guest.rings = aligned_alloc(GUEST_FRAME_BYTES, RINGS_BYTES);
	TEST_ASSERT(guest.regions[0] != NULL && guest.regions[1] != NULL && guest.pool != NULL &&
			guest.rings != NULL,
		"memory");
	memset(guest.pool, 0, GUEST_FRAMES * GUEST_FRAME_BYTES);
	memset(guest.rings, 0, RINGS_BYTES);
	guest.rings_bytes = RINGS_BYTES;
	guest.pages =
		airlock_page_table_create(guest.pool, GUEST_FRAMES, AIRLOCK_PAGE_SHIFT, &all, 1);
	TEST_ASSERT_NOT_NULL(guest.pages, "%s", rte_strerror(rte_errno));
	guest.mbufs = rte_pktmbuf_pool_create(
		"rxring", NB_MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + 10000, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(guest.mbufs, "%s", rte_strerror(rte_errno));
	return TEST_SUCCESS;
}

int
guest_open(const struct guest_conf *conf)
{
	guest_close();
	guest.conf = *conf;
	if (guest.conf.size == 0)
		guest.conf.size = 64;
	if (conf->packed && conf->start == 0)
		guest.conf.start = RTE_BIT32(15);
	TEST_ASSERT_SUCCESS(open_memory(), "guest");
	guest.nb_free = guest.conf.size;
	guest.avail_idx = guest.conf.start & (conf->packed ? INT16_MAX : UINT16_MAX);
	guest.used_idx = guest.avail_idx;
	guest.avail_wrap = guest.used_wrap = (guest.conf.start & RTE_BIT32(15)) != 0;
	place_rings();
	guest.vring.last_avail = guest.vring.last_used = guest.conf.start;
	guest.ring = airlock_rxring_create(guest.pages);
	TEST_ASSERT_NOT_NULL(guest.ring, "%s", rte_strerror(rte_errno));
	if (!conf->no_window)
		TEST_ASSERT_SUCCESS(guest_set_window(true), "window");
	TEST_ASSERT_SUCCESS(guest_attach(), "attach");
	return TEST_SUCCESS;
}

void
guest_close(void)
{
	uint16_t last_avail, last_used;

	if (guest.ring != NULL)
		airlock_rxring_detach(guest.ring, &last_avail, &last_used);
	airlock_rxring_destroy(guest.ring);
	rte_mempool_free(guest.mbufs);
	airlock_page_table_destroy(guest.pages);
	free(guest.rings);
	free(guest.pool);
	free(guest.regions[0]);
	free(guest.regions[1]);
	memset(&guest, 0, sizeof(guest));
}

static uint8_t
byte_at(uint32_t seed, uint32_t offset)
{
	return (seed * 0x9e3779b1 + offset * 0x85ebca6b) >> 24;
}

struct rte_mbuf *
guest_packet(uint32_t len, uint32_t seed, uint16_t nb_segs)
{
	struct rte_mbuf *head = NULL;
	uint32_t offset = 0;

	for (uint16_t i = 0; i < nb_segs; i++) {
		uint32_t part = i + 1 < nb_segs ? len / nb_segs : len - offset;
		struct rte_mbuf *m = rte_pktmbuf_alloc(guest.mbufs);
		uint8_t *bytes = (uint8_t *)rte_pktmbuf_append(m, part);

		for (uint32_t at = 0; at < part; at++)
			bytes[at] = byte_at(seed, offset++);
		if (head == NULL)
			head = m;
		else
			rte_pktmbuf_chain(head, m);
	}
	return head;
}

bool
guest_is_packet(const uint8_t *bytes, uint32_t len, uint32_t seed, uint32_t offset)
{
	for (uint32_t i = 0; i < len; i++) {
		if (bytes[i] != byte_at(seed, offset + i))
			return false;
	}
	return true;
}

uint16_t
guest_poll(void)
{
	static uint32_t frames[GUEST_MAX_SIZE];

	return airlock_rxring_poll(guest.ring, frames, GUEST_MAX_SIZE);
}
