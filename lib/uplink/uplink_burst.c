/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The uplink's datapath: bursts in and out, and interrupts asked for. Life cycle and link state are
 * in uplink.c.
 *
 * Thread rule: the lcore that owns the queue.
 */

#include <airlock_offload.h>

#include "airlock_uplink.h"

uint16_t
airlock_uplink_rx_burst(
	struct airlock_uplink *uplink, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	struct airlock_page_table *pages = airlock_pool_table(uplink->pool);
	uint16_t nb_rx = rte_eth_rx_burst(uplink->port_id, queue_id, mbufs, n);

	if (uplink->writes_exactly)
		airlock_page_receive(pages, mbufs, nb_rx);
	else
		airlock_page_receive_inexact(pages, mbufs, nb_rx);
	return nb_rx;
}

uint16_t
airlock_uplink_prepare_burst(
	struct airlock_uplink *uplink, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	uint64_t asked = 0;

	for (uint16_t i = 0; i < n; i++)
		asked |= mbufs[i]->ol_flags;
	/* Some ports want pseudo-header sums in place; a burst that asks for nothing needs no
	 * look. */
	if ((asked & RTE_MBUF_F_TX_OFFLOAD_MASK) == 0)
		return n;
	return rte_eth_tx_prepare(uplink->port_id, queue_id, mbufs, n);
}

uint16_t
airlock_uplink_tx_burst(
	struct airlock_uplink *uplink, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	return rte_eth_tx_burst(uplink->port_id, queue_id, mbufs, n);
}

static bool
can_be_armed(const struct airlock_uplink *uplink, uint16_t queue_id)
{
	return (uplink->interrupt_mask & RTE_BIT32(queue_id)) != 0;
}

bool
airlock_uplink_arm(struct airlock_uplink *uplink, uint16_t queue_id)
{
	if (airlock_uplink_state_get(uplink) == AIRLOCK_UPLINK_GONE)
		return true;
	return can_be_armed(uplink, queue_id) &&
		(uplink->always_armed ||
			rte_eth_dev_rx_intr_enable(uplink->port_id, queue_id) == 0);
}

void
airlock_uplink_disarm(struct airlock_uplink *uplink, uint16_t queue_id)
{
	if (can_be_armed(uplink, queue_id) && !uplink->always_armed)
		rte_eth_dev_rx_intr_disable(uplink->port_id, queue_id);
}
