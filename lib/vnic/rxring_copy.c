/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Filling the buffers of an RX ring, in either layout: the virtio-net header, the copy, and what is
 * the same for both layouts around it.
 *
 * A private buffer is checked as a whole when it is taken in, and nearly always lies in one piece
 * of airlock's address space; its address there is kept with it. One that straddles two regions of
 * the guest's memory is written piece by piece. The guest's memory stays where it is for as long as
 * the ring is attached.
 *
 * Thread rule: the lcore that has the ring.
 */

#include <errno.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_net.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <airlock_compat.h>

#include "rxring_priv.h"

/* Buffers from the one that is filled to the one that is fetched, and how much of it. */
#define PREFETCH_AHEAD 4
/* A poll leaves as many in the queue, if there are; enough for a burst. */
#define QUEUED_MIN     64
#define PREFETCH_BYTES 256
/* What a header has to tell of. */
#define ASKS (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM)

/* A place in a packet. */
struct source {
	const struct rte_mbuf *m;
	uint32_t offset; /* into the data of m */
};

/* The buffer's bytes, piece by piece. */
static bool
is_in_pieces(const struct airlock_rxring *ring, const struct rxring_desc *desc)
{
	uint64_t addr = desc->addr, left = desc->len, len;

	for (unsigned int i = 0; i < RXRING_MAX_PIECES; i++) {
		len = left;
		if (ring->vring.translate(ring->vring.arg, addr, &len) == NULL || len == 0)
			return false;
		if (len >= left)
			return true;
		addr += len;
		left -= len;
	}
	return false;
}

bool
rxring_find_memory(struct airlock_rxring *ring, const struct rxring_desc *desc, uint8_t **host)
{
	uint64_t len = UINT64_MAX;

	*host = ring->vring.translate(ring->vring.arg, desc->addr, &len);
	if (likely(*host != NULL && len >= desc->len)) {
		ring->near = (struct rxring_piece){
			.guest_addr = desc->addr,
			.bytes = len,
			.host = *host,
		};
		return true;
	}
	*host = NULL;
	return is_in_pieces(ring, desc);
}

static void
write_pieces(const struct airlock_rxring *ring, uint64_t addr, const uint8_t *bytes, uint64_t left)
{
	while (left > 0) {
		uint64_t len = left;
		void *host = ring->vring.translate(ring->vring.arg, addr, &len);

		memcpy(host, bytes, len);
		addr += len;
		bytes += len;
		left -= len;
	}
}

static inline void
write_bytes(const struct airlock_rxring *ring, const struct rxring_buffer *buffer, uint32_t at,
	const void *bytes, uint32_t len)
{
	if (likely(buffer->host != NULL))
		memcpy(buffer->host + at, bytes, len);
	else
		write_pieces(ring, buffer->guest_addr + at, bytes, len);
}

static void
ask_for_csum(struct virtio_net_hdr *hdr, struct rte_mbuf *m, uint64_t l4)
{
	/* The guest expects the pseudo-header's sum in the field. */
	rte_net_intel_cksum_prepare(m);
	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = m->l2_len + m->l3_len;
	if (l4 == RTE_MBUF_F_TX_TCP_CKSUM)
		hdr->csum_offset = offsetof(struct rte_tcp_hdr, cksum);
	else if (l4 == RTE_MBUF_F_TX_UDP_CKSUM)
		hdr->csum_offset = offsetof(struct rte_udp_hdr, dgram_cksum);
	else
		hdr->csum_offset = offsetof(struct rte_sctp_hdr, cksum);
}

/* What the packet asks for becomes what its header says (VIRTIO 1.2, 5.1.6.4). */
static void
header_ask(struct virtio_net_hdr *hdr, struct rte_mbuf *m)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	bool segment = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;

	if (segment)
		l4 = RTE_MBUF_F_TX_TCP_CKSUM;
	if (l4 != 0)
		ask_for_csum(hdr, m, l4);
	/* There is no way to leave the sum of an IP header to the guest. */
	if ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0) {
		struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	if (segment) {
		hdr->gso_type = (m->ol_flags & RTE_MBUF_F_TX_IPV4) != 0 ? VIRTIO_NET_HDR_GSO_TCPV4
									: VIRTIO_NET_HDR_GSO_TCPV6;
		hdr->gso_size = m->tso_segsz;
		hdr->hdr_len = m->l2_len + m->l3_len + m->l4_len;
	}
}

/* nb_buffers: what the packet takes; the header's last field, in a long one. */
static void
header_of(struct virtio_net_hdr_mrg_rxbuf *hdr, struct rte_mbuf *m, uint16_t nb_buffers)
{
	*hdr = (struct virtio_net_hdr_mrg_rxbuf){.num_buffers = nb_buffers};
	header_ask(&hdr->hdr, m);
}

/*
 * A header in front of a packet that is all in one buffer. Never by way of a header on the stack,
 * unless it is rare: a load that is put together from several stores waits until all stores before
 * it are done, and those go to memory that the guest's CPU had last.
 */
static inline void
write_header(uint8_t *to, struct rte_mbuf *m, uint16_t hdr_bytes)
{
	const uint16_t nb_buffers = 1;

	if (unlikely((m->ol_flags & ASKS) != 0)) {
		struct virtio_net_hdr_mrg_rxbuf hdr;

		header_of(&hdr, m, nb_buffers);
		memcpy(to, &hdr, hdr_bytes);
		return;
	}
	memset(to, 0, sizeof(struct virtio_net_hdr));
	if (likely(hdr_bytes == sizeof(struct virtio_net_hdr_mrg_rxbuf)))
		memcpy(to + offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers), &nb_buffers,
			sizeof(nb_buffers));
}

bool
airlock_rxring_has_frame(const struct airlock_rxring *ring, uint32_t frame)
{
	uint32_t place = rxring_place(ring, frame);

	return place < ring->window.nb_frames && ring->posted[place] != RXRING_NO_ID;
}

void
airlock_rxring_put_frame(struct airlock_rxring *ring, struct rte_mbuf *m, uint32_t frame)
{
	uint8_t *start = airlock_page_addr(ring->pages, frame);
	uint32_t place = rxring_place(ring, frame);
	uint16_t *posted = &ring->posted[place];

	write_header(start + AIRLOCK_RXRING_FRAME_OFFSET, m, AIRLOCK_RXRING_HDR_BYTES);
	rxring_use(ring, *posted, AIRLOCK_RXRING_HDR_BYTES + m->pkt_len, 1);
	*posted = RXRING_NO_ID;
	rxring_record_given(ring, place);
}

int
airlock_rxring_copy_to_frame(struct airlock_rxring *ring, struct rte_mbuf *m, uint32_t frame)
{
	uint8_t *to = (uint8_t *)airlock_page_addr(ring->pages, frame) + RTE_PKTMBUF_HEADROOM;

	if (m->pkt_len > ring->frame_room - RTE_PKTMBUF_HEADROOM)
		return -EMSGSIZE;
	/* The header first: it may still write to the packet. */
	airlock_rxring_put_frame(ring, m, frame);
	for (; m != NULL; m = m->next) {
		memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
		to += m->data_len;
	}
	return 0;
}

static inline const struct rxring_buffer *
private_at(const struct airlock_rxring *ring, uint16_t n)
{
	return &ring->private[(ring->private_head + n) & ring->private_mask];
}

/* Buffers that a packet takes with its header; 0: there are too few. */
static uint16_t
count_buffers(const struct airlock_rxring *ring, uint32_t bytes)
{
	uint16_t nb_private = rxring_nb_queued(ring);
	uint64_t room = 0;

	for (uint16_t n = 0; n < nb_private; n++) {
		room += private_at(ring, n)->len;
		if (room >= bytes)
			return n + 1;
	}
	return 0;
}

/* Copy on from the source until the buffer is full or the packet ends. Returns where that is. */
static uint32_t
fill(const struct airlock_rxring *ring, const struct rxring_buffer *buffer, uint32_t at,
	struct source *from)
{
	while (from->m != NULL && at < buffer->len) {
		uint32_t len = RTE_MIN(from->m->data_len - from->offset, buffer->len - at);

		write_bytes(ring, buffer, at,
			rte_pktmbuf_mtod_offset(from->m, const void *, from->offset), len);
		at += len;
		from->offset += len;
		if (from->offset == from->m->data_len) {
			from->m = from->m->next;
			from->offset = 0;
		}
	}
	return at;
}

static void
buffer_done(struct airlock_rxring *ring, const struct rxring_buffer *buffer, uint32_t len)
{
	if (unlikely(ring->vring.log_write != NULL))
		ring->vring.log_write(ring->vring.arg, buffer->guest_addr, len);
	rxring_use(ring, buffer->id, len, 1);
	ring->private_head++;
}

static void
copy_spread(struct airlock_rxring *ring, struct rte_mbuf *m, uint16_t nb_buffers)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct source from = {.m = m};
	uint32_t at = ring->hdr_bytes;

	header_of(&hdr, m, nb_buffers);
	write_bytes(ring, private_at(ring, 0), 0, &hdr, ring->hdr_bytes);
	for (uint16_t i = 0; i < nb_buffers; i++) {
		const struct rxring_buffer *buffer = private_at(ring, 0);

		buffer_done(ring, buffer, fill(ring, buffer, at, &from));
		at = 0;
	}
}

/*
 * The guest's CPU had these lines last, so a store waits long, and the store buffer is soon full.
 * Fetched to be written from the start: fetching for reading first makes it two transfers. The rest
 * of a long packet the CPU's own prefetcher has seen coming.
 */
static inline void
prefetch_buffer(const struct rxring_buffer *buffer, uint32_t bytes)
{
	const uintptr_t start = (uintptr_t)buffer->host;

	/* Whether it is posted or not, the address is good for a prefetch. */
	for (uint32_t at = 0; at < bytes && at < PREFETCH_BYTES; at += RTE_CACHE_LINE_SIZE)
		airlock_compat_prefetch_write((const void *)(start + at));
}

int
airlock_rxring_put_copy(struct airlock_rxring *ring, struct rte_mbuf *m)
{
	uint32_t bytes = ring->hdr_bytes + m->pkt_len;
	const struct rxring_buffer *buffer = private_at(ring, 0);
	uint16_t nb_buffers = 1;

	if (unlikely(rxring_nb_queued(ring) == 0))
		return -ENOBUFS;
	if (unlikely(buffer->len < bytes)) {
		if (!ring->mergeable)
			return -EMSGSIZE;
		rxring_order_queue(ring);
		nb_buffers = count_buffers(ring, bytes);
		if (nb_buffers == 0)
			return -ENOBUFS;
	}
	prefetch_buffer(private_at(ring, PREFETCH_AHEAD), bytes);
	if (likely(nb_buffers == 1 && m->nb_segs == 1 && buffer->host != NULL)) {
		write_header(buffer->host, m, ring->hdr_bytes);
		memcpy(buffer->host + ring->hdr_bytes, rte_pktmbuf_mtod(m, const void *),
			m->pkt_len);
		buffer_done(ring, buffer, bytes);
		return 0;
	}
	copy_spread(ring, m, nb_buffers);
	return 0;
}

uint32_t
airlock_rxring_nb_private(const struct airlock_rxring *ring)
{
	return rxring_nb_private(ring);
}

uint32_t
airlock_rxring_most_private(const struct airlock_rxring *ring)
{
	return ring->most_private;
}

uint16_t
airlock_rxring_poll(struct airlock_rxring *ring, uint32_t *frames, uint16_t max)
{
	uint16_t n;

	if (unlikely(airlock_rxring_is_broken(ring)))
		return 0;
	n = ring->vring.packed ? rxring_packed_poll(ring, frames, max)
			       : rxring_split_poll(ring, frames, max);
	if (rxring_nb_queued(ring) < QUEUED_MIN)
		rxring_order_queue(ring);
	ring->most_private = RTE_MAX(ring->most_private, rxring_nb_private(ring));
	return n;
}

bool
airlock_rxring_publish(struct airlock_rxring *ring)
{
	return ring->vring.packed ? rxring_packed_flush(ring) : rxring_split_flush(ring);
}

void
airlock_rxring_kicked(struct airlock_rxring *ring)
{
	ring->must_kick = false;
}
