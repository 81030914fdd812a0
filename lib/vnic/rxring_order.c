/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * In which order private buffers are used.
 *
 * A driver of a split ring takes the descriptors that it posts from a list of free ones, to whose
 * end it adds those that come back used. So the order of use is the order of the next posting. As
 * frames come back in the order of packets, between private buffers, neighbours of the table are
 * soon far apart in that list. Then each access to the table, by the driver and here, is a cache
 * line of its own that the other CPU wrote last, instead of a line for four.
 *
 * So buffers that are taken in are put in order first: they gather in a table by their ids, and
 * when few are left in the queue all that gathered go there, ascending from the id that was last.
 * What was shuffled is in order again after a few rounds.
 *
 * Only with a record, which knows what is outstanding; without one the order of use must be that of
 * posting (rxring.c). A packed ring's driver writes its places in turn, whatever the ids.
 *
 * Thread rule: the lcore that has the ring; making and freeing, control while none has.
 */

#include <errno.h>
#include <stdlib.h>

#include "rxring_priv.h"

static uint32_t
nb_words(const struct airlock_rxring *ring)
{
	return (ring->vring.size + 63) / 64;
}

int
rxring_order_create(struct airlock_rxring *ring)
{
	if (ring->record == NULL || ring->vring.packed)
		return 0;
	ring->gathered = calloc(ring->vring.size, sizeof(ring->gathered[0]));
	ring->gathered_bits = calloc(nb_words(ring), sizeof(ring->gathered_bits[0]));
	return ring->gathered != NULL && ring->gathered_bits != NULL ? 0 : -ENOMEM;
}

void
rxring_order_free(struct airlock_rxring *ring)
{
	free(ring->gathered);
	free(ring->gathered_bits);
	ring->gathered = NULL;
	ring->gathered_bits = NULL;
	ring->nb_gathered = 0;
	ring->order_next = 0;
}

/* Those of one word, lowest first. */
static void
queue_word(struct airlock_rxring *ring, uint32_t word, uint64_t mask)
{
	uint64_t bits = ring->gathered_bits[word] & mask;

	ring->gathered_bits[word] &= ~mask;
	for (; bits != 0; bits &= bits - 1) {
		uint32_t id = word * 64 + __builtin_ctzll(bits);

		ring->private[ring->private_tail++ & ring->private_mask] = ring->gathered[id];
		ring->order_next = id + 1;
	}
}

void
rxring_order_queue(struct airlock_rxring *ring)
{
	uint32_t nb = nb_words(ring), first = ring->order_next / 64 % nb;
	uint64_t behind = UINT64_MAX << ring->order_next % 64;

	if (ring->nb_gathered == 0)
		return;
	queue_word(ring, first, behind);
	for (uint32_t i = 1; i < nb; i++)
		queue_word(ring, (first + i) % nb, UINT64_MAX);
	queue_word(ring, first, UINT64_MAX);
	ring->nb_gathered = 0;
}
