/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef WINDOW_PRIV_H
#define WINDOW_PRIV_H

/**
 * @file
 * What the files of the guest's side share. window.c (open, close), window_pci.c (finds a
 * BAR), window_pool.c (mempools over it), window_mempool.c (their driver), window_tx.c (copies out
 * of it).
 */

#include <stdatomic.h>

#include <rte_log.h>
#include <rte_spinlock.h>

#include "airlock_window.h"
#include "airlock_window_agent.h"

/** Name of the mempool driver. */
#define WINDOW_MEMPOOL_OPS "airlock_window"

/** An open window. Nothing changes until it is closed. */
struct airlock_window {
	uint8_t *base;
	size_t bytes;
	rte_iova_t iova; /**< of base, as the device is told */
	struct airlock_window_layout layout;
	struct airlock_window_agent *agent; /**< NULL in a VM */
};

/** BAR 2 of an ivshmem device. */
struct window_bar {
	char path[128]; /**< the file to map */
	uint64_t addr; /**< as the VM sees it */
	uint64_t bytes;
};

/**
 * What a mempool of mixed buffers consists of: its pool_config.
 *
 * *lock* guards the counts and what the arrays hold; the rest is the creator's, before anybody else
 * has the pool.
 */
struct window_pool {
	rte_spinlock_t lock;
	/** Of both kinds. Written under the lock, read without by who transmits: relaxed. */
	_Atomic uint32_t in_pool;
	uint32_t frames_in_pool; /**< length of frames[] */
	uint32_t private_in_pool; /**< length of privates[] */
	uint32_t nb_frames;
	uint32_t nb_private;
	uint32_t nb_posted_private;
	const uint8_t *window_base;
	size_t window_bytes; /**< 0 while mbufs have no buffers yet */
	uint8_t *private_base; /**< nb_private buffers */
	void **frames; /**< room for nb_frames */
	void **privates; /**< room for all mbufs: those without buffers count as private */
};

/** Whether a layout can be that of a pool of *bytes*; a reason is logged. */
bool window_layout_ok(const struct airlock_window_layout *layout, uint64_t bytes);

/**
 * Find the device and have it answer to reads of its BAR.
 *
 * @param devices  `/sys/bus/pci/devices`
 * @param address  the device; NULL: the only one
 * @return 0; -ENODEV; -EEXIST; -EINVAL; or what open(2), read(2), write(2) said; logged
 */
int window_bar_find(const char *devices, const char *address, struct window_bar *bar);

/** Map a BAR and read the layout; errors as for airlock_window_open_pci(). */
struct airlock_window *window_bar_open(const struct window_bar *bar);

/** Make a window of what is mapped. @return NULL with rte_errno ENOMEM */
struct airlock_window *window_create(
	uint8_t *base, size_t bytes, rte_iova_t iova, const struct airlock_window_layout *layout);

/** Buffers that a pool has beyond the ring and lcores' caches: for what the program holds. */
#define WINDOW_SPARE 256

/** Of the mempool driver. Written once, by a constructor. */
extern int window_ops_index;

/** Whether an mbuf is of a receive pool that has hardly enough left to refill the ring. */
static inline bool
window_pool_is_low(const struct rte_mbuf *mbuf)
{
	const struct window_pool *pool = mbuf->pool->pool_data;

	return mbuf->pool->ops_index == window_ops_index &&
		atomic_load_explicit(&pool->in_pool, memory_order_relaxed) < WINDOW_SPARE;
}

/** Bytes of a frame. */
static inline size_t
window_frame_bytes(const struct airlock_window *window)
{
	return (size_t)window->layout.frame_pages * AIRLOCK_WINDOW_PAGE_BYTES;
}

/** What an mbuf can have of it: lengths are of 16 bits. */
static inline uint16_t
window_frame_room(const struct airlock_window *window)
{
	return RTE_MIN(window_frame_bytes(window), (size_t)UINT16_MAX);
}

extern int window_logtype;

#define WINDOW_LOG(level, ...) rte_log(RTE_LOG_##level, window_logtype, "window: " __VA_ARGS__)

#endif /* WINDOW_PRIV_H */
