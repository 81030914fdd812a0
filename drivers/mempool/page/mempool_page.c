/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Mempool driver "airlock_page": extents of 64 neighbouring frames, and a state per frame.
 *
 * Frames that leave together are neighbours, lowest first, and come from the extent that became
 * full last: a burst is a run, which costs one system call to map for a VM, and it is as warm as
 * can be. An lcore takes from an extent of its own until it is used up, then gets another one from
 * the extents that all share (extents.c): a full one, or what is left.
 *
 * What comes back goes to the shared extents, with one atomic operation per extent and call. What
 * comes back of the lcore's own extent waits beside it, with none: if it has become a run that ends
 * where the rest of the extent begins, the next burst gets it again, warm as it is; otherwise it
 * waits for its neighbours, because as a part of the rest it would cut the next burst into pieces.
 * When the extent is used up it goes to the shared ones; unless all of it has come back.
 *
 * Threads that are no lcores have an own extent only during a call. What an lcore keeps from the
 * others is less than or equal to one extent.
 *
 * Somebody who waits for one certain frame (airlock_page_claim()) gets it from the shared extents
 * only. So when it is free and he does not find it there, lcores keep nothing for themselves for a
 * while; each one gives back what it has when it comes here next.
 *
 * The driver is where a frame becomes FREE and ceases to be (lib/page/airlock_page.h). A frame that
 * its state forbids to come back does not: one freed twice is in the mempool once, one that a VM
 * still holds stays out. Until the pool is live its mbufs have no buffers, and what comes in is
 * every frame once, in whatever order.
 *
 * Thread rule: the extent of an lcore is used by that lcore only; its masks may be read by others.
 */

#include <stdatomic.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#include <airlock_page.h>

#include "extents.h"

#define EXTENT_SHIFT 6
/* Calls during which lcores keep no extent for themselves, after a claim that failed. */
#define SHARED_CALLS 1024
_Static_assert(AIRLOCK_PAGE_EXTENT == 1 << EXTENT_SHIFT, "one word is an extent");

/* The extent that somebody takes from. */
struct own_extent {
	_Atomic uint64_t rest; /* not taken yet: written by its lcore, read by get_count() */
	_Atomic uint64_t back; /* came back: the same */
	uint32_t number;
} __rte_cache_aligned;

struct page_mempool {
	struct airlock_page_table *table;
	uint32_t first_frame;
	uint32_t nb_frames;
	uint32_t nb_filled; /* before the pool is live */
	/* Calls left: set by who claims, counted down by lcores, by and large. Relaxed. */
	_Atomic uint32_t shared_calls;
	struct extents *extents;
	struct own_extent own[RTE_MAX_LCORE];
};

static void page_put_cold(struct rte_mempool *mp, struct rte_mbuf *const *mbufs, unsigned int n);
static bool page_claim(struct rte_mempool *mp, uint32_t frame);

static int
page_alloc(struct rte_mempool *mp)
{
	const struct airlock_page_partition *partition;
	struct page_mempool *pm;

	pm = rte_zmalloc_socket("airlock_page", sizeof(*pm), RTE_CACHE_LINE_SIZE, mp->socket_id);
	if (pm == NULL)
		return -ENOMEM;
	pm->table = airlock_page_table_find(mp->name, &partition);
	if (pm->table == NULL || partition->nb_frames != mp->size) {
		rte_free(pm);
		return -ENOENT;
	}
	pm->table->put_cold = page_put_cold;
	pm->table->claim = page_claim;
	pm->first_frame = partition->first_frame;
	pm->nb_frames = partition->nb_frames;
	pm->extents = extents_create(pm->nb_frames, mp->socket_id);
	if (pm->extents == NULL) {
		rte_free(pm);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < RTE_MAX_LCORE; i++)
		pm->own[i].number = EXTENT_NONE;
	mp->pool_data = pm;
	return 0;
}

static void
page_free(struct rte_mempool *mp)
{
	struct page_mempool *pm = mp->pool_data;

	extents_destroy(pm->extents);
	rte_free(pm);
}

static inline uint64_t
mask_get(const _Atomic uint64_t *mask)
{
	return atomic_load_explicit(mask, memory_order_relaxed);
}

static inline void
mask_set(_Atomic uint64_t *mask, uint64_t value)
{
	atomic_store_explicit(mask, value, memory_order_relaxed);
}

/* All that it has goes to the shared extents. */
static __rte_noinline void
own_share(struct page_mempool *pm, struct own_extent *own, uint32_t nb_calls)
{
	uint64_t bits = mask_get(&own->rest) | mask_get(&own->back);

	atomic_store_explicit(&pm->shared_calls, nb_calls - 1, memory_order_relaxed);
	mask_set(&own->rest, 0);
	mask_set(&own->back, 0);
	if (bits != 0)
		extents_give(pm->extents, own->number, bits, EXTENT_FULL);
	own->number = EXTENT_NONE;
}

/* NULL for a thread that is no lcore, or that may not keep an extent now. */
static inline struct own_extent *
own_get(struct page_mempool *pm)
{
	uint32_t nb_calls = atomic_load_explicit(&pm->shared_calls, memory_order_relaxed);
	unsigned int lcore_id = rte_lcore_id();

	if (unlikely(lcore_id >= RTE_MAX_LCORE))
		return NULL;
	if (likely(nb_calls == 0))
		return &pm->own[lcore_id];
	own_share(pm, &pm->own[lcore_id], nb_calls);
	return NULL;
}

static inline void
give_bits(struct page_mempool *pm, struct own_extent *own, uint32_t number, uint64_t bits,
	enum extent_list list)
{
	if (likely(own != NULL) && own->number == number)
		mask_set(&own->back, mask_get(&own->back) | bits);
	else
		extents_give(pm->extents, number, bits, list);
}

/* Lowest last, so that it comes first. */
static int
fill(struct page_mempool *pm, unsigned int n)
{
	if (n > pm->nb_frames - pm->nb_filled)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++) {
		uint32_t frame = pm->nb_frames - ++pm->nb_filled;

		extents_give(pm->extents, frame >> EXTENT_SHIFT,
			UINT64_C(1) << frame % AIRLOCK_PAGE_EXTENT, EXTENT_FULL);
	}
	return 0;
}

/* own NULL: all of it to the shared extents. list: as extents_give() has it */
static inline void
give(struct page_mempool *pm, struct own_extent *own, void *const *objs, unsigned int n,
	enum extent_list list)
{
	struct airlock_page_table *table = pm->table;
	uint32_t number = 0;
	uint64_t bits = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct rte_mbuf *m = objs[i];
		uint32_t frame = airlock_page_frame(table, m->buf_addr);
		uint32_t place = frame - pm->first_frame;

		if (unlikely(place >= pm->nb_frames)) {
			airlock_page_violation(table);
			continue;
		}
		if (unlikely(!airlock_page_give(table, frame)))
			continue;
		if (place >> EXTENT_SHIFT != number) {
			if (bits != 0)
				give_bits(pm, own, number, bits, list);
			number = place >> EXTENT_SHIFT;
			bits = 0;
		}
		bits |= UINT64_C(1) << place % AIRLOCK_PAGE_EXTENT;
	}
	if (likely(bits != 0))
		give_bits(pm, own, number, bits, list);
}

static int
page_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct page_mempool *pm = mp->pool_data;

	if (unlikely(!pm->table->live))
		return fill(pm, n);
	give(pm, own_get(pm), objs, n, EXTENT_FULL);
	return 0;
}

static void
page_put_cold(struct rte_mempool *mp, struct rte_mbuf *const *mbufs, unsigned int n)
{
	give(mp->pool_data, NULL, (void *const *)mbufs, n, EXTENT_COLD);
}

static bool
page_claim(struct rte_mempool *mp, uint32_t frame)
{
	struct page_mempool *pm = mp->pool_data;
	uint32_t place = frame - pm->first_frame;

	if (place >= pm->nb_frames)
		return false;
	if (!extents_claim(pm->extents, place >> EXTENT_SHIFT,
		    UINT64_C(1) << place % AIRLOCK_PAGE_EXTENT)) {
		if (airlock_page_state_get(pm->table, frame) == AIRLOCK_PAGE_FREE)
			atomic_store_explicit(
				&pm->shared_calls, SHARED_CALLS, memory_order_relaxed);
		return false;
	}
	airlock_page_take(pm->table, frame, 1);
	return true;
}

/* What came back is a run that ends just below the rest, or at the extent's end. */
static inline void
own_join(struct own_extent *own)
{
	uint64_t back = mask_get(&own->back), rest = mask_get(&own->rest);

	if (back != 0 && back + (back & -back) == (rest & -rest)) {
		mask_set(&own->rest, rest | back);
		mask_set(&own->back, 0);
	}
}

/* Of an lcore's extent that is used up. @return whether there is another one, or it again */
static bool
own_change(struct page_mempool *pm, struct own_extent *own)
{
	uint64_t back = mask_get(&own->back);
	uint64_t rest;

	if (back != 0) {
		mask_set(&own->back, 0);
		extents_give(pm->extents, own->number, back, EXTENT_FULL);
	}
	rest = extents_take(pm->extents, &own->number);
	mask_set(&own->rest, rest);
	return rest != 0;
}

/* The lowest frames of the own extent, at most n. @return how many */
static inline unsigned int
take_frames(struct page_mempool *pm, struct own_extent *own, void **objs, unsigned int n)
{
	uint32_t first = pm->first_frame + (own->number << EXTENT_SHIFT);
	uint64_t rest = mask_get(&own->rest), gap;
	unsigned int taken = 0, low, run;

	while (taken < n && rest != 0) {
		low = __builtin_ctzll(rest);
		gap = ~(rest >> low);
		run = RTE_MIN(gap != 0 ? (unsigned int)__builtin_ctzll(gap) : 64, n - taken);
		airlock_page_take(pm->table, first + low, run);
		memcpy(&objs[taken], &pm->table->mbufs[first + low], run * sizeof(objs[0]));
		taken += run;
		rest &= run < 64 ? ~(((UINT64_C(1) << run) - 1) << low) : 0;
	}
	mask_set(&own->rest, rest);
	return taken;
}

static inline int
take_burst(struct rte_mempool *mp, struct own_extent *own, void **objs, unsigned int n)
{
	struct page_mempool *pm = mp->pool_data;
	unsigned int taken;

	own_join(own);
	taken = take_frames(pm, own, objs, n);
	while (unlikely(taken < n)) {
		if (unlikely(!own_change(pm, own))) {
			page_enqueue(mp, objs, taken);
			return -ENOBUFS;
		}
		taken += take_frames(pm, own, &objs[taken], n - taken);
	}
	return 0;
}

static int
page_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	struct page_mempool *pm = mp->pool_data;
	struct own_extent passing = {.number = EXTENT_NONE}, *own = own_get(pm);
	int ret;

	if (unlikely(!pm->table->live))
		return -ENOBUFS;
	if (likely(own != NULL))
		return take_burst(mp, own, objs, n);
	ret = take_burst(mp, &passing, objs, n);
	if (mask_get(&passing.rest) != 0)
		extents_give(pm->extents, passing.number, mask_get(&passing.rest), EXTENT_FULL);
	return ret;
}

static unsigned int
page_get_count(const struct rte_mempool *mp)
{
	const struct page_mempool *pm = mp->pool_data;
	unsigned int count = extents_count(pm->extents);

	for (unsigned int i = 0; i < RTE_MAX_LCORE; i++) {
		count += __builtin_popcountll(mask_get(&pm->own[i].rest));
		count += __builtin_popcountll(mask_get(&pm->own[i].back));
	}
	return count;
}

static const struct rte_mempool_ops page_ops = {
	.name = "airlock_page",
	.alloc = page_alloc,
	.free = page_free,
	.enqueue = page_enqueue,
	.dequeue = page_dequeue,
	.get_count = page_get_count,
};

RTE_MEMPOOL_REGISTER_OPS(page_ops);
