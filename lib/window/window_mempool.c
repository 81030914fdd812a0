/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The driver of a receive pool: keeps mbufs with frames of the window and mbufs with private
 * buffers apart, and decides which to hand out. window_pool.c makes the pool.
 *
 * airlockd needs both kinds posted at any time: frames, to receive into them and show them; private
 * buffers, to copy small packets into. A pool that does not look at the kind lets the ring drift: a
 * stream of small packets uses up the private buffers and each refill brings frames, until there is
 * nothing left to copy into (and a stream of large ones the other way round). So the pool counts
 * how many private mbufs are out and makes good what is missing first.
 *
 * Within a kind the mbuf freed last goes out first: it is warm, and a frame that goes back to the
 * ring at once is soon airlockd's again, which matters as all VMs of an uplink share a partition.
 * The pool's own cache in each lcore is in front of this driver, and so one in some dozens of
 * packets takes the lock.
 *
 * A mempool is filled before its mbufs have buffers. Until window_bytes is set all count as
 * private.
 *
 * Thread rule: any thread.
 */

#include <errno.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "window_priv.h"

int window_ops_index = -1;

/* Under the lock. */
static void
note_length(struct window_pool *pool)
{
	atomic_store_explicit(
		&pool->in_pool, pool->frames_in_pool + pool->private_in_pool, memory_order_relaxed);
}

static bool
has_frame(const struct window_pool *pool, const struct rte_mbuf *mbuf)
{
	return (uintptr_t)mbuf->buf_addr - (uintptr_t)pool->window_base < pool->window_bytes;
}

static int
window_mempool_alloc(struct rte_mempool *mp)
{
	mp->pool_data = mp->pool_config;
	return 0;
}

/* Also of a pool whose making failed half way: so by pool_config. */
static void
window_mempool_free(struct rte_mempool *mp)
{
	struct window_pool *pool = mp->pool_config;

	rte_free(pool->private_base);
	rte_free(pool);
}

static int
window_mempool_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct window_pool *pool = mp->pool_data;

	rte_spinlock_lock(&pool->lock);
	for (unsigned int i = 0; i < n; i++) {
		if (has_frame(pool, objs[i]))
			pool->frames[pool->frames_in_pool++] = objs[i];
		else
			pool->privates[pool->private_in_pool++] = objs[i];
	}
	note_length(pool);
	rte_spinlock_unlock(&pool->lock);
	return 0;
}

/* How many of n shall be private. */
static uint32_t
share_private(const struct window_pool *pool, uint32_t n)
{
	uint32_t out = pool->nb_private - pool->private_in_pool;
	uint32_t missing = out < pool->nb_posted_private ? pool->nb_posted_private - out : 0;
	uint32_t nb_private = RTE_MIN(RTE_MIN(missing, n), pool->private_in_pool);

	if (n - nb_private > pool->frames_in_pool)
		nb_private = n - pool->frames_in_pool;
	return nb_private;
}

static int
window_mempool_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	struct window_pool *pool = mp->pool_data;
	uint32_t nb_private;

	rte_spinlock_lock(&pool->lock);
	if (n > pool->frames_in_pool + pool->private_in_pool) {
		rte_spinlock_unlock(&pool->lock);
		return -ENOBUFS;
	}
	nb_private = share_private(pool, n);
	for (unsigned int i = 0; i < n; i++) {
		if (i < nb_private)
			objs[i] = pool->privates[--pool->private_in_pool];
		else
			objs[i] = pool->frames[--pool->frames_in_pool];
	}
	note_length(pool);
	rte_spinlock_unlock(&pool->lock);
	return 0;
}

static unsigned int
window_mempool_count(const struct rte_mempool *mp)
{
	const struct window_pool *pool = mp->pool_data;

	return atomic_load_explicit(&pool->in_pool, memory_order_relaxed);
}

static const struct rte_mempool_ops window_mempool_ops = {
	.name = WINDOW_MEMPOOL_OPS,
	.alloc = window_mempool_alloc,
	.free = window_mempool_free,
	.enqueue = window_mempool_enqueue,
	.dequeue = window_mempool_dequeue,
	.get_count = window_mempool_count,
};

/* As RTE_MEMPOOL_REGISTER_OPS() does, which does not tell the index. */
RTE_INIT(register_window_mempool)
{
	window_ops_index = rte_mempool_register_ops(&window_mempool_ops);
}
