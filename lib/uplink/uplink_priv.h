/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_UPLINK_PRIV_H
#define AIRLOCK_UPLINK_PRIV_H

#include "airlock_uplink.h"

#define UPLINK_TX_CSUM_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
		RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

/* uplink_quirks.c */

/* What the port says it can be given, as the ethdev library computes it. */
uint16_t uplink_claimed_mtu(const struct rte_eth_dev_info *info);

/* What to ask the port to do with packets that it receives, besides RSS. */
uint64_t uplink_rx_offloads(const struct rte_eth_dev_info *info);

/* What to ask the port to do with packets that it sends. */
uint64_t uplink_tx_offloads(const struct rte_eth_dev_info *info);

/* Whether its RX queues interrupt without being asked to. */
bool uplink_is_always_armed(const struct rte_eth_dev_info *info);

/* Whether it must have as many TX queues as RX queues. */
bool uplink_wants_equal_queues(const struct rte_eth_dev_info *info);

#endif /* AIRLOCK_UPLINK_PRIV_H */
