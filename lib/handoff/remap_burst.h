/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef REMAP_BURST_H
#define REMAP_BURST_H

/*
 * A burst for a VM with a window, on its way from remap_plan.c (what goes by its frame, and is
 * mapped) to remap_burst.c (into the ring). The lcore's that owns the RX ring.
 */

#include "remap_priv.h"

/* No frame's number: the packet is copied, the second because the VM holds enough. */
#define NO_FRAME   UINT32_MAX
#define OVER_QUOTA (UINT32_MAX - 1)

/* A burst on its way through the steps. */
struct burst {
	struct airlock_handoff *handoff;
	struct airlock_remap *remap;
	struct airlock_remap_queue *queue;
	struct airlock_rxring *ring;
	uint32_t tag;
	uint16_t queue_id;
	uint16_t n;
	uint16_t nb_runs;
	struct rte_mbuf **mbufs;
	struct rte_mempool *cold_pool; /* of the ring's partition */
	uint32_t tries; /* that are left on a full ring */
	bool planned; /* some packets are long enough to be remapped */
	bool fell; /* to frames, because there was nothing left to copy into */
	uint16_t seen; /* packets that were captured if they were put, and from here on none */
	uint64_t lost; /* bit i: packet i was dropped */
	bool timed; /* how long the copies took counts */
	uint32_t frames[AIRLOCK_HANDOFF_MAX_BURST]; /* that a packet goes by; or as above */
	uint8_t run_of[AIRLOCK_HANDOFF_MAX_BURST]; /* the frame's place in runs[] */
	bool kept[AIRLOCK_HANDOFF_MAX_BURST]; /* the frame is leased: not the lcore's to free */
	struct airlock_run runs[AIRLOCK_HANDOFF_MAX_BURST];
	struct airlock_flow_value remapped;
	struct airlock_flow_value copied;
};

/* Choose the packets that go by their frames. */
void burst_plan(struct burst *b);

/* There is nothing to copy packet *first* into: choose those from it on that can go by frames. */
void burst_fall(struct burst *b, uint16_t first);

/* Lease and map what was chosen, from packet *first* on. */
void burst_map(struct burst *b, uint16_t first);

#endif /* REMAP_BURST_H */
