/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What libairlock-guest.so puts in front of DPDK's own functions when it is preloaded into a
 * program. Without AIRLOCK_WINDOW in the environment it passes everything through.
 *
 * A program asks for rte_eth_rx_queue_setup@DPDK_23, and the loader is content with a definition
 * without a version in a library that has none at all; so this library must not have versions.
 *
 * Thread rule: control functions, in the program's threads.
 */

#include <dlfcn.h>

#include <rte_ethdev.h>

#include "guest.h"

typedef int (*rx_queue_setup_fn)(uint16_t, uint16_t, uint16_t, unsigned int,
	const struct rte_eth_rxconf *, struct rte_mempool *);
typedef int (*tx_queue_setup_fn)(
	uint16_t, uint16_t, uint16_t, unsigned int, const struct rte_eth_txconf *);

int
rte_eth_rx_queue_setup(uint16_t port_id, uint16_t rx_queue_id, uint16_t nb_rx_desc,
	unsigned int socket_id, const struct rte_eth_rxconf *rx_conf, struct rte_mempool *mb_pool)
{
	rx_queue_setup_fn next = (rx_queue_setup_fn)dlsym(RTLD_NEXT, "rte_eth_rx_queue_setup");
	int ret;

	ret = guest_rx_queue(port_id, rx_queue_id, nb_rx_desc, socket_id, &mb_pool);
	if (ret < 0)
		return ret;
	return next(port_id, rx_queue_id, nb_rx_desc, socket_id, rx_conf, mb_pool);
}

int
rte_eth_tx_queue_setup(uint16_t port_id, uint16_t tx_queue_id, uint16_t nb_tx_desc,
	unsigned int socket_id, const struct rte_eth_txconf *tx_conf)
{
	tx_queue_setup_fn next = (tx_queue_setup_fn)dlsym(RTLD_NEXT, "rte_eth_tx_queue_setup");
	int ret;

	ret = next(port_id, tx_queue_id, nb_tx_desc, socket_id, tx_conf);
	if (ret < 0)
		return ret;
	return guest_tx_queue(port_id, tx_queue_id, nb_tx_desc, socket_id);
}
