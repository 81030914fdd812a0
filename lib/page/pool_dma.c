/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's memory for the cards: mapped once by the EAL, which maps it again when a card is back;
 * or, where it is strict, frame by frame (card.c).
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>

#include "pool_priv.h"

static bool
is_pci(const struct rte_device *dev)
{
	return strcmp(rte_bus_name(rte_dev_bus(dev)), "pci") == 0;
}

int
airlock_pool_dma_map(struct airlock_pool *pool, struct rte_device *dev)
{
	uint64_t base = (uintptr_t)pool->file.base;

	if (pool->table->card != NULL && is_pci(dev))
		return airlock_card_attach(pool->table->card);
	rte_errno = 0;
	if (rte_dev_dma_map(dev, pool->file.base, base, pool->file.bytes) == 0)
		return 0;
	/* A virtual device's bus has no DMA at all; a PCI device that cannot map is an error. */
	if (rte_errno == ENOTSUP && !is_pci(dev))
		return 0;
	/* The kernel's refusal of a single map does not reach rte_errno. */
	return rte_errno > 0 ? -rte_errno : -EINVAL;
}

bool
airlock_pool_dma_lost(struct airlock_pool *pool)
{
	if (pool->table->card == NULL)
		return false;
	airlock_card_detach(pool->table->card);
	return true;
}

void
airlock_pool_dma_unmap(struct airlock_pool *pool, struct rte_device *dev)
{
	uint64_t base = (uintptr_t)pool->file.base;

	/* With the pool, if it is strict: other cards may still be there. */
	if (pool->table->card != NULL)
		return;
	if (rte_dev_dma_unmap(dev, pool->file.base, base, pool->file.bytes) < 0 &&
		rte_errno != ENOTSUP)
		POOL_LOG(WARNING, "%s: cannot unmap the pool: %s\n", rte_dev_name(dev),
			rte_strerror(rte_errno));
}
