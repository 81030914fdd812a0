/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The RX ring engine's life: made, attached to a VM's ring, given a window, detached. The datapath
 * is in rxring_copy.c, and for the two layouts of a ring in rxring_split.c and rxring_packed.c;
 * what outlives airlock in rxring_record.c.
 *
 * A ring keeps three things about what the guest posted: for each frame of its partition the id of
 * the buffer that is posted for it, a queue of private buffers, and a list of what is used but not
 * yet written into the ring. A descriptor taken in is in exactly one of them (nb_held counts all),
 * so the list and the queue cannot run over: the ring has no more descriptors than they have room.
 *
 * Without a record private buffers are used first in, first out, though the last one in is the
 * warmer one: a VM that posts no frames has its buffers used in order then, and after a crash of
 * airlock the used index in its memory says all that is to be known about its ring. With a record
 * they are used in the order of their ids, by and large (rxring_order.c).
 *
 * Thread rule: control, while no lcore can have the ring.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <rte_errno.h>

#include "rxring_priv.h"

static_assert(
	AIRLOCK_RXRING_HDR_BYTES == sizeof(struct virtio_net_hdr_mrg_rxbuf), "VIRTIO 5.1.6.1");

static const char *const refusal_names[] = {
	[AIRLOCK_RXRING_CHAIN] = "chain",
	[AIRLOCK_RXRING_READ_ONLY] = "read_only",
	[AIRLOCK_RXRING_OFFSET] = "offset",
	[AIRLOCK_RXRING_FOREIGN] = "foreign",
	[AIRLOCK_RXRING_TWICE] = "twice",
	[AIRLOCK_RXRING_SHORT] = "short",
	[AIRLOCK_RXRING_ADDRESS] = "address",
	[AIRLOCK_RXRING_NO_WINDOW] = "no_window",
};
static_assert(RTE_DIM(refusal_names) == AIRLOCK_RXRING_REFUSALS, "every refusal has a name");

const char *
airlock_rxring_refusal_name(enum airlock_rxring_refusal refusal)
{
	return refusal_names[refusal];
}

struct airlock_rxring *
airlock_rxring_create(struct airlock_page_table *pages)
{
	struct airlock_rxring *ring;

	ring = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*ring));
	if (ring == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	memset(ring, 0, sizeof(*ring));
	ring->pages = pages;
	ring->frame_room = RTE_MIN(pages->frame.bytes, UINT32_C(65535));
	return ring;
}

static void
free_queues(struct airlock_rxring *ring)
{
	free(ring->private);
	free(ring->used);
	ring->private = NULL;
	ring->used = NULL;
	rxring_order_free(ring);
}

void
airlock_rxring_destroy(struct airlock_rxring *ring)
{
	if (ring == NULL)
		return;
	free_queues(ring);
	free(ring->posted);
	free(ring);
}

static bool
is_aligned(const void *address, size_t bytes)
{
	return ((uintptr_t)address & (bytes - 1)) == 0;
}

/* Alignments of VIRTIO 1.2, 2.7 and 2.8. */
static bool
split_is_good(const struct airlock_rxring_vring *vring)
{
	return rte_is_power_of_2(vring->size) && vring->desc != NULL && vring->avail != NULL &&
		vring->used != NULL && is_aligned(vring->desc, 16) && is_aligned(vring->avail, 2) &&
		is_aligned(vring->used, 4) && vring->last_avail == vring->last_used;
}

static bool
packed_is_good(const struct airlock_rxring_vring *vring)
{
	return (vring->last_avail & INT16_MAX) < vring->size && vring->desc_packed != NULL &&
		vring->driver_event != NULL && vring->device_event != NULL &&
		is_aligned(vring->desc_packed, 16) && is_aligned(vring->driver_event, 4) &&
		vring->last_avail == vring->last_used;
}

static bool
vring_is_good(const struct airlock_rxring_vring *vring)
{
	bool packed = (vring->features & RTE_BIT64(VIRTIO_F_RING_PACKED)) != 0;

	if (vring->size == 0 || vring->size > AIRLOCK_RXRING_MAX_SIZE || packed != vring->packed ||
		(vring->features & RTE_BIT64(VIRTIO_F_IN_ORDER)) != 0)
		return false;
	return packed ? packed_is_good(vring) : split_is_good(vring);
}

static void
start_at(struct airlock_rxring *ring, uint16_t last_avail)
{
	bool packed = ring->vring.packed;

	ring->avail_idx = packed ? last_avail & INT16_MAX : last_avail;
	ring->avail_wrap = packed && (last_avail & RTE_BIT32(15)) != 0;
	ring->used_idx = ring->avail_idx;
	ring->used_wrap = ring->avail_wrap;
	ring->nb_held = 0;
	ring->nb_used = 0;
	ring->private_head = 0;
	ring->private_tail = 0;
	ring->most_private = 0;
	ring->signalled_valid = false;
	ring->must_kick = false;
	ring->near.bytes = 0;
}

int
airlock_rxring_attach(struct airlock_rxring *ring, const struct airlock_rxring_vring *vring)
{
	const uint64_t long_header = RTE_BIT64(VIRTIO_NET_F_MRG_RXBUF) |
		RTE_BIT64(VIRTIO_F_VERSION_1) | RTE_BIT64(VIRTIO_F_RING_PACKED);
	uint32_t nb_private = rte_align32pow2(vring->size);

	if (ring->attached || !vring_is_good(vring))
		return -EINVAL;
	ring->private = calloc(nb_private, sizeof(ring->private[0]));
	ring->used = calloc(vring->size, sizeof(ring->used[0]));
	ring->vring = *vring;
	if (ring->private == NULL || ring->used == NULL || rxring_order_create(ring) < 0) {
		free_queues(ring);
		return -ENOMEM;
	}
	ring->private_mask = nb_private - 1;
	ring->mergeable = (vring->features & RTE_BIT64(VIRTIO_NET_F_MRG_RXBUF)) != 0;
	ring->event_idx = (vring->features & RTE_BIT64(VIRTIO_RING_F_EVENT_IDX)) != 0;
	ring->hdr_bytes = (vring->features & long_header) != 0
		? sizeof(struct virtio_net_hdr_mrg_rxbuf)
		: sizeof(struct virtio_net_hdr);
	start_at(ring, vring->last_avail);
	atomic_store_explicit(&ring->broken, false, memory_order_relaxed);
	rxring_record_attach(ring);
	ring->attached = true;
	return 0;
}

static bool
flush(struct airlock_rxring *ring)
{
	return ring->vring.packed ? rxring_packed_flush(ring) : rxring_split_flush(ring);
}

static void
return_frames(struct airlock_rxring *ring)
{
	for (uint32_t i = 0; ring->attached && i < ring->window.nb_frames; i++) {
		if (ring->posted[i] == RXRING_NO_ID)
			continue;
		rxring_use(ring, ring->posted[i], 0, 1);
		ring->posted[i] = RXRING_NO_ID;
	}
}

static void
return_private(struct airlock_rxring *ring)
{
	rxring_order_queue(ring);
	while (rxring_nb_queued(ring) > 0) {
		rxring_use(ring, ring->private[ring->private_head & ring->private_mask].id, 0, 1);
		ring->private_head++;
	}
}

void
airlock_rxring_detach(struct airlock_rxring *ring, uint16_t *last_avail, uint16_t *last_used)
{
	if (!ring->attached)
		return;
	return_frames(ring);
	return_private(ring);
	flush(ring);
	*last_avail = ring->avail_idx | ring->avail_wrap << 15;
	*last_used = ring->used_idx | ring->used_wrap << 15;
	free_queues(ring);
	ring->attached = false;
}

int
airlock_rxring_set_window(struct airlock_rxring *ring, const struct airlock_rxring_window *window)
{
	uint16_t *posted = NULL;

	if (window->bytes != 0) {
		posted = malloc(RTE_MAX(window->nb_frames, 1u) * sizeof(posted[0]));
		if (posted == NULL)
			return -ENOMEM;
		memset(posted, 0xff, window->nb_frames * sizeof(posted[0]));
	}
	return_frames(ring);
	if (ring->attached)
		flush(ring);
	if (posted != NULL)
		rxring_record_owner(ring, window->owner);
	free(ring->posted);
	ring->posted = posted;
	ring->window = *window;
	ring->near.bytes = 0;
	ring->given = ring->record != NULL && ring->record_first == window->first_frame &&
			ring->record_frames == window->nb_frames
		? ring->record->given
		: NULL;
	if (posted == NULL)
		ring->window.nb_frames = 0;
	return 0;
}

bool
airlock_rxring_is_usable(const struct airlock_rxring *ring)
{
	return ring->attached && !airlock_rxring_is_broken(ring);
}

bool
airlock_rxring_is_broken(const struct airlock_rxring *ring)
{
	return atomic_load_explicit(&ring->broken, memory_order_relaxed);
}

uint64_t
airlock_rxring_refused(const struct airlock_rxring *ring, enum airlock_rxring_refusal refusal)
{
	return atomic_load_explicit(&ring->refused[refusal], memory_order_relaxed);
}
