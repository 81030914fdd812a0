/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Are the ports there that the configuration asks for, and can they do what it wants of them? A
 * part of machine.c.
 */

#include <string.h>

#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include "airlockd.h"

static int
check_port(const struct airlock_config_uplink *uplink, char error[static AIRLOCK_ERROR_MAX])
{
	struct rte_eth_dev_info info;
	uint16_t max_mtu;

	if (!rte_eth_dev_is_valid_port(uplink->port_id) ||
		rte_eth_dev_info_get(uplink->port_id, &info) < 0) {
		snprintf(error, AIRLOCK_ERROR_MAX,
			"%s: port %u does not exist, expected one of %u ports (-a, --vdev)",
			uplink->origin.text, uplink->port_id, rte_eth_dev_count_avail());
		return -1;
	}
	if (uplink->nb_queues > info.max_rx_queues) {
		snprintf(error, AIRLOCK_ERROR_MAX,
			"%s: %u queues, expected 1 to %u, as port %u has", uplink->origin.text,
			uplink->nb_queues, info.max_rx_queues, uplink->port_id);
		return -1;
	}
	max_mtu = airlock_uplink_max_mtu(&info);
	if (uplink->mtu > max_mtu) {
		snprintf(error, AIRLOCK_ERROR_MAX,
			"%s: mtu %u, expected at most %u, as port %u (%s) has", uplink->origin.text,
			uplink->mtu, max_mtu, uplink->port_id, info.driver_name);
		return -1;
	}
	/* The pool is mapped for DMA by virtual address; without an IOMMU that would hit
	 * anything. */
	if (strcmp(rte_bus_name(rte_dev_bus(info.device)), "pci") == 0 &&
		rte_eal_iova_mode() != RTE_IOVA_VA) {
		snprintf(error, AIRLOCK_ERROR_MAX,
			"%s: port %u (%s) works with physical addresses, expected vfio-pci with an "
			"IOMMU (IOVA as VA)",
			uplink->origin.text, uplink->port_id, rte_dev_name(info.device));
		return -1;
	}
	return 0;
}

static bool
is_card(const struct airlock_config_uplink *uplink)
{
	struct rte_eth_dev_info info;

	return rte_eth_dev_info_get(uplink->port_id, &info) == 0 &&
		strcmp(rte_bus_name(rte_dev_bus(info.device)), "pci") == 0;
}

/* All cards are in one IOMMU domain, so all are strict or none. */
static int
check_dma(const struct airlock_config *config, struct daemon_pool *pool,
	char error[static AIRLOCK_ERROR_MAX])
{
	const struct airlock_config_uplink *first = NULL;

	for (uint16_t i = 0; i < config->nb_uplinks; i++) {
		const struct airlock_config_uplink *uplink = &config->uplinks[i];

		if (!is_card(uplink)) {
			if (uplink->dma == AIRLOCK_DMA_STATIC)
				continue;
			snprintf(error, AIRLOCK_ERROR_MAX,
				"%s: dma strict for port %u, which is no PCI device, expected a "
				"card on vfio-pci",
				uplink->origin.text, uplink->port_id);
			return -1;
		}
		if (first == NULL)
			first = uplink;
		if (first->dma == uplink->dma)
			continue;
		snprintf(error, AIRLOCK_ERROR_MAX,
			"%s: dma of port %u is not that of port %u, expected the same for all "
			"cards: they share an IOMMU domain",
			uplink->origin.text, uplink->port_id, first->port_id);
		return -1;
	}
	pool->dma = first != NULL ? first->dma : AIRLOCK_DMA_STATIC;
	return 0;
}

int
machine_check_uplinks(const struct airlock_config *config, struct daemon_pool *pool,
	char error[static AIRLOCK_ERROR_MAX])
{
	for (uint16_t i = 0; i < config->nb_uplinks; i++) {
		if (check_port(&config->uplinks[i], error) < 0)
			return -1;
	}
	return check_dma(config, pool, error);
}
