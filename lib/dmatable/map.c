/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What lcores do with a table: map frames, and give frames to the unmap thread.
 *
 * Given frames go into a chain that all lcores put into and the unmap thread takes whole: link by
 * link in an array with a place for every frame, so it cannot overflow; and since only whole chains
 * are taken, no link is ever seen that is used twice. One compare-and-exchange for a call, so give
 * many frames at a time. Neighbours are merged later and need not be given together.
 *
 * Thread rule: lcores, and control while no lcore has the VM's rings. The table's window may go at
 * any moment; the driver's object stays until the event callback has returned, which waits for the
 * lcores.
 */

#include <rte_branch_prediction.h>
#include <rte_cycles.h>

#include <airlock_card.h>

#include "dmatable_priv.h"

bool
airlock_dmatable_is_up(const struct airlock_dmatable *table)
{
	return atomic_load_explicit(&table->space, memory_order_relaxed) != NULL;
}

static uint32_t
frames_of(const struct airlock_run *runs, uint16_t n)
{
	uint32_t nb_frames = 0;

	for (uint16_t i = 0; i < n; i++)
		nb_frames += runs[i].nb_frames;
	return nb_frames;
}

uint16_t
airlock_dmatable_map(struct airlock_dmatable *table, uint16_t queue_id,
	const struct airlock_run *runs, uint16_t n)
{
	struct queue_counters *queue = &table->queues[queue_id];
	/* Pairs with window_up(): what is behind the pointer is complete. */
	void *space = atomic_load_explicit(&table->space, memory_order_acquire);
	uint64_t tsc = rte_rdtsc();
	uint16_t nb_mapped, nb_asked = n;
	int error = 0;

	airlock_count(&queue->taken, frames_of(runs, n));
	if (unlikely(space == NULL))
		return 0;
	/* First, so that no card can write what the VM reads. */
	if (unlikely(table->pages->card != NULL))
		n = airlock_card_take(table->pages->card, runs, n);
	/* In both or in none: what the device did not get is not the VMM's. */
	nb_mapped = device_map(table, runs, n, &error);
	if (likely(nb_mapped > 0))
		nb_mapped = table->ops->map(space, runs, nb_mapped, &error);
	airlock_count(&queue->map_tsc, rte_rdtsc() - tsc);
	airlock_count(&queue->map_calls, nb_mapped);
	airlock_count(&queue->mapped, frames_of(runs, nb_mapped));
	if (unlikely(nb_mapped < nb_asked))
		airlock_count(&queue->map_errors, 1);
	return nb_mapped;
}

/* Control writes the words of what no lcore has, so the tag in a word is the window's own. */
static void
withdraw(struct airlock_dmatable *table, uint32_t frame)
{
	airlock_page_withdraw(table->pages, frame, airlock_page_tag_get(table->pages, frame));
}

void
airlock_dmatable_unmap(struct airlock_dmatable *table, const uint32_t *frames, uint32_t n)
{
	uint32_t head;

	if (unlikely(n == 0))
		return;
	for (uint32_t i = 0; i < n; i++) {
		withdraw(table, frames[i]);
		if (i != 0)
			table->next_in_chain[frames[i - 1]] = frames[i];
	}
	head = atomic_load_explicit(&table->chain, memory_order_relaxed);
	do {
		table->next_in_chain[frames[n - 1]] = head;
		/* Release: pairs with the exchange in chain_take(), for links and words. */
	} while (!atomic_compare_exchange_weak_explicit(
		&table->chain, &head, frames[0], memory_order_release, memory_order_relaxed));
}
