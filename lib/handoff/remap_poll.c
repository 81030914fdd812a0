/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What a VM gives back, and what is asked back of it.
 *
 * A guest that posts a frame again has released it. Released frames stay mapped for a while, and a
 * small packet for the same VM may be copied into one: that needs no map, no unmap and no scrub.
 * The rest are handed to the unmap thread in batches.
 *
 * A VM that comes near its quota is under pressure. First its released frames are taken back at
 * once, however few. If it still holds nearly all of its quota, it is interrupted, at most once a
 * millisecond: a guest that sleeps, or defers its refill, wakes and posts. Beyond the quota it gets
 * no more frames, and copies only. So a VM that never releases loses only its own packets.
 *
 * Thread rule: the lcore that owns the RX ring.
 */

#include "remap_priv.h"

#define POLL_MAX	      256
#define INTERRUPTS_PER_SECOND 1000

static void
take_in(struct airlock_remap *remap, struct airlock_remap_queue *queue, struct airlock_rxring *ring,
	uint32_t tag)
{
	uint32_t leased = airlock_page_word(AIRLOCK_PAGE_LEASED, tag);
	uint32_t frames[POLL_MAX];
	uint16_t n;

	n = airlock_rxring_poll(ring, frames, RTE_DIM(frames));
	if (tag == 0)
		return;
	for (uint16_t i = 0; i < n; i++) {
		if (airlock_page_word_get(remap->pages, frames[i]) != leased)
			continue;
		airlock_page_release(remap->pages, frames[i], tag);
		queue->released[queue->nb_released++] = frames[i];
	}
}

static void
give_back(struct airlock_remap *remap, uint16_t queue_id)
{
	struct airlock_remap_queue *queue = &remap->queues[queue_id];

	if (queue->nb_released == 0)
		return;
	airlock_dmatable_unmap(remap->table, queue->released, queue->nb_released);
	queue->nb_released = 0;
}

static void
interrupt(struct airlock_remap *remap, uint16_t queue_id)
{
	struct airlock_remap_queue *queue = &remap->queues[queue_id];
	uint64_t now = rte_rdtsc();

	if (now - queue->last_interrupt_tsc < rte_get_tsc_hz() / INTERRUPTS_PER_SECOND)
		return;
	queue->last_interrupt_tsc = now;
	airlock_vnic_kick(remap->vnic, queue_id);
	airlock_count(&queue->counters.interrupts, 1);
}

/* Enough to be worth it, and not what the next burst will have to be copied into. */
static bool
is_batch(const struct airlock_remap_queue *queue, const struct airlock_rxring *ring, uint32_t quota)
{
	return queue->nb_released >= RTE_MIN(quota / 8, RELEASED_BATCH) &&
		airlock_rxring_nb_private(ring) >= AIRLOCK_HANDOFF_MAX_BURST;
}

void
remap_poll(
	struct airlock_remap *remap, uint16_t queue_id, struct airlock_rxring *ring, uint32_t tag)
{
	struct airlock_remap_queue *queue = &remap->queues[queue_id];
	uint32_t quota = atomic_load_explicit(&remap->quota, memory_order_relaxed);
	uint32_t held;

	take_in(remap, queue, ring, tag);
	if (tag == 0)
		return;
	held = airlock_dmatable_held(remap->table);
	if (held == 0)
		return;
	if (held + quota / 8 < quota) {
		if (is_batch(queue, ring, quota))
			give_back(remap, queue_id);
		return;
	}
	/* Pressure. What is being unmapped already comes back by itself. */
	if (queue->nb_released == 0)
		interrupt(remap, queue_id);
	give_back(remap, queue_id);
}

void
airlock_handoff_poll(struct airlock_remap *remap, uint16_t queue_id)
{
	uint32_t tag = atomic_load_explicit(&remap->tag, memory_order_acquire);
	struct airlock_rxring *ring = airlock_vnic_rxring(remap->vnic, queue_id);

	if (ring == NULL)
		return;
	remap_poll(remap, queue_id, ring, tag);
	/* Buffers that were refused go back. */
	if (airlock_rxring_publish(ring))
		airlock_vnic_kick(remap->vnic, queue_id);
}
