/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_POLICER_H
#define AIRLOCK_POLICER_H

/*
 * A policer: a token bucket of so many units (bytes, or packets) a second, with bursts of so many.
 * It has one rate and one bucket, as RFC 2697 has without an excess burst: green passes.
 *
 * All lcores that serve a VM draw from one bucket, so the limit is that of the VM as a whole, and a
 * flow that comes by one queue may have all of it. The contexts of rte_meter belong to one thread
 * each; one for every queue would leave such a flow its queue's share. So the bucket is one word:
 * the units that were spent, on a scale on which *refill* goes up with the time. What was spent
 * before is never less than *refill* (a full bucket) and never more than that and the burst (an
 * empty one).
 *
 * Thread rule: any lcore, until its next quiescent state. All but *spent* is constant: control
 * makes a new policer for another rate.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_cycles.h>

/* Bits behind the point in units_per_tsc. */
#define POLICER_SHIFT 40

struct policer {
	_Atomic uint64_t spent; /* lcores: compare-and-exchange, relaxed; orders nothing else */
	uint64_t start_tsc;
	uint64_t units_per_tsc; /* with POLICER_SHIFT bits behind the point */
	uint64_t burst; /* units */
} __rte_cache_aligned;

/*
 * A policer with a full bucket. *rate* units a second, 1 to 2^37; *burst* units, which no packet
 * may be longer than. NULL: no memory. To be given to rte_free().
 */
struct policer *policer_create(uint64_t rate, uint64_t burst, uint64_t tsc);

/* Which of n packets, at most 64, pass: bit i for packet i, which costs costs[i] units. */
static inline uint64_t
policer_pass(struct policer *policer, uint64_t tsc, const uint32_t *costs, uint16_t n)
{
	uint64_t refill = (unsigned __int128)(tsc - policer->start_tsc) * policer->units_per_tsc >>
		POLICER_SHIFT;
	uint64_t spent = atomic_load_explicit(&policer->spent, memory_order_relaxed);
	uint64_t now, passes;

	do {
		now = RTE_MAX(spent, refill);
		passes = 0;
		for (uint16_t i = 0; i < n; i++) {
			if (now + costs[i] > refill + policer->burst)
				continue;
			now += costs[i];
			passes |= RTE_BIT64(i);
		}
	} while (passes != 0 &&
		!atomic_compare_exchange_weak_explicit(
			&policer->spent, &spent, now, memory_order_relaxed, memory_order_relaxed));
	return passes;
}

/* Whether one packet that costs *cost* units passes; always if *policer* is NULL. */
static inline bool
policer_passes(struct policer *policer, uint32_t cost)
{
	return policer == NULL || policer_pass(policer, rte_rdtsc(), &cost, 1) != 0;
}

#endif /* AIRLOCK_POLICER_H */
