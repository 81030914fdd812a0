/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_OFFLOAD_H
#define AIRLOCK_OFFLOAD_H

/**
 * @file
 * Makes a packet fit what its receiver can do: completes checksums, segments TCP, joins chains.
 *
 * A VM leaves work undone on what it sends (a partial checksum, a TCP segment larger than the MTU);
 * a receiver that can finish it gets the packet as it is, any other gets it finished in software.
 *
 * Thread rule: a context belongs to one lcore. Functions without a context: any thread that owns
 * the mbuf.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

/** What a receiver can do with a packet. */
enum airlock_offload_cap {
	AIRLOCK_OFFLOAD_L4_CSUM = 1 << 0, /**< completes TCP and UDP checksums */
	AIRLOCK_OFFLOAD_TSO4 = 1 << 1, /**< takes TCP over IPv4 segments larger than its MTU */
	AIRLOCK_OFFLOAD_TSO6 = 1 << 2, /**< the same over IPv6 */
	AIRLOCK_OFFLOAD_CHAINS = 1 << 3, /**< takes packets in more than one mbuf */
};

/** Packets that one packet becomes at most. A 64 KiB segment at 536 bytes makes 122. */
#define AIRLOCK_OFFLOAD_MAX_SEGMENTS 128

struct airlock_offload;

/**
 * Create a context.
 *
 * @param frames     mempool that copies and segments are taken from; it outlives the context
 * @param socket_id  NUMA node, or SOCKET_ID_ANY
 * @return the context, to be given to airlock_offload_destroy(); NULL with rte_errno ENOMEM, or
 *         EINVAL: a frame is too small for the headers of a packet
 */
struct airlock_offload *airlock_offload_create(struct rte_mempool *frames, int socket_id);

/** Destroy. Packets that came out of it stay valid. NULL is ignored. */
void airlock_offload_destroy(struct airlock_offload *ctx);

/**
 * Check what a VM asks for and turn it into a transmit request.
 *
 * Takes a packet from rte_vhost_dequeue_burst() with RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS, where
 * the request stands in RTE_MBUF_F_RX_L4_CKSUM_NONE and RTE_MBUF_F_RX_LRO with tso_segsz. The
 * headers are parsed again, from the packet alone. Afterwards ol_flags holds RTE_MBUF_F_TX_* only
 * (besides the flags that say what memory the mbuf has), and l2_len, l3_len, l4_len and tso_segsz
 * are set where ol_flags needs them. The packet's data is not changed, and not even read if there
 * is no request. A request to segment what is one segment anyway becomes one for its checksum.
 *
 * TCP and UDP over IPv4 and IPv6 get checksums; TCP over both is segmented. IPv4 options are fine;
 * fragments, IPv6 extension headers and VLAN tags are not.
 *
 * @param m  one packet, in one mbuf or a chain; an untagged Ethernet frame
 * @return 0; -EINVAL: headers that are cut short, not in the first mbuf, or of a protocol that
 *         cannot be offloaded, a length that the packet does not have, a segment size of 0, or more
 *         than AIRLOCK_OFFLOAD_MAX_SEGMENTS segments. The packet is unchanged, and the caller's.
 */
int airlock_offload_accept(struct rte_mbuf *m);

/**
 * Complete in software every checksum that ol_flags asks for, and take the request out of ol_flags.
 *
 * What the checksum fields held before does not matter.
 *
 * The packet must be the caller's alone (a shared one must not be written), and must not ask for
 * segmentation. Checksum field and headers lie in the first mbuf.
 *
 * @return 0; -EINVAL: the headers are not in the first mbuf, or the packet is shorter than its IP
 *         header says; nothing has changed
 */
int airlock_offload_finish_csum(struct rte_mbuf *m);

/** What it takes to receive a packet with RTE_MBUF_F_TX_TCP_SEG in *ol_flags* unsegmented. */
static inline uint32_t
airlock_offload_tso_cap(uint64_t ol_flags)
{
	return (ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? AIRLOCK_OFFLOAD_TSO6 : AIRLOCK_OFFLOAD_TSO4;
}

/** Whether a receiver with *caps* takes the packet as it is. Costs a few instructions. */
static inline bool
airlock_offload_fits(const struct rte_mbuf *m, uint32_t caps)
{
	const uint64_t csum = RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM;

	if ((m->ol_flags & csum) != 0 && (caps & AIRLOCK_OFFLOAD_L4_CSUM) == 0)
		return false;
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 &&
		(caps & airlock_offload_tso_cap(m->ol_flags)) == 0)
		return false;
	return m->nb_segs == 1 || (caps & AIRLOCK_OFFLOAD_CHAINS) != 0;
}

/**
 * Make a packet fit a receiver.
 *
 * Segments and joined chains are copies in frames of the context's mempool. A segment is one mbuf,
 * or a chain if it is longer than a frame. A receiver without AIRLOCK_OFFLOAD_CHAINS gets segments
 * in place of a chain that is too long for a frame. AIRLOCK_OFFLOAD_TSO4 and AIRLOCK_OFFLOAD_TSO6
 * count only together with AIRLOCK_OFFLOAD_L4_CSUM.
 *
 * @param m     the caller's alone, as airlock_offload_accept() left it
 * @param caps  bits of enum airlock_offload_cap
 * @param out   receives the packets, in order
 * @param size  room in *out*, at least AIRLOCK_OFFLOAD_MAX_SEGMENTS
 * @return how many packets *out* holds, 1 or more; *m* is consumed and the caller owns them.
 *         -ENOMEM: no frame free; -EINVAL: headers are not in the first mbuf, a packet or segment
 *         that must be in one mbuf is longer than a frame, or *size* is too small. On error *m* is
 *         unchanged, and the caller's.
 */
int airlock_offload_fit(struct airlock_offload *ctx, struct rte_mbuf *m, uint32_t caps,
	struct rte_mbuf **out, uint16_t size);

/**
 * Copy a packet, with what it asks for, into frames of its own.
 *
 * rte_pktmbuf_copy() of DPDK 22.11 is no substitute: it makes a frame forget that it is one.
 *
 * @return the copy, in one frame if it fits, else a chain; NULL: no frame free
 */
struct rte_mbuf *airlock_offload_copy(const struct airlock_offload *ctx, const struct rte_mbuf *m);

#endif /* AIRLOCK_OFFLOAD_H */
