/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * An uplink's life: port configured, pool mapped for its DMA, queues set up, link watched. The
 * datapath is in uplink_burst.c, what single drivers need is in uplink_quirks.c.
 *
 * A port is asked for as little as serves: transmit checksums and TCP segmentation, because VMs
 * leave both undone; RSS where there are several queues; chains in both directions. VLAN tags are
 * put in and taken out in software, where the classifier has the packet's first line in its cache
 * anyway, so that all ports behave the same; receive checksums have no taker, as a VM checks
 * itself.
 *
 * Thread rule: see airlock_uplink.h.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_string_fns.h>

#include <airlock_offload.h>

#include "airlock_uplink.h"
#include "uplink_priv.h"

RTE_LOG_REGISTER(uplink_logtype, airlock.uplink, INFO);

static const char *const state_names[] = {
	[AIRLOCK_UPLINK_DOWN] = "down",
	[AIRLOCK_UPLINK_UP] = "up",
	[AIRLOCK_UPLINK_GONE] = "gone",
};
static_assert(RTE_DIM(state_names) == AIRLOCK_UPLINK_GONE + 1, "every state has a name");

const char *
airlock_uplink_state_name(enum airlock_uplink_state state)
{
	return state_names[state];
}

uint32_t
airlock_uplink_frame_pages(uint16_t mtu)
{
	return uplink_pages_of(mtu + AIRLOCK_UPLINK_OVERHEAD);
}

static uint32_t
caps_of(uint64_t tx_offloads)
{
	uint32_t caps = 0;

	if ((tx_offloads & UPLINK_TX_CSUM_OFFLOADS) == UPLINK_TX_CSUM_OFFLOADS)
		caps |= AIRLOCK_OFFLOAD_L4_CSUM;
	/* DPDK's flag is for both versions of IP. */
	if ((tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 && caps != 0)
		caps |= AIRLOCK_OFFLOAD_TSO4 | AIRLOCK_OFFLOAD_TSO6;
	if ((tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0)
		caps |= AIRLOCK_OFFLOAD_CHAINS;
	return caps;
}

/*
 * Drivers that copy each packet into its frame, and write nothing else. Of any other nobody knows:
 * a card writes what it likes up to the buffer's end, net_tap leaves in its buffers what it read of
 * a packet that it then drops, net_virtio_user's buffers are another process's to write.
 */
static bool
writes_exactly(const struct rte_eth_dev_info *info)
{
	static const char *const exact[] = {
		"net_af_packet", "net_null", "net_pcap", "net_ring", "net_vhost"};

	for (unsigned int i = 0; i < RTE_DIM(exact); i++) {
		if (strcmp(info->driver_name, exact[i]) == 0)
			return true;
	}
	return false;
}

static int
port_configure(struct airlock_uplink *uplink, const struct rte_eth_dev_info *info)
{
	struct rte_eth_conf conf = {
		.rxmode.mtu = RTE_MIN(uplink->mtu, uplink_claimed_mtu(info)),
		.rxmode.offloads = uplink_rx_offloads(info),
		.txmode.offloads = uplink_tx_offloads(info),
	};
	int ret;

	if (uplink->nb_rxq > 1 && info->flow_type_rss_offloads != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
	uplink->tx_caps = caps_of(conf.txmode.offloads);
	conf.intr_conf.rxq = uplink->interrupts;
	ret = rte_eth_dev_configure(uplink->port_id, uplink->nb_rxq, uplink->nb_txq, &conf);
	if (ret == 0 || !uplink->interrupts)
		return ret;
	uplink->interrupts = false;
	conf.intr_conf.rxq = 0;
	return rte_eth_dev_configure(uplink->port_id, uplink->nb_rxq, uplink->nb_txq, &conf);
}

static int
port_setup_queues(struct airlock_uplink *uplink, const struct airlock_uplink_conf *conf)
{
	struct rte_mempool *mempool = airlock_pool_mempool(conf->pool, 0);
	uint16_t nb_rxd = conf->nb_desc, nb_txd = conf->nb_desc;
	int ret;

	ret = rte_eth_dev_adjust_nb_rx_tx_desc(uplink->port_id, &nb_rxd, &nb_txd);
	for (uint16_t q = 0; ret == 0 && q < uplink->nb_rxq; q++)
		ret = rte_eth_rx_queue_setup(
			uplink->port_id, q, nb_rxd, uplink->socket_id, NULL, mempool);
	for (uint16_t q = 0; ret == 0 && q < uplink->nb_txq; q++)
		ret = rte_eth_tx_queue_setup(uplink->port_id, q, nb_txd, uplink->socket_id, NULL);
	return ret;
}

static int
port_set_mtu(const struct airlock_uplink *uplink, const struct rte_eth_dev_info *info)
{
	int ret;

	if (uplink->mtu > uplink_claimed_mtu(info))
		return uplink_set_kernel_mtu(info->if_index, uplink->mtu);
	ret = rte_eth_dev_set_mtu(uplink->port_id, uplink->mtu);
	/* A port without the notion takes what its buffers hold. */
	return ret == -ENOTSUP ? 0 : ret;
}

static int
port_setup(struct airlock_uplink *uplink, const struct airlock_uplink_conf *conf,
	const struct rte_eth_dev_info *info)
{
	int ret;

	ret = port_configure(uplink, info);
	if (ret < 0) {
		UPLINK_LOG(ERR, "port %u (%s): cannot configure %u+%u queues, MTU %u: %s\n",
			uplink->port_id, uplink->name, uplink->nb_rxq, uplink->nb_txq, uplink->mtu,
			rte_strerror(-ret));
		return ret;
	}
	ret = port_set_mtu(uplink, info);
	if (ret < 0) {
		UPLINK_LOG(ERR, "port %u (%s): cannot set MTU %u: %s\n", uplink->port_id,
			uplink->name, uplink->mtu, rte_strerror(-ret));
		return ret;
	}
	/* Of a device that is back: the EAL has mapped again what was mapped. */
	if (!uplink->dma_mapped)
		ret = airlock_pool_dma_map(conf->pool, info->device);
	if (ret < 0) {
		UPLINK_LOG(ERR,
			"port %u (%s): cannot map the pool for DMA: %s; expected vfio-pci with an "
			"IOMMU\n",
			uplink->port_id, uplink->name, rte_strerror(-ret));
		return ret;
	}
	uplink->dma_mapped = true;
	ret = port_setup_queues(uplink, conf);
	if (ret < 0)
		UPLINK_LOG(ERR, "port %u (%s): cannot set up queues of %u descriptors: %s\n",
			uplink->port_id, uplink->name, conf->nb_desc, rte_strerror(-ret));
	return ret;
}

static int
check_rx_queues(const struct airlock_uplink_conf *conf, const struct rte_eth_dev_info *info)
{
	if (conf->nb_rxq != 0 && conf->nb_rxq <= info->max_rx_queues)
		return 0;
	UPLINK_LOG(ERR, "port %u: %u RX queues, expected 1 to %u\n", conf->port_id, conf->nb_rxq,
		info->max_rx_queues);
	return -EINVAL;
}

int
uplink_open(struct airlock_uplink *uplink)
{
	const struct airlock_uplink_conf *conf = &uplink->conf;
	struct rte_eth_dev_info info;
	int ret;

	ret = rte_eth_dev_info_get(uplink->port_id, &info);
	if (ret < 0)
		return ret;
	/* From here on it is to be let go of, whatever is wrong with it. */
	uplink->device = info.device;
	uplink->has_port = true;
	ret = check_rx_queues(conf, &info);
	if (ret < 0)
		return ret;
	uplink->nb_rxq = conf->nb_rxq;
	uplink->nb_txq = RTE_MIN(conf->nb_txq, info.max_tx_queues);
	uplink->socket_id = rte_eth_dev_socket_id(uplink->port_id);
	uplink->writes_exactly = writes_exactly(&info);
	uplink->interrupts = conf->interrupts;
	uplink->interrupt_mask = 0;
	uplink->always_armed = uplink_is_always_armed(&info);
	rte_eth_dev_get_name_by_port(uplink->port_id, uplink->name);
	if (uplink_wants_equal_queues(&info))
		uplink->nb_txq = uplink->nb_rxq;
	return port_setup(uplink, conf, &info);
}

void
uplink_close(struct airlock_uplink *uplink)
{
	if (!uplink->has_port)
		return;
	rte_eth_dev_close(uplink->port_id);
	uplink->has_port = false;
}

struct airlock_uplink *
airlock_uplink_create(const struct airlock_uplink_conf *conf)
{
	struct airlock_uplink *uplink;
	int ret;

	uplink = calloc(1, sizeof(*uplink));
	if (uplink == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	pthread_mutex_init(&uplink->port_lock, NULL);
	uplink->conf = *conf;
	uplink->port_id = conf->port_id;
	uplink->mtu = conf->mtu;
	uplink->max_frame_bytes = conf->mtu + RTE_ETHER_HDR_LEN;
	uplink->pool = conf->pool;
	snprintf(uplink->point.name, sizeof(uplink->point.name), "uplink %u", conf->port_id);
	uplink->point.tags = true;
	ret = uplink_open(uplink);
	if (ret < 0) {
		airlock_uplink_destroy(uplink);
		rte_errno = -ret;
		return NULL;
	}
	return uplink;
}

/* Packets for all VMs' addresses are wanted; a port without the notion receives them anyway. */
static int
port_open_filters(const struct airlock_uplink *uplink)
{
	int ret;

	ret = rte_eth_promiscuous_enable(uplink->port_id);
	if (ret == 0 || ret == -ENOTSUP)
		ret = rte_eth_allmulticast_enable(uplink->port_id);
	return ret == -ENOTSUP ? 0 : ret;
}

int
airlock_uplink_start(struct airlock_uplink *uplink)
{
	int ret;

	uplink_watch(uplink);
	ret = rte_eth_dev_start(uplink->port_id);
	if (ret == 0) {
		ret = port_open_filters(uplink);
		if (ret < 0)
			rte_eth_dev_stop(uplink->port_id);
	}
	if (ret < 0) {
		UPLINK_LOG(ERR, "port %u (%s): cannot start: %s\n", uplink->port_id, uplink->name,
			rte_strerror(-ret));
		uplink_unwatch(uplink);
		return ret;
	}
	airlock_uplink_poll(uplink);
	return 0;
}

int
airlock_uplink_interrupt_fd(const struct airlock_uplink *uplink, uint16_t queue_id)
{
	if (!uplink->interrupts)
		return -1;
	if (!uplink->always_armed) {
		if (rte_eth_dev_rx_intr_enable(uplink->port_id, queue_id) < 0)
			return -1;
		rte_eth_dev_rx_intr_disable(uplink->port_id, queue_id);
	}
	return rte_eth_dev_rx_intr_ctl_q_get_fd(uplink->port_id, queue_id);
}

void
airlock_uplink_set_interrupt(struct airlock_uplink *uplink, uint16_t queue_id, bool watched)
{
	uint32_t bit = RTE_BIT32(queue_id);

	uplink->interrupt_mask =
		watched ? uplink->interrupt_mask | bit : uplink->interrupt_mask & ~bit;
}

void
airlock_uplink_stop(struct airlock_uplink *uplink)
{
	if (!uplink->has_port)
		return;
	uplink_unwatch(uplink);
	rte_eth_dev_stop(uplink->port_id);
}

void
airlock_uplink_destroy(struct airlock_uplink *uplink)
{
	if (uplink == NULL)
		return;
	if (uplink->has_port && uplink->dma_mapped)
		airlock_pool_dma_unmap(uplink->pool, uplink->device);
	uplink_close(uplink);
	pthread_mutex_destroy(&uplink->port_lock);
	free(uplink->probe);
	free(uplink);
}

void
airlock_uplink_poll(struct airlock_uplink *uplink)
{
	enum airlock_uplink_state before = airlock_uplink_state_get(uplink), now;
	struct rte_eth_link link;
	char text[RTE_ETH_LINK_MAX_STR_LEN];

	if (before == AIRLOCK_UPLINK_GONE)
		return;
	if (rte_eth_link_get_nowait(uplink->port_id, &link) < 0)
		memset(&link, 0, sizeof(link));
	now = link.link_status == RTE_ETH_LINK_UP ? AIRLOCK_UPLINK_UP : AIRLOCK_UPLINK_DOWN;
	/* Fails if the other thread was faster, which then logs. */
	if (now == before ||
		!atomic_compare_exchange_strong_explicit(
			&uplink->state, &before, now, memory_order_relaxed, memory_order_relaxed))
		return;
	rte_eth_link_to_str(text, sizeof(text), &link);
	UPLINK_LOG(NOTICE, "port %u (%s): %s\n", uplink->port_id, uplink->name, text);
}

void
airlock_uplink_setup_get(struct airlock_uplink *uplink, struct airlock_uplink_setup *setup)
{
	pthread_mutex_lock(&uplink->port_lock);
	setup->port_id = uplink->port_id;
	setup->nb_rxq = uplink->nb_rxq;
	setup->nb_txq = uplink->nb_txq;
	setup->mtu = uplink->mtu;
	rte_strscpy(setup->name, uplink->name, sizeof(setup->name));
	pthread_mutex_unlock(&uplink->port_lock);
}

void
airlock_uplink_hw_stats(struct airlock_uplink *uplink, struct airlock_uplink_hw_stats *stats)
{
	struct rte_eth_stats port = {0};

	/* Zeroes for a port that has vanished. */
	pthread_mutex_lock(&uplink->port_lock);
	if (uplink->has_port)
		rte_eth_stats_get(uplink->port_id, &port);
	pthread_mutex_unlock(&uplink->port_lock);
	stats->missed = port.imissed;
	stats->rx_error = port.ierrors;
	stats->no_page = port.rx_nombuf;
	stats->tx_error = port.oerrors;
}
