/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The split layout of an RX ring (VIRTIO 1.2, 2.7): descriptors lie in a table; the driver writes
 * the numbers of those that it offers into the available ring, the device those that it is through
 * with into the used ring. Both rings have a free-running index.
 *
 * The guest can write all of it at any moment, so each word is loaded once, into a local variable.
 *
 * Thread rule: the lcore that has the ring.
 */

#include <rte_prefetch.h>

#include "rxring_priv.h"

/* Descriptors that are fetched side by side. */
#define IDS_AT_ONCE 32

struct rxring_desc
rxring_split_desc(const struct airlock_rxring *ring, uint16_t id)
{
	const struct vring_desc *desc = &ring->vring.desc[id];

	return (struct rxring_desc){
		.addr = __atomic_load_n(&desc->addr, __ATOMIC_RELAXED),
		.len = __atomic_load_n(&desc->len, __ATOMIC_RELAXED),
		.flags = __atomic_load_n(&desc->flags, __ATOMIC_RELAXED),
		.id = id,
		.nb_descs = 1,
	};
}

/*
 * The next few ids, with their descriptors on the way: those lie anywhere in the table, each in a
 * cache line that the driver's CPU has written last.
 */
static uint16_t
read_ids(const struct airlock_rxring *ring, uint16_t ids[static IDS_AT_ONCE], uint16_t nb)
{
	const struct airlock_rxring_vring *vring = &ring->vring;

	for (uint16_t i = 0; i < nb; i++) {
		uint16_t at = (ring->avail_idx + i) & (vring->size - 1);

		ids[i] = __atomic_load_n(&vring->avail->ring[at], __ATOMIC_RELAXED);
		if (unlikely(ids[i] >= vring->size))
			return i;
		rte_prefetch0(&vring->desc[ids[i]]);
	}
	return nb;
}

/* Returns how many of the buffers are frames. */
static uint16_t
take_ids(struct airlock_rxring *ring, const uint16_t *ids, uint16_t nb, uint32_t *frames)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < nb; i++) {
		struct rxring_desc desc = rxring_split_desc(ring, ids[i]);

		if (ring->record != NULL)
			rxring_record_set(ring, ids[i], desc.addr);
		ring->avail_idx++;
		n += rxring_take(ring, &desc, &frames[n]);
	}
	return n;
}

uint16_t
rxring_split_poll(struct airlock_rxring *ring, uint32_t *frames, uint16_t max)
{
	const struct airlock_rxring_vring *vring = &ring->vring;
	/* Pairs with the driver's release of the index, after entry and descriptor. */
	uint16_t avail_idx = __atomic_load_n(&vring->avail->idx, __ATOMIC_ACQUIRE);
	uint16_t nb = avail_idx - ring->avail_idx, n = 0, len, good;
	uint16_t ids[IDS_AT_ONCE];

	/* More than the ring has descriptors, less those that it has offered already. */
	if (unlikely(nb > vring->size - ring->nb_held)) {
		rxring_break(ring);
		return 0;
	}
	for (nb = RTE_MIN(nb, max); nb > 0; nb -= len) {
		len = RTE_MIN(nb, (uint16_t)IDS_AT_ONCE);
		good = read_ids(ring, ids, len);
		n += take_ids(ring, ids, good, &frames[n]);
		if (unlikely(good < len)) {
			rxring_break(ring);
			break;
		}
	}
	/* Release: all words first. */
	if (ring->record != NULL)
		atomic_store_explicit(
			&ring->record->avail_idx, ring->avail_idx, memory_order_release);
	return n;
}

static void
log_used(const struct airlock_rxring *ring, uint16_t from, uint16_t n)
{
	const struct airlock_rxring_vring *vring = &ring->vring;

	for (uint16_t i = 0; i < n; i++)
		vring->log_used(vring->arg,
			offsetof(struct vring_used, ring) +
				((from + i) & (vring->size - 1)) * sizeof(vring->used->ring[0]),
			sizeof(vring->used->ring[0]));
	vring->log_used(vring->arg, offsetof(struct vring_used, idx), sizeof(vring->used->idx));
}

static bool
wants_kick(struct airlock_rxring *ring)
{
	const struct vring_avail *avail = ring->vring.avail;
	uint16_t old_idx = ring->signalled, event;
	bool valid = ring->signalled_valid;

	if (!ring->event_idx)
		return (__atomic_load_n(&avail->flags, __ATOMIC_RELAXED) &
			       VRING_AVAIL_F_NO_INTERRUPT) == 0;
	ring->signalled = ring->used_idx;
	ring->signalled_valid = true;
	event = __atomic_load_n(&avail->ring[ring->vring.size], __ATOMIC_RELAXED);
	return !valid || rxring_is_passed(event, ring->used_idx, old_idx);
}

/* What the used ring holds now is not outstanding any more. */
static void
record_used(struct airlock_rxring *ring)
{
	/* Not before the used ring's index; a kill leaves what was stored before it. */
	atomic_signal_fence(memory_order_seq_cst);
	for (uint16_t i = 0; i < ring->nb_used; i++)
		rxring_record_clear(ring, ring->used[i].id);
	atomic_store_explicit(&ring->record->used_idx, ring->used_idx, memory_order_release);
}

bool
rxring_split_flush(struct airlock_rxring *ring)
{
	struct vring_used *used = ring->vring.used;
	uint16_t mask = ring->vring.size - 1, first = ring->used_idx;

	if (ring->nb_used == 0)
		return ring->must_kick;
	for (uint16_t i = 0; i < ring->nb_used; i++) {
		struct vring_used_elem *elem = &used->ring[(uint16_t)(first + i) & mask];

		__atomic_store_n(&elem->id, ring->used[i].id, __ATOMIC_RELAXED);
		__atomic_store_n(&elem->len, ring->used[i].len, __ATOMIC_RELAXED);
	}
	ring->used_idx += ring->nb_used;
	/* Pairs with the driver's acquire: entries and packets first. */
	__atomic_store_n(&used->idx, ring->used_idx, __ATOMIC_RELEASE);
	if (unlikely(ring->vring.log_used != NULL))
		log_used(ring, first, ring->nb_used);
	if (ring->record != NULL)
		record_used(ring);
	ring->nb_held -= ring->nb_used;
	ring->nb_used = 0;
	/* The index before the driver's wish; pairs with the driver's fence, which has the wish
	 * before the index: one of the two sees what the other wrote. */
	atomic_thread_fence(memory_order_seq_cst);
	ring->must_kick |= wants_kick(ring);
	return ring->must_kick;
}
