/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef REMAP_PRIV_H
#define REMAP_PRIV_H

/*
 * What the hand-off's files share. Control: remap.c, cost.c. Datapath: handoff.c (copy),
 * remap_burst.c and remap_plan.c (remap or copy, for VMs with a window), remap_poll.c (what the VM
 * gives back).
 */

#include <rte_cycles.h>

#include "airlock_handoff.h"
#include "airlock_remap.h"

/*
 * Released frames are gathered until there are this many, or an eighth of the quota if that is
 * less: the unmap thread makes runs of neighbours of them, and a run costs little more than a
 * frame.
 */
#define RELEASED_BATCH 256

/* Take in what the guest posted; see to it that it keeps within its quota. */
void remap_poll(
	struct airlock_remap *remap, uint16_t queue_id, struct airlock_rxring *ring, uint32_t tag);

/* Give a burst to a VM with a window; consumes all packets. */
void remap_burst(struct airlock_handoff *handoff, struct airlock_remap *remap, uint16_t queue_id,
	struct rte_mbuf **mbufs, uint16_t n);

/* Give it a copy of a packet, which stays the caller's. */
void remap_copy(struct airlock_handoff *handoff, struct airlock_remap *remap, uint16_t queue_id,
	struct rte_mbuf *m);

/* Frames that the VM may still be given. */
static inline uint32_t
remap_room(const struct airlock_remap *remap)
{
	uint32_t quota = atomic_load_explicit(&remap->quota, memory_order_relaxed);
	uint32_t held = airlock_dmatable_held(remap->table);

	return held < quota ? quota - held : 0;
}

#endif /* REMAP_PRIV_H */
