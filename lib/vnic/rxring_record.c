/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What of a ring outlives the process that serves it: which buffers it had taken in and not used.
 *
 * The guest's memory tells only how many these are, the difference of two indexes, and with frames
 * used in any order not which. So the engine keeps a word per descriptor in memory that stays when
 * it is killed, and two indexes, and stores in an order that can be cut off anywhere:
 *
 *     poll    the words of what is taken in, then the available index
 *     flush   the used ring and its index (the guest's), then the words go, then the used index
 *
 * So after a kill there may be words of buffers that lie behind the available index: the next poll
 * takes them in; and of buffers that lie in the used ring behind the recorded used index: the guest
 * has them. Both are found by the indexes. What is left has to be as many as the indexes say, and
 * each descriptor has to hold the address that was noted; otherwise the record is of another guest,
 * or the guest broke its ring, and is worth nothing: then the ring starts where rte_vhost says.
 *
 * A kill leaves what the instructions before it stored, so that the compiler keeps the order is
 * enough.
 *
 * A driver of a packed ring resets it when the other side comes back, so there is nothing to note.
 *
 * Thread rule: control, while no lcore can have the ring. The stores of the datapath are in
 * rxring_priv.h.
 */

#include <string.h>

#include "rxring_priv.h"

size_t
airlock_rxring_record_bytes(uint32_t nb_frames)
{
	return sizeof(struct airlock_rxring_record) + nb_frames;
}

void
airlock_rxring_set_record(struct airlock_rxring *ring, struct airlock_rxring_record *record,
	const struct airlock_page_partition *partition)
{
	ring->record = record;
	ring->record_first = partition->first_frame;
	ring->record_frames = record != NULL ? partition->nb_frames : 0;
	for (uint32_t i = 0; i < ring->record_frames; i++) {
		if (airlock_rxring_was_given(ring, i))
			airlock_page_owe(ring->pages, ring->record_first + i);
	}
}

void
airlock_rxring_settle(struct airlock_rxring *ring)
{
	for (uint32_t i = 0; i < ring->record_frames; i++) {
		if (airlock_rxring_was_given(ring, i))
			airlock_page_settle(ring->pages, ring->record_first + i);
	}
}

static void
start_anew(struct airlock_rxring *ring)
{
	struct airlock_rxring_record *record = ring->record;

	airlock_rxring_settle(ring);
	/* Worth nothing until it is whole. */
	atomic_store_explicit(&record->size, 0, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	memset(record->outstanding, 0, ring->vring.size * sizeof(record->outstanding[0]));
	atomic_store_explicit(&record->avail_idx, ring->avail_idx, memory_order_relaxed);
	atomic_store_explicit(&record->used_idx, ring->used_idx, memory_order_relaxed);
	atomic_store_explicit(&record->size, ring->vring.size, memory_order_release);
}

/* Forget an id that a ring holds. False: no ring can hold it. */
static bool
forget(struct airlock_rxring *ring, uint32_t id)
{
	if (id >= ring->vring.size)
		return false;
	rxring_record_clear(ring, id);
	return true;
}

/* What lies behind the available index, and in the used ring behind the used index. */
static bool
forget_rest(struct airlock_rxring *ring, uint16_t avail_idx, uint16_t used_idx)
{
	const struct airlock_rxring_vring *vring = &ring->vring;
	uint16_t nb_avail = __atomic_load_n(&vring->avail->idx, __ATOMIC_ACQUIRE) - avail_idx;
	uint16_t nb_used = vring->last_used - used_idx, mask = vring->size - 1;

	if (nb_avail > vring->size || nb_used > vring->size)
		return false;
	for (uint16_t i = 0; i < nb_avail; i++) {
		uint16_t id = __atomic_load_n(
			&vring->avail->ring[(uint16_t)(avail_idx + i) & mask], __ATOMIC_RELAXED);

		if (!forget(ring, id))
			return false;
	}
	for (uint16_t i = 0; i < nb_used; i++) {
		uint32_t id = __atomic_load_n(
			&vring->used->ring[(uint16_t)(used_idx + i) & mask].id, __ATOMIC_RELAXED);

		if (!forget(ring, id))
			return false;
	}
	return true;
}

/* How many are left; UINT32_MAX: not those of this guest. */
static uint32_t
count_left(const struct airlock_rxring *ring)
{
	uint32_t nb = 0;

	for (uint32_t id = 0; id < ring->vring.size; id++) {
		uint64_t word = rxring_record_get(ring, id);

		if (word == 0)
			continue;
		if (~word != __atomic_load_n(&ring->vring.desc[id].addr, __ATOMIC_RELAXED))
			return UINT32_MAX;
		nb++;
	}
	return nb;
}

static bool
is_of_this_ring(struct airlock_rxring *ring)
{
	const struct airlock_rxring_record *record = ring->record;
	uint16_t avail_idx = atomic_load_explicit(&record->avail_idx, memory_order_relaxed);
	uint16_t used_idx = atomic_load_explicit(&record->used_idx, memory_order_relaxed);
	uint16_t nb = avail_idx - ring->vring.last_used;

	return atomic_load_explicit(&record->size, memory_order_relaxed) == ring->vring.size &&
		ring->vring.last_used ==
		__atomic_load_n(&ring->vring.used->idx, __ATOMIC_RELAXED) &&
		forget_rest(ring, avail_idx, used_idx) && count_left(ring) == nb;
}

/* All that was outstanding is taken in again. */
static void
take_left(struct airlock_rxring *ring)
{
	uint32_t frame;

	for (uint32_t id = 0; id < ring->vring.size; id++) {
		struct rxring_desc desc;

		if (rxring_record_get(ring, id) == 0)
			continue;
		desc = rxring_split_desc(ring, id);
		rxring_take(ring, &desc, &frame);
	}
}

void
rxring_record_attach(struct airlock_rxring *ring)
{
	if (ring->record == NULL)
		return;
	if (ring->vring.packed) {
		atomic_store_explicit(&ring->record->size, 0, memory_order_relaxed);
		return;
	}
	if (!is_of_this_ring(ring)) {
		start_anew(ring);
		return;
	}
	ring->avail_idx = atomic_load_explicit(&ring->record->avail_idx, memory_order_relaxed);
	atomic_store_explicit(&ring->record->used_idx, ring->used_idx, memory_order_relaxed);
	take_left(ring);
}

/* Who was given frames is no more; none of those is waited for. */
void
rxring_record_owner(struct airlock_rxring *ring, uint64_t owner)
{
	struct airlock_rxring_record *record = ring->record;

	if (record == NULL || atomic_load_explicit(&record->owner, memory_order_relaxed) == owner)
		return;
	airlock_rxring_settle(ring);
	for (uint32_t i = 0; i < ring->record_frames; i++)
		atomic_store_explicit(&record->given[i], 0, memory_order_relaxed);
	/* Release: cut off before it, all of this is done again. */
	atomic_store_explicit(&record->owner, owner, memory_order_release);
}

bool
airlock_rxring_was_given(const struct airlock_rxring *ring, uint32_t place)
{
	return ring->record != NULL && place < ring->record_frames &&
		atomic_load_explicit(&ring->record->given[place], memory_order_relaxed) != 0;
}
