/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Mempool driver "airlock_page": last-in-first-out, a cache per lcore, and a state per frame.
 *
 * An lcore takes and gives through its own small stack; the frames that it used last, and that lie
 * in its caches, are used again first. When the stack runs empty or over, half of it is exchanged
 * with a stack that all share. Threads that are no lcores use the shared one alone.
 *
 * The driver is where a frame becomes FREE and ceases to be (lib/page/airlock_page.h). Until the
 * pool is live its mbufs have no buffers yet, and every frame is FREE anyway.
 *
 * Thread rule: the stack of an lcore is used by that lcore only; the count may be read by others.
 */

#include <stdatomic.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_stack.h>

#include <airlock_page.h>

#define CACHE_FRAMES 512

struct lcore_cache {
	_Atomic uint32_t len; /* written by its lcore, read by get_count() */
	void *objs[CACHE_FRAMES];
} __rte_cache_aligned;

struct page_mempool {
	struct airlock_page_table *table;
	struct rte_stack *shared;
	struct lcore_cache caches[RTE_MAX_LCORE];
};

static int
page_alloc(struct rte_mempool *mp)
{
	struct page_mempool *pm;
	int err;

	pm = rte_zmalloc_socket("airlock_page", sizeof(*pm), RTE_CACHE_LINE_SIZE, mp->socket_id);
	if (pm == NULL)
		return -ENOMEM;
	pm->table = airlock_page_table_find(mp->name, NULL);
	if (pm->table == NULL) {
		err = -ENOENT;
		goto free_pm;
	}
	pm->shared = rte_stack_create(mp->name, mp->size, mp->socket_id, 0);
	if (pm->shared == NULL) {
		err = -rte_errno;
		goto free_pm;
	}
	mp->pool_data = pm;
	return 0;

free_pm:
	rte_free(pm);
	return err;
}

static void
page_free(struct rte_mempool *mp)
{
	struct page_mempool *pm = mp->pool_data;

	rte_stack_free(pm->shared);
	rte_free(pm);
}

/* NULL for a thread that is no lcore, and for bursts too large to be worth caching. */
static inline struct lcore_cache *
cache_get(struct page_mempool *pm, unsigned int n)
{
	unsigned int lcore_id = rte_lcore_id();

	if (unlikely(lcore_id >= RTE_MAX_LCORE || n > CACHE_FRAMES / 2))
		return NULL;
	return &pm->caches[lcore_id];
}

static inline uint32_t
cache_len(const struct lcore_cache *cache)
{
	return atomic_load_explicit(&cache->len, memory_order_relaxed);
}

static inline void
cache_set_len(struct lcore_cache *cache, uint32_t len)
{
	atomic_store_explicit(&cache->len, len, memory_order_relaxed);
}

static int
page_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct page_mempool *pm = mp->pool_data;
	struct lcore_cache *cache = cache_get(pm, n);
	uint32_t len;

	if (likely(pm->table->live))
		airlock_page_give(pm->table, (struct rte_mbuf *const *)objs, n);
	if (unlikely(cache == NULL))
		return rte_stack_push(pm->shared, objs, n) == n ? 0 : -ENOBUFS;
	len = cache_len(cache);
	if (unlikely(len + n > CACHE_FRAMES)) {
		/* The older half goes: the newer one is the warm one. */
		rte_stack_push(pm->shared, cache->objs, CACHE_FRAMES / 2);
		len -= CACHE_FRAMES / 2;
		memmove(cache->objs, &cache->objs[CACHE_FRAMES / 2], len * sizeof(void *));
	}
	memcpy(&cache->objs[len], objs, n * sizeof(void *));
	cache_set_len(cache, len + n);
	return 0;
}

/* Fill up to n, or to half if the shared stack has that many. */
static uint32_t
cache_refill(struct page_mempool *pm, struct lcore_cache *cache, uint32_t len, unsigned int n)
{
	unsigned int want = CACHE_FRAMES / 2;

	if (rte_stack_pop(pm->shared, &cache->objs[len], want) == want)
		return len + want;
	want = n - len;
	if (rte_stack_pop(pm->shared, &cache->objs[len], want) == want)
		return len + want;
	return len;
}

static int
page_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	struct page_mempool *pm = mp->pool_data;
	struct lcore_cache *cache = cache_get(pm, n);
	uint32_t len;

	if (unlikely(cache == NULL)) {
		if (rte_stack_pop(pm->shared, objs, n) != n)
			return -ENOBUFS;
	} else {
		len = cache_len(cache);
		if (unlikely(len < n))
			len = cache_refill(pm, cache, len, n);
		if (unlikely(len < n)) {
			cache_set_len(cache, len);
			return -ENOBUFS;
		}
		for (unsigned int i = 0; i < n; i++)
			objs[i] = cache->objs[len - 1 - i];
		cache_set_len(cache, len - n);
	}
	if (likely(pm->table->live))
		airlock_page_take(pm->table, (struct rte_mbuf *const *)objs, n);
	return 0;
}

static unsigned int
page_get_count(const struct rte_mempool *mp)
{
	const struct page_mempool *pm = mp->pool_data;
	unsigned int count = rte_stack_count(pm->shared);

	for (unsigned int i = 0; i < RTE_MAX_LCORE; i++)
		count += cache_len(&pm->caches[i]);
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
