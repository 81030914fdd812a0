/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_UPLINK_PRIV_H
#define AIRLOCK_UPLINK_PRIV_H

#include <rte_log.h>

#include "airlock_uplink.h"

extern int uplink_logtype;
#define UPLINK_LOG(level, ...) rte_log(RTE_LOG_##level, uplink_logtype, "uplink: " __VA_ARGS__)

#define UPLINK_TX_CSUM_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
		RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

/* uplink.c */

/* Configure the port port_id by conf, with the pool mapped. What was wrong is logged. */
int uplink_open(struct airlock_uplink *uplink);

/* Close the port. The pool's mapping is not the port's, but the VFIO container's, and stays. */
void uplink_close(struct airlock_uplink *uplink);

/* uplink_hotplug.c */

/* Be told of the link, and when the device is to go. */
void uplink_watch(struct airlock_uplink *uplink);

/* When it returns the interrupt thread is in no callback of the uplink, and will be in none. */
void uplink_unwatch(struct airlock_uplink *uplink);

/* Pages of a frame with room for *bytes* behind its headroom: at most AIRLOCK_FRAME_MAX_PAGES. */
static inline uint32_t
uplink_pages_of(unsigned long bytes)
{
	unsigned long pages =
		(RTE_PKTMBUF_HEADROOM + bytes + AIRLOCK_PAGE_SIZE - 1) / AIRLOCK_PAGE_SIZE;

	return RTE_MIN(pages, (unsigned long)AIRLOCK_FRAME_MAX_PAGES);
}

/* uplink_quirks.c */

/* What the port says it can be given, as the ethdev library computes it. */
uint16_t uplink_claimed_mtu(const struct rte_eth_dev_info *info);

/* What to ask the port to do with packets that it receives, besides RSS. */
uint64_t uplink_rx_offloads(const struct rte_eth_dev_info *info);

/* What to ask the port to do with packets that it sends. */
uint64_t uplink_tx_offloads(const struct rte_eth_dev_info *info);

/* Whether its RX queues interrupt without being asked to. */
bool uplink_is_always_armed(const struct rte_eth_dev_info *info);

/* For a larger MTU than the port claims to have. Returns 0 or -errno. */
int uplink_set_kernel_mtu(unsigned int if_index, uint16_t mtu);

/* Whether it must have as many TX queues as RX queues. */
bool uplink_wants_equal_queues(const struct rte_eth_dev_info *info);

#endif /* AIRLOCK_UPLINK_PRIV_H */
