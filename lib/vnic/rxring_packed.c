/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The packed layout of an RX ring (VIRTIO 1.2, 2.8): one ring of descriptors, which the driver
 * writes as available and the device overwrites as used, each at a place of its own that goes
 * round; two bits of a descriptor's flags, held against a counter that turns at each wrap, tell
 * whose turn it is. A used descriptor names its buffer by id, so buffers may be used in any order;
 * it takes as many places as its buffer had descriptors.
 *
 * What is taken in is kept outside of the ring, because its place may be written by then. The guest
 * can write the ring at any moment, so each word is loaded once, into a local variable.
 *
 * Thread rule: the lcore that has the ring.
 */

#include "rxring_priv.h"

#define FLAG_AVAIL RTE_BIT32(VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED  RTE_BIT32(VRING_PACKED_DESC_F_USED)
#define OFF_MASK   ((1 << VRING_PACKED_EVENT_F_WRAP_CTR) - 1)

static bool
is_available(uint16_t flags, bool wrap)
{
	return ((flags & FLAG_AVAIL) != 0) == wrap && ((flags & FLAG_USED) != 0) != wrap;
}

static void
advance(uint16_t *idx, bool *wrap, uint16_t n, uint16_t size)
{
	uint32_t sum = *idx + n;

	if (sum >= size) {
		sum -= size;
		*wrap = !*wrap;
	}
	*idx = sum;
}

/*
 * A chain's length and its buffer's id, which its last descriptor holds. The driver makes a chain
 * available as a whole, and none is longer than the ring; 0: this one is.
 *
 * A chain may take many places, and so the time to go through them; but the guest has to write each
 * of them again for the next one.
 */
static uint16_t
chain_read(const struct airlock_rxring *ring, uint16_t *id)
{
	const struct vring_packed_desc *descs = ring->vring.desc_packed;
	uint16_t idx = ring->avail_idx, room = ring->vring.size - ring->nb_held;

	for (uint16_t n = 1; n <= room; n++) {
		uint16_t flags = __atomic_load_n(&descs[idx].flags, __ATOMIC_RELAXED);

		if ((flags & VRING_DESC_F_NEXT) == 0) {
			*id = __atomic_load_n(&descs[idx].id, __ATOMIC_RELAXED);
			return n;
		}
		if (++idx == ring->vring.size)
			idx = 0;
	}
	return 0;
}

/* Returns false if there is none, or the ring is broken. */
static bool
desc_read(struct airlock_rxring *ring, struct rxring_desc *desc)
{
	const struct vring_packed_desc *from = &ring->vring.desc_packed[ring->avail_idx];

	/* All are taken in: what looks available is what airlock has not written as used yet. */
	if (ring->nb_held == ring->vring.size)
		return false;
	/* Pairs with the driver's release of the flags, after the rest of the descriptor. */
	desc->flags = __atomic_load_n(&from->flags, __ATOMIC_ACQUIRE);
	if (!is_available(desc->flags, ring->avail_wrap))
		return false;
	desc->addr = __atomic_load_n(&from->addr, __ATOMIC_RELAXED);
	desc->len = __atomic_load_n(&from->len, __ATOMIC_RELAXED);
	desc->id = __atomic_load_n(&from->id, __ATOMIC_RELAXED);
	desc->nb_descs = 1;
	if (unlikely((desc->flags & VRING_DESC_F_NEXT) != 0))
		desc->nb_descs = chain_read(ring, &desc->id);
	if (unlikely(desc->nb_descs == 0 || desc->id >= ring->vring.size)) {
		rxring_break(ring);
		return false;
	}
	return true;
}

uint16_t
rxring_packed_poll(struct airlock_rxring *ring, uint32_t *frames, uint16_t max)
{
	struct rxring_desc desc;
	uint16_t n = 0;

	for (uint32_t i = 0; i < max && desc_read(ring, &desc); i += desc.nb_descs) {
		advance(&ring->avail_idx, &ring->avail_wrap, desc.nb_descs, ring->vring.size);
		n += rxring_take(ring, &desc, &frames[n]);
	}
	return n;
}

static void
desc_write(struct airlock_rxring *ring, const struct rxring_used *used, uint16_t idx)
{
	struct vring_packed_desc *to = &ring->vring.desc_packed[idx];

	__atomic_store_n(&to->id, used->id, __ATOMIC_RELAXED);
	__atomic_store_n(&to->len, used->len, __ATOMIC_RELAXED);
}

/* When all of it stands there: what is written after it was copied elsewhere is lost. */
static void
log_used(const struct airlock_rxring *ring, uint16_t idx)
{
	const struct airlock_rxring_vring *vring = &ring->vring;
	bool wrap = false;

	for (uint16_t i = 0; i < ring->nb_used; i++) {
		vring->log_used(
			vring->arg, idx * sizeof(*vring->desc_packed), sizeof(*vring->desc_packed));
		advance(&idx, &wrap, ring->used[i].nb_descs, vring->size);
	}
}

/* VIRTIO 1.2, 2.8.6: of a used descriptor, the flags count that say so, and whether it has data. */
static uint16_t
used_flags(const struct rxring_used *used, bool wrap)
{
	uint16_t flags = wrap ? FLAG_AVAIL | FLAG_USED : 0;

	return used->len != 0 ? flags | VRING_DESC_F_WRITE : flags;
}

static bool
wants_kick(struct airlock_rxring *ring)
{
	const struct vring_packed_desc_event *event = ring->vring.driver_event;
	uint16_t old_idx = ring->signalled, new_idx = ring->used_idx, off_wrap, off, flags;
	bool valid = ring->signalled_valid;

	ring->signalled = new_idx;
	ring->signalled_valid = true;
	flags = __atomic_load_n(&event->flags, __ATOMIC_ACQUIRE);
	if (!ring->event_idx || flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (!valid)
		return true;
	off_wrap = __atomic_load_n(&event->off_wrap, __ATOMIC_RELAXED);
	off = off_wrap & OFF_MASK;
	/* On one line with new_idx: what lies before the wrap is less than 0. */
	if (new_idx <= old_idx)
		old_idx -= ring->vring.size;
	if (ring->used_wrap != off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR)
		off -= ring->vring.size;
	return rxring_is_passed(off, new_idx, old_idx);
}

/*
 * The driver takes used descriptors in the order of their places, so the flags of the first are
 * written last: all become visible at once.
 */
bool
rxring_packed_flush(struct airlock_rxring *ring)
{
	struct vring_packed_desc *descs = ring->vring.desc_packed;
	uint16_t first = ring->used_idx, nb_descs = 0, first_flags;

	if (ring->nb_used == 0)
		return ring->must_kick;
	first_flags = used_flags(&ring->used[0], ring->used_wrap);
	for (uint16_t i = 0; i < ring->nb_used; i++) {
		const struct rxring_used *used = &ring->used[i];

		desc_write(ring, used, ring->used_idx);
		/* Pairs with the driver's acquire of these flags: id, length and packet first. */
		if (i > 0)
			__atomic_store_n(&descs[ring->used_idx].flags,
				used_flags(used, ring->used_wrap), __ATOMIC_RELEASE);
		advance(&ring->used_idx, &ring->used_wrap, used->nb_descs, ring->vring.size);
		nb_descs += used->nb_descs;
	}
	__atomic_store_n(&descs[first].flags, first_flags, __ATOMIC_RELEASE);
	if (unlikely(ring->vring.log_used != NULL))
		log_used(ring, first);
	ring->nb_held -= nb_descs;
	ring->nb_used = 0;
	/* The descriptors before the driver's wish; pairs with the driver's fence, which has the
	 * wish before the descriptors: one of the two sees what the other wrote. */
	atomic_thread_fence(memory_order_seq_cst);
	ring->must_kick |= wants_kick(ring);
	return ring->must_kick;
}
