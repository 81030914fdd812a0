/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The free frames of a partition by extents of 64 neighbours: what all threads share. The mempool
 * driver above (mempool_page.c) has a piece per lcore in front of it.
 *
 * Freeing sets bits in the extent's word, and so partial extents merge by themselves. Taking takes
 * all that the word holds. Stacks say where to look: an extent that becomes full goes on top of
 * one, an extent that gets its first free frame on top of the other. A stack is a linked list of
 * numbers whose top has a count beside it in one word: a top that went and came back is not taken
 * for one that stayed. Extents of frames that no VM could be given (airlock_page_put_cold()) wait
 * in a queue from which nothing is taken while another extent is full, or nearly: on a stack they
 * would be taken again and again, only because they are back first. Nearly is enough, because VMs
 * may keep a few frames of each other extent for long: then these would never be full, and those
 * in the queue, of no use to anybody, would be all that is ever taken.
 *
 * An entry is no promise, only a hint: the frames may have gone since. What does hold is that an
 * extent with free frames is on a stack. Bits are set by extents_give(), which queues the extent
 * when none was set before or all are now, unless its "queued" flag says that it lies there. Who
 * takes an entry off a stack clears the flag first and looks at the word then. A giver who saw the
 * flag set had set his bits before it was cleared, so they are seen; one who comes later sees it
 * cleared, and queues anew. Flag and word change by read-modify-write with acquire and release,
 * which orders the two. Bits are cleared all at once; only extents_claim() clears a single one, and
 * puts the extent on the other stack then, because it may have been full.
 *
 * An extent lies on each stack at most once, so there is always room.
 */

#include <rte_malloc.h>

#include "extents.h"

/* A list's head: the extent's number plus 1 below, the count of changes above. */
#define NUMBER_BITS 24
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)

/* Extents that are compared when none is full. */
#define NB_COMPARED 8
/* Frames that make one good enough to be taken before those that no VM could be given. */
#define NEARLY_FULL (AIRLOCK_PAGE_EXTENT / 4)
/* Entries that one call looks at, at most: old hints may pile up in a large pool. */
#define MAX_HINTS 1024

struct extents *
extents_create(uint32_t nb_frames, int socket_id)
{
	uint32_t nb = (nb_frames + AIRLOCK_PAGE_EXTENT - 1) / AIRLOCK_PAGE_EXTENT;
	uint32_t rest = nb_frames % AIRLOCK_PAGE_EXTENT;
	struct extents *x;

	x = rte_zmalloc_socket("airlock_extents", sizeof(*x) + nb * sizeof(x->extents[0]),
		RTE_CACHE_LINE_SIZE, socket_id);
	if (x == NULL)
		return NULL;
	x->nb = nb;
	x->cold = rte_zmalloc_socket("airlock_extents",
		rte_ring_get_memsize(rte_align32pow2(nb + 1)), RTE_CACHE_LINE_SIZE, socket_id);
	if (x->cold == NULL) {
		rte_free(x);
		return NULL;
	}
	/* RTS: nobody waits for one that was preempted. */
	rte_ring_init(
		x->cold, "cold", rte_align32pow2(nb + 1), RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ);
	for (uint32_t i = 0; i < nb; i++)
		x->extents[i].all = UINT64_MAX;
	if (rest != 0)
		x->extents[nb - 1].all = (UINT64_C(1) << rest) - 1;
	return x;
}

void
extents_destroy(struct extents *x)
{
	if (x != NULL)
		rte_free(x->cold);
	rte_free(x);
}

static uint64_t
head_of(uint64_t old_head, uint32_t entry)
{
	return ((old_head & ~NUMBER_MASK) + (NUMBER_MASK + 1)) | entry;
}

void
extents_queue(struct extents *x, uint32_t number, enum extent_list list)
{
	struct extent *e = &x->extents[number];
	uint64_t head;

	if (atomic_exchange_explicit(&e->queued[list], true, memory_order_acq_rel))
		return;
	if (list == EXTENT_COLD) {
		rte_ring_enqueue(x->cold, (void *)(uintptr_t)number);
		return;
	}
	head = atomic_load_explicit(&x->lists[list].head, memory_order_relaxed);
	do {
		atomic_store_explicit(&e->next[list], head & NUMBER_MASK, memory_order_relaxed);
		/* Pairs with the loads in pop() and best_begun(): "next" comes before. */
	} while (!atomic_compare_exchange_weak_explicit(&x->lists[list].head, &head,
		head_of(head, number + 1), memory_order_release, memory_order_relaxed));
}

static uint32_t
pop(struct extents *x, enum extent_list list)
{
	uint64_t head = atomic_load_explicit(&x->lists[list].head, memory_order_acquire);
	uint32_t number, next;

	do {
		if ((head & NUMBER_MASK) == 0)
			return EXTENT_NONE;
		number = (head & NUMBER_MASK) - 1;
		next = atomic_load_explicit(&x->extents[number].next[list], memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&x->lists[list].head, &head,
		head_of(head, next), memory_order_acquire, memory_order_acquire));
	atomic_exchange_explicit(&x->extents[number].queued[list], false, memory_order_acq_rel);
	return number;
}

static uint32_t
pop_cold(struct extents *x)
{
	uint32_t number;
	void *entry;

	if (rte_ring_dequeue(x->cold, &entry) < 0)
		return EXTENT_NONE;
	number = (uintptr_t)entry;
	atomic_exchange_explicit(
		&x->extents[number].queued[EXTENT_COLD], false, memory_order_acq_rel);
	return number;
}

static uint64_t
take_whole(struct extents *x, uint32_t number)
{
	return atomic_exchange_explicit(&x->extents[number].free, 0, memory_order_acq_rel);
}

/* An extent that is not full any more is on the other stack, or was taken. */
static uint64_t
take_full(struct extents *x, uint32_t *number)
{
	struct extent *e;
	uint64_t bits;

	for (uint32_t i = 0; i < MAX_HINTS; i++) {
		*number = pop(x, EXTENT_FULL);
		if (*number == EXTENT_NONE)
			return 0;
		e = &x->extents[*number];
		bits = e->all;
		if (atomic_compare_exchange_strong_explicit(
			    &e->free, &bits, 0, memory_order_acq_rel, memory_order_relaxed))
			return bits;
	}
	return 0;
}

static uint64_t
take_cold(struct extents *x, uint32_t *number)
{
	uint64_t bits;

	for (uint32_t i = 0; i < MAX_HINTS; i++) {
		*number = pop_cold(x);
		if (*number == EXTENT_NONE)
			return 0;
		bits = take_whole(x, *number);
		if (bits != 0)
			return bits;
	}
	return 0;
}

/*
 * The one with most frames of the first few, if these are *least* or more, and, unless any will do,
 * it is not in the queue, too. Others may change the stack meanwhile: any is good.
 */
static uint32_t
best_begun(const struct extents *x, int least)
{
	uint64_t head = atomic_load_explicit(&x->lists[EXTENT_BEGUN].head, memory_order_acquire);
	uint32_t entry = head & NUMBER_MASK, best = EXTENT_NONE;
	int most = least - 1, nb;

	for (unsigned int i = 0; i < NB_COMPARED && entry != 0; i++) {
		const struct extent *e = &x->extents[entry - 1];

		nb = __builtin_popcountll(atomic_load_explicit(&e->free, memory_order_relaxed));
		if (least > 1 &&
			atomic_load_explicit(&e->queued[EXTENT_COLD], memory_order_relaxed))
			nb = 0;
		if (nb > most) {
			best = entry - 1;
			most = nb;
		}
		entry = atomic_load_explicit(&e->next[EXTENT_BEGUN], memory_order_relaxed);
	}
	return best;
}

/* It stays on the stack where it is. */
static uint64_t
take_best(struct extents *x, uint32_t *number, int least)
{
	*number = best_begun(x, least);
	return *number != EXTENT_NONE ? take_whole(x, *number) : 0;
}

/* The hints that led to nothing go. */
static uint64_t
take_begun(struct extents *x, uint32_t *number)
{
	uint64_t bits;

	for (uint32_t i = 0; i < MAX_HINTS; i++) {
		if (i % NB_COMPARED == 0) {
			bits = take_best(x, number, 1);
			if (bits != 0)
				return bits;
		}
		*number = pop(x, EXTENT_BEGUN);
		if (*number == EXTENT_NONE)
			return 0;
		bits = take_whole(x, *number);
		if (bits != 0)
			return bits;
	}
	return 0;
}

uint64_t
extents_take(struct extents *x, uint32_t *number)
{
	uint64_t bits = take_full(x, number);

	if (bits == 0)
		bits = take_best(x, number, NEARLY_FULL);
	if (bits == 0)
		bits = take_cold(x, number);
	return bits != 0 ? bits : take_begun(x, number);
}

bool
extents_claim(struct extents *x, uint32_t number, uint64_t bit)
{
	struct extent *e = &x->extents[number];
	uint64_t old = atomic_fetch_and_explicit(&e->free, ~bit, memory_order_acq_rel);

	/* It may have been full, and is not where those that are not full are looked for. */
	if ((old & bit) != 0 && old != bit)
		extents_queue(x, number, EXTENT_BEGUN);
	return (old & bit) != 0;
}

uint32_t
extents_count(const struct extents *x)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < x->nb; i++)
		count += __builtin_popcountll(
			atomic_load_explicit(&x->extents[i].free, memory_order_relaxed));
	return count;
}
