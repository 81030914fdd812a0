/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef LOOP_PACKET_H
#define LOOP_PACKET_H

/**
 * @file
 * Packets of which every byte is known, so that what arrives can be told from what was sent.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

/** Longest packet; TCP in one piece of 64 KiB. */
#define LOOP_PACKET_MAX	 (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + UINT16_MAX)
#define LOOP_UDP_HEADERS 42 /**< Ethernet, IPv4, UDP */
#define LOOP_TCP_HEADERS 54 /**< Ethernet, IPv4, TCP */

/** An Ethernet, IPv4, UDP or TCP packet; what is 0 is the default. */
struct loop_packet {
	struct rte_ether_addr dst;
	struct rte_ether_addr src;
	bool tagged;
	uint16_t vlan_id;
	uint32_t len; /**< without the tag; default 60 */
	bool tcp; /**< default UDP */
	uint16_t flow;
	uint32_t seq; /**< number in the flow, and start of the payload's pattern */
};

/** Write a packet with right checksums. @return its bytes */
uint32_t loop_packet_write(const struct loop_packet *packet, uint8_t *bytes);

/** A packet in as many mbufs as it needs. @return NULL: no mbufs */
struct rte_mbuf *loop_packet_mbuf(struct rte_mempool *mempool, const struct loop_packet *packet);

/** *len* bytes as a packet. */
struct rte_mbuf *loop_packet_raw(struct rte_mempool *mempool, const void *bytes, uint32_t len);

/** Whether an mbuf holds this packet, byte by byte. */
bool loop_packet_is(const struct rte_mbuf *m, const struct loop_packet *packet);

/** The same, but for the checksum of UDP or TCP. */
bool loop_packet_is_but_csum(const struct rte_mbuf *m, const struct loop_packet *packet);

/** Flow and number of a packet that loop_packet_write() wrote. @return false: it is none */
bool loop_packet_read(const struct rte_mbuf *m, uint16_t *flow, uint32_t *seq);

/** Ask for the UDP or TCP checksum; with *segment_bytes*, for segments of that much payload. */
void loop_packet_ask(struct rte_mbuf *m, bool tcp, uint16_t segment_bytes);

#endif /* LOOP_PACKET_H */
