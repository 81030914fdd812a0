/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Preloaded into airlockd, addresses the packets of net_null ports: writes an Ethernet header into
 * each frame as it is received, and leaves the rest as it is. net_null itself does not touch a
 * frame, so this is as near to a card's DMA as it comes without a card: the lcore has written one
 * cache line, which it reads next anyway. For tests/perf/pv.
 *
 * AIRLOCK_PV_VMS says how many VMs there are, AIRLOCK_PV_TRAIN how many packets in a row are for
 * the same one. Their addresses are 52:54:00:00:00:01 and so on.
 *
 * Thread rule: a port is started by one thread; a queue's counter is the thread's that polls it.
 */

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_ether.h>

#define MAX_VMS 255

struct source {
	uint32_t nb_vms;
	uint32_t train;
	uint32_t vm; /* of the train that goes on */
	uint32_t left; /* packets of it to come */
};

static uint16_t
address(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t nb, uint16_t max_nb,
	void *arg)
{
	struct source *source = arg;

	for (uint16_t i = 0; i < nb; i++) {
		struct rte_ether_hdr *header = rte_pktmbuf_mtod(mbufs[i], struct rte_ether_hdr *);

		if (source->left == 0) {
			source->left = source->train;
			source->vm = source->vm % source->nb_vms + 1;
		}
		source->left--;
		*header = (struct rte_ether_hdr){
			.dst_addr = {{0x52, 0x54, 0, 0, 0, source->vm}},
			.src_addr = {{2, 0, 0, 0, 0, 1}},
			.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		};
	}
	return nb;
}

static uint32_t
number(const char *name)
{
	const char *text = getenv(name);

	return text != NULL ? strtoul(text, NULL, 10) : 0;
}

static int
add_source(uint16_t port_id, uint16_t queue_id)
{
	struct source *source = calloc(1, sizeof(*source));

	if (source == NULL)
		return -ENOMEM;
	source->nb_vms = number("AIRLOCK_PV_VMS");
	source->train = number("AIRLOCK_PV_TRAIN");
	if (source->nb_vms == 0 || source->nb_vms > MAX_VMS || source->train == 0 ||
		rte_eth_add_rx_callback(port_id, queue_id, address, source) == NULL) {
		free(source);
		return -EINVAL;
	}
	return 0;
}

int
rte_eth_dev_start(uint16_t port_id)
{
	int (*start)(uint16_t) = (int (*)(uint16_t))dlsym(RTLD_NEXT, "rte_eth_dev_start");
	struct rte_eth_dev_info info;
	int ret;

	if (start == NULL)
		return -ENOSYS;
	ret = rte_eth_dev_info_get(port_id, &info);
	if (ret == 0 && strcmp(info.driver_name, "net_null") == 0) {
		for (uint16_t q = 0; ret == 0 && q < info.nb_rx_queues; q++)
			ret = add_source(port_id, q);
	}
	return ret == 0 ? start(port_id) : ret;
}
