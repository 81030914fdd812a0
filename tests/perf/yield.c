/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Preloaded into a DPDK program, lets it give up the CPU whenever a port has no packet for it. So
 * several polling guests can share a CPU without each one spending its time slice on an empty ring
 * while the others' rings run over. For tests/perf/pv, which has one CPU for all guests.
 *
 * Thread rule: the port is started by one thread; the callback runs in those that poll it.
 */

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>

#include <rte_ethdev.h>

static uint16_t
yield_if_empty(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t nb,
	uint16_t max_nb, void *arg)
{
	if (nb == 0)
		sched_yield();
	return nb;
}

int
rte_eth_dev_start(uint16_t port_id)
{
	int (*start)(uint16_t) = (int (*)(uint16_t))dlsym(RTLD_NEXT, "rte_eth_dev_start");
	struct rte_eth_dev_info info;

	if (start == NULL)
		return -ENOSYS;
	if (rte_eth_dev_info_get(port_id, &info) == 0) {
		for (uint16_t q = 0; q < info.nb_rx_queues; q++)
			rte_eth_add_rx_callback(port_id, q, yield_if_empty, NULL);
	}
	return start(port_id);
}
