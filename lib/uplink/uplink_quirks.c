/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What single drivers need that others do not, and what all are asked for; uplink.c configures the
 * port by it. Drivers are known by their names.
 *
 * Thread rule: control threads; nothing is kept.
 */

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_kvargs.h>

#include "uplink_priv.h"

/* DFLT_FRAME_SIZE of net_af_packet. */
#define AF_PACKET_FRAME_BYTES 2048ul
/*
 * What the MTU does not count in a frame of a packet socket's ring: the kernel's header, and room
 * for a link header, which for Ethernet ends 14 bytes behind byte 66 (tpacket_rcv() of Linux).
 */
#define AF_PACKET_OVERHEAD 80ul
/* The kernel's header alone: for all the rest net_af_packet wants room in an mbuf. */
#define AF_PACKET_HEADER 32ul

static bool
is_driver(const struct rte_eth_dev_info *info, const char *name)
{
	return strcmp(info->driver_name, name) == 0;
}

/* As the ethdev library computes it. */
uint16_t
uplink_claimed_mtu(const struct rte_eth_dev_info *info)
{
	uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		overhead = info->max_rx_pktlen - info->max_mtu;
	return RTE_MIN((uint32_t)info->max_mtu, info->max_rx_pktlen - overhead);
}

static int
read_number(const char *key, const char *value, void *arg)
{
	*(unsigned long *)arg = strtoul(value, NULL, 10);
	return 0;
}

/* Bytes of a ring's frame: as the device was told, or else the driver's default. */
static unsigned long
af_packet_frame_bytes(const struct rte_device *device)
{
	const struct rte_devargs *devargs = rte_dev_devargs(device);
	unsigned long bytes = AF_PACKET_FRAME_BYTES;
	struct rte_kvargs *kvargs;

	if (devargs == NULL || devargs->args == NULL)
		return bytes;
	kvargs = rte_kvargs_parse(devargs->args, NULL);
	if (kvargs == NULL)
		return bytes;
	rte_kvargs_process(kvargs, "framesz", read_number, &bytes);
	rte_kvargs_free(kvargs);
	return bytes;
}

uint16_t
airlock_uplink_max_mtu(const struct rte_eth_dev_info *info)
{
	unsigned long frame_bytes;

	if (!is_driver(info, "net_af_packet"))
		return uplink_claimed_mtu(info);
	/* It claims 1514 bytes, whatever its frames hold, and cuts what is longer than those. */
	frame_bytes = af_packet_frame_bytes(info->device);
	if (frame_bytes >= AIRLOCK_UPLINK_MAX_MTU + AF_PACKET_OVERHEAD)
		return AIRLOCK_UPLINK_MAX_MTU;
	return RTE_MAX(frame_bytes, AF_PACKET_OVERHEAD) - AF_PACKET_OVERHEAD;
}

uint32_t
airlock_uplink_port_pages(const struct rte_eth_dev_info *info)
{
	if (!is_driver(info, "net_af_packet"))
		return 1;
	return uplink_pages_of(af_packet_frame_bytes(info->device) - AF_PACKET_HEADER);
}

/* What to ask the port to do with packets that it sends. */
uint64_t
uplink_tx_offloads(const struct rte_eth_dev_info *info)
{
	uint64_t offloads = UPLINK_TX_CSUM_OFFLOADS | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

	/* net_tap of DPDK 22.11 counts the Ethernet header into the MTU: no full segment passes. */
	if (!is_driver(info, "net_tap"))
		offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
	return offloads & info->tx_offload_capa;
}

uint64_t
uplink_rx_offloads(const struct rte_eth_dev_info *info)
{
	uint64_t offloads = RTE_ETH_RX_OFFLOAD_SCATTER;

	/*
	 * The kernel takes the tag out of the packet, and net_af_packet of DPDK 22.11 cannot put it
	 * back into a frame, whose buffer is external: it had better not try.
	 */
	if (is_driver(info, "net_af_packet"))
		offloads |= RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
	return offloads & info->rx_offload_capa;
}

bool
uplink_wants_equal_queues(const struct rte_eth_dev_info *info)
{
	return is_driver(info, "net_tap");
}

/* Its interrupts are the tap's descriptors, which get readable by themselves. */
bool
uplink_is_always_armed(const struct rte_eth_dev_info *info)
{
	return is_driver(info, "net_tap");
}

int
uplink_set_kernel_mtu(unsigned int if_index, uint16_t mtu)
{
	struct ifreq ifr = {.ifr_mtu = mtu};
	int fd, ret;

	if (if_indextoname(if_index, ifr.ifr_name) == NULL)
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, SIOCSIFMTU, &ifr) < 0 ? -errno : 0;
	close(fd);
	return ret;
}
