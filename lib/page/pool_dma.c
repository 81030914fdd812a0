/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's memory for the cards: mapped once by the EAL, in the VFIO container that all cards on
 * vfio-pci share, and mapped again by it when a card is back; for a card of another driver as that
 * has it; or, where it is strict, frame by frame (card.c).
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_pci.h>

#include "pool_priv.h"

static bool
is_pci(const struct rte_device *dev)
{
	return strcmp(rte_bus_name(rte_dev_bus(dev)), "pci") == 0;
}

bool
airlock_pool_on_vfio(const char *address)
{
	char name[PCI_PRI_STR_SIZE], path[PATH_MAX], driver[PATH_MAX];
	struct rte_pci_addr pci;
	ssize_t len;

	if (rte_pci_addr_parse(address, &pci) < 0)
		return false;
	rte_pci_device_name(&pci, name, sizeof(name));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", name);
	len = readlink(path, driver, sizeof(driver) - 1);
	if (len < 0)
		return false;
	driver[len] = '\0';
	return strcmp(strrchr(driver, '/') + 1, "vfio-pci") == 0;
}

/* One mapping for all of these. */
static bool
is_shared(const struct rte_device *dev)
{
	return is_pci(dev) && airlock_pool_on_vfio(rte_dev_name(dev));
}

int
airlock_pool_dma_map(struct airlock_pool *pool, struct rte_device *dev)
{
	uint64_t base = (uintptr_t)pool->file.base;
	bool shared = is_shared(dev);

	if (pool->table->card != NULL && is_pci(dev))
		return airlock_card_attach(pool->table->card);
	if (shared && pool->in_container)
		return 0;
	rte_errno = 0;
	if (rte_dev_dma_map(dev, pool->file.base, base, pool->file.bytes) == 0) {
		pool->in_container |= shared;
		return 0;
	}
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
	bool shared = is_shared(dev);

	/* With the pool, if it is strict: other cards may still be there. */
	if (pool->table->card != NULL || (shared && !pool->in_container))
		return;
	if (shared)
		pool->in_container = false;
	if (rte_dev_dma_unmap(dev, pool->file.base, base, pool->file.bytes) < 0 &&
		rte_errno != ENOTSUP)
		POOL_LOG(WARNING, "%s: cannot unmap the pool: %s\n", rte_dev_name(dev),
			rte_strerror(rte_errno));
}
