/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_REMAP_H
#define AIRLOCK_REMAP_H

/**
 * @file
 * How a VM with a window gets its packets: which are remapped, which are copied, what the VM may
 * hold, and what is asked back.
 *
 * Thread rule: control creates and destroys, brings the window and takes it away; the lcore that
 * owns an RX ring works with that ring's queue.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <airlock_dmatable.h>
#include <airlock_stats.h>
#include <airlock_vnic.h>

#include "airlock_cost.h"

/** Run lengths that have a threshold of their own: 1, 2, 4 ... 64 frames. */
#define AIRLOCK_REMAP_RUNS 7

/** What an operator wants for a VM. */
enum airlock_deliver {
	AIRLOCK_DELIVER_COPY, /**< no window: everything by copy */
	AIRLOCK_DELIVER_AUTO, /**< a window: whatever costs less */
	AIRLOCK_DELIVER_REMAP, /**< a window: by remap whatever can be */
};

/** Length from which on packets are remapped: a number of bytes, or one of these. */
#define AIRLOCK_COPY_BELOW_AUTO	  UINT32_MAX /**< as calibrated, then as measured */
#define AIRLOCK_COPY_BELOW_ALWAYS (UINT32_MAX - 1) /**< remap nothing */
#define AIRLOCK_COPY_BELOW_NEVER  (UINT32_MAX - 2) /**< remap whatever can be */

struct airlock_remap_conf {
	struct airlock_vnic *vnic; /**< made with a window */
	struct airlock_dmatable *table;
	struct airlock_pool *pool;
	enum airlock_deliver deliver; /**< AUTO or REMAP */
	uint32_t copy_below; /**< for AUTO */
	const struct airlock_cost *cost; /**< of this host, for AIRLOCK_COPY_BELOW_AUTO; copied */
};

/** One RX ring's counters. Writer: the lcore that owns the ring. */
struct airlock_remap_counters {
	struct airlock_flow remapped;
	struct airlock_flow copied;
	struct airlock_flow timed; /**< of *copied*: bursts copied as a whole, without a wait */
	_Atomic uint64_t copy_tsc; /**< cycles that *timed* took */
	_Atomic uint64_t renewed; /**< copies that went into a released frame, of *copied* */
	_Atomic uint64_t scrubbed_bytes;
	_Atomic uint64_t scrub_tsc;
	_Atomic uint64_t interrupts; /**< times that the VM was told to release */
	_Atomic uint64_t over_quota; /**< packets that were not remapped because of the quota */
};

/** The values of counters, summed over rings. */
struct airlock_remap_stats {
	bool up; /**< the window is there */
	uint32_t quota; /**< frames */
	uint32_t copy_below[AIRLOCK_REMAP_RUNS]; /**< bytes, for runs of 1, 2, 4 ... 64 frames */
	struct airlock_flow_value remapped;
	struct airlock_flow_value copied;
	struct airlock_flow_value timed;
	uint64_t copy_tsc;
	uint64_t renewed;
	uint64_t scrubbed_bytes;
	uint64_t scrub_tsc;
	uint64_t interrupts;
	uint64_t over_quota;
	uint64_t refused[AIRLOCK_RXRING_REFUSALS]; /**< buffers, by reason */
	struct airlock_dmatable_stats table;
};

/** An RX ring's part. Its lcore's alone, but for the counters. */
struct airlock_remap_queue {
	uint32_t nb_released;
	uint32_t *released; /**< frames RELEASED to this VM, the last one on top */
	uint64_t last_interrupt_tsc;
	/** Packets that may still go into or by a frame for want of private buffers. */
	uint32_t spills_left;
	uint64_t spills_tsc; /**< when these began */
	struct airlock_remap_counters counters;
} __rte_cache_aligned;

/** A VM may be short of buffers so often, and have packets by frames or in released ones. */
#define AIRLOCK_REMAP_SHORTAGES_PER_SECOND 50

/** A VM's. What is not _Atomic and not a queue's never changes. */
struct airlock_remap {
	struct airlock_vnic *vnic;
	struct airlock_dmatable *table;
	struct airlock_pool *pool;
	struct airlock_page_table *pages;
	uint32_t frame_bytes;
	/** Never remap, not even with nothing to copy into; control writes, lcores read. */
	_Atomic bool copy_only;
	/** Of the window; 0: there is none. Control writes it (release) last when the window comes
	 * and first when it goes; the lcores read it (acquire) once a burst. */
	_Atomic uint32_t tag;
	_Atomic uint32_t quota; /**< frames that the VM may hold; control writes, lcores read */
	/** Shortest packet that is remapped, by log2 of its run; control writes, lcores read. */
	_Atomic uint32_t copy_below[AIRLOCK_REMAP_RUNS];
	_Atomic uint32_t least_below; /**< the least of these; control writes, lcores read */
	struct airlock_remap_queue queues[AIRLOCK_VNIC_MAX_QUEUES];
	/* Control's alone. */
	enum airlock_deliver deliver;
	uint32_t fixed_below;
	struct airlock_cost_feedback feedback;
	struct airlock_remap_stats last; /**< at the last correction */
};

/**
 * Create, without a window.
 *
 * @return to be given to airlock_remap_destroy(); NULL with rte_errno ENOMEM
 */
struct airlock_remap *airlock_remap_create(const struct airlock_remap_conf *conf);

/** Destroy; no lcore may have it. NULL is ignored. */
void airlock_remap_destroy(struct airlock_remap *remap);

/**
 * The window came, or went (NULL).
 *
 * @param quiesce  waits until every lcore has passed a quiescent state
 * @param arg      for *quiesce*
 */
void airlock_remap_set_window(struct airlock_remap *remap, const struct airlock_window_place *place,
	void (*quiesce)(void *arg), void *arg);

/** The guest's driver has gone, and no lcore has its rings: take back all that it held. */
void airlock_remap_reclaim(struct airlock_remap *remap);

/**
 * Whether the VM may have this frame again, which it held when its window was lost, because it has
 * not posted it since. Any thread.
 */
bool airlock_remap_may_resume(const struct airlock_remap *remap, uint32_t frame);

/** Frames that the VM may hold from now on. Control. */
void airlock_remap_set_quota(struct airlock_remap *remap, uint32_t nb_frames);

/** Deliver by AUTO or REMAP from now on. Control. */
void airlock_remap_set_deliver(struct airlock_remap *remap, enum airlock_deliver deliver);

/** Correct the thresholds by what was measured since the last call; once a second. Control. */
void airlock_remap_correct(struct airlock_remap *remap);

/** Read the counters. Any thread. */
void airlock_remap_stats(const struct airlock_remap *remap, struct airlock_remap_stats *stats);

#endif /* AIRLOCK_REMAP_H */
