/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_HANDOFF_H
#define AIRLOCK_HANDOFF_H

/**
 * @file
 * Gives packets to a VM: makes them fit the guest, copies or remaps them, counts what became
 * of each.
 *
 * Thread rule: a context belongs to one lcore; that lcore owns the RX rings it hands off to.
 */

#include <stdint.h>

#include <rte_mbuf.h>

#include <airlock_capture.h>
#include <airlock_vnic.h>

#include "airlock_remap.h"

/** Packets in one hand-off at most. */
#define AIRLOCK_HANDOFF_MAX_BURST 64
/** Further tries on a full ring at most. */
#define AIRLOCK_HANDOFF_MAX_RETRIES 64

struct airlock_offload;

/** Whom packets are given to. */
struct airlock_receiver {
	struct airlock_vnic *vnic;
	struct airlock_remap *remap; /**< NULL: the VM has no window */
};

/** How an lcore hands off. */
struct airlock_handoff {
	struct airlock_offload *offload; /**< the lcore's */
	uint32_t retries; /**< tries after the first one that leaves packets over */
	const struct airlock_capture_tap
		*tap; /**< the captures of what is handed off and dropped */
	/** Packets that were split for a guest, and what they became; this lcore writes. */
	_Atomic uint64_t split;
	_Atomic uint64_t parts;
};

/**
 * Give packets to a VM, all of them: each is delivered, or dropped and counted in the ring's block.
 *
 * @param queue_id  an RX ring that the caller owns
 * @param mbufs     n packets, which this consumes; nobody else may hold them
 * @param n         1 to AIRLOCK_HANDOFF_MAX_BURST
 */
void airlock_handoff_burst(struct airlock_handoff *handoff, const struct airlock_receiver *to,
	uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n);

/**
 * Give a VM a copy of one packet that others get too.
 *
 * @param m  stays the caller's; it must ask for no offload, so that it fits every guest
 */
void airlock_handoff_copy(struct airlock_handoff *handoff, const struct airlock_receiver *to,
	uint16_t queue_id, struct rte_mbuf *m);

/** See what a VM with a window has given back, if no packets come for it. Now and then. */
void airlock_handoff_poll(struct airlock_remap *remap, uint16_t queue_id);

/**
 * Free packets that the caller owns; a burst of single frames costs one call to the mempool.
 *
 * @param frames  the mempool that most come from
 */
void airlock_handoff_free(struct rte_mempool *frames, struct rte_mbuf **mbufs, uint16_t n);

#endif /* AIRLOCK_HANDOFF_H */
