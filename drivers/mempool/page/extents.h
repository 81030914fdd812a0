/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_EXTENTS_H
#define AIRLOCK_EXTENTS_H

/*
 * The free frames of a partition by extents: what all threads share. Theory in extents.c.
 *
 * Thread rule: any thread, any function; but for create and destroy.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_ring.h>

#include <airlock_page.h>

#define EXTENT_NONE UINT32_MAX

/* Where an extent lies; it may lie on several: two stacks, and a queue. */
enum extent_list {
	EXTENT_FULL, /* was full when it was put there: the latest first */
	EXTENT_BEGUN, /* had its first frame freed when it was put there */
	EXTENT_STACKS,
	EXTENT_COLD = EXTENT_STACKS, /* its frames came back unwanted */
	EXTENT_LISTS,
};

/* One word for 64 frames, alone in its cache line. Written by any thread. */
struct extent {
	_Atomic uint64_t free; /* a bit per frame that may be taken */
	uint64_t all; /* never changes: fewer than 64 bits in the last extent */
	_Atomic uint32_t next[EXTENT_STACKS]; /* below this one on its stack, plus 1 */
	_Atomic bool queued[EXTENT_LISTS]; /* lies there, or is about to */
} __rte_cache_aligned;

struct extents {
	uint32_t nb;
	struct {
		_Atomic uint64_t head; /* written by any thread */
	} __rte_cache_aligned lists[EXTENT_STACKS];
	struct rte_ring *cold; /* the first in comes out first */
	struct extent extents[];
};

/* No frame is free yet. NULL: no memory. */
struct extents *extents_create(uint32_t nb_frames, int socket_id);
/* NULL is ignored. */
void extents_destroy(struct extents *x);

/* Put an extent on a list unless it is there. */
void extents_queue(struct extents *x, uint32_t number, enum extent_list list);

/* All free frames of an extent, in *number*: of the best that can be found. 0: there is none. */
uint64_t extents_take(struct extents *x, uint32_t *number);

/* Take one frame, *bit* of the extent. False: it is not free. */
bool extents_claim(struct extents *x, uint32_t number, uint64_t bit);

/* Frames that are free. Exact while the others rest. */
uint32_t extents_count(const struct extents *x);

/* Free some frames of an extent: those of *bits*, none of which is free. list: FULL or COLD */
static inline void
extents_give(struct extents *x, uint32_t number, uint64_t bits, enum extent_list list)
{
	struct extent *e = &x->extents[number];
	/* Pairs with taking them in extents.c: what was done to the frames comes before. */
	uint64_t old = atomic_fetch_or_explicit(&e->free, bits, memory_order_acq_rel);

	if ((old | bits) == e->all)
		extents_queue(x, number, list);
	else if (old == 0)
		extents_queue(x, number, list == EXTENT_COLD ? EXTENT_COLD : EXTENT_BEGUN);
}

#endif /* AIRLOCK_EXTENTS_H */
