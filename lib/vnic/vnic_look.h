/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef VNIC_LOOK_H
#define VNIC_LOOK_H

/*
 * Looks of lcores at a ring that rte_vhost serves: at what is available, at what the guest is asked
 * to do. They take no lock, and rte_vhost's thread may be about to unmap the ring.
 *
 * That thread cannot wait for a quiescent state of the lcores: it holds the locks of the device's
 * rings while it handles a message, and rte_vhost_enqueue_burst() waits for such a lock. So an
 * lcore says that it looks, and then sees whether it may; the thread forbids it, and then waits for
 * a look that is under way. A look is short, and waits for nobody.
 *
 * Thread rule: looks are those of the lcore that owns the ring.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_pause.h>

static inline void
look_end(_Atomic bool *looks)
{
	/* Pairs with the load in look_wait(): the look has come to its end. */
	atomic_store_explicit(looks, false, memory_order_release);
}

/* Whether the lcore may look, as a bit of *allowed* says; then it ends the look. */
static inline bool
look_begin(_Atomic bool *looks, const _Atomic uint32_t *allowed, uint32_t bit)
{
	atomic_store_explicit(looks, true, memory_order_relaxed);
	/* Pairs with the fence in look_wait(): one of the two sees what the other stored. */
	atomic_thread_fence(memory_order_seq_cst);
	/* Acquire: pairs with who set the bit; what is looked at is there. */
	if ((atomic_load_explicit(allowed, memory_order_acquire) & bit) != 0)
		return true;
	look_end(looks);
	return false;
}

/* After looks were forbidden: none is under way when this returns. */
static inline void
look_wait(const _Atomic bool *looks)
{
	atomic_thread_fence(memory_order_seq_cst);
	while (atomic_load_explicit(looks, memory_order_acquire))
		rte_pause();
}

#endif /* VNIC_LOOK_H */
