/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Copies packets into frames: a chain into one frame, a large TCP packet into segments.
 *
 * This is done here and not with librte_gso and rte_pktmbuf_copy(), because in DPDK 22.11 neither
 * copes with frames, which are mbufs with a pinned external buffer. RTE_MBUF_F_EXTERNAL in ol_flags
 * says that an mbuf has one. rte_pktmbuf_copy() takes the flag away from a frame that it copies
 * to. rte_gso_segment() gives all of the packet's ol_flags to the mbufs that hold the segments'
 * headers: an ordinary mbuf gets the flag from a frame, and freeing it crashes; a frame loses it to
 * an ordinary mbuf, and cannot be attached to ever after. (The indirect mbufs that it makes for the
 * payload are sound: a frame counts them, and returns to its mempool when the last one is freed.)
 * With frames for the headers of frames it would work. But then each segment costs a frame anyhow;
 * copying the payload into it saves the indirect mbufs, serves receivers that take no chains, and
 * gives the packet's own frames back at once.
 *
 * Here, an mbuf's ol_flags are only added to, so a frame stays a frame.
 *
 * Thread rule: the lcore that the context belongs to.
 */

#include <errno.h>
#include <stdbool.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_memcpy.h>
#include <rte_tcp.h>

#include "airlock_offload.h"
#include "offload_priv.h"

/* How far a chain has been read. */
struct cursor {
	const struct rte_mbuf *m;
	uint32_t offset;
};

static struct rte_mbuf *
add_frame(struct rte_mempool *frames, struct rte_mbuf *head, struct rte_mbuf *last)
{
	last->next = rte_pktmbuf_alloc(frames);
	if (last->next != NULL)
		head->nb_segs++;
	return last->next;
}

/* Append to a packet in frames, with more of them where one is full. */
static int
append(struct rte_mempool *frames, struct rte_mbuf *head, struct cursor *from, uint32_t len)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(head);
	uint32_t nb_bytes;

	while (len > 0) {
		if (from->offset == from->m->data_len) {
			from->m = from->m->next;
			from->offset = 0;
			continue;
		}
		if (rte_pktmbuf_tailroom(last) == 0) {
			last = add_frame(frames, head, last);
			if (last == NULL)
				return -ENOMEM;
		}
		nb_bytes = RTE_MIN(len, from->m->data_len - from->offset);
		nb_bytes = RTE_MIN(nb_bytes, rte_pktmbuf_tailroom(last));
		rte_memcpy(rte_pktmbuf_mtod_offset(last, void *, last->data_len),
			rte_pktmbuf_mtod_offset(from->m, const void *, from->offset), nb_bytes);
		last->data_len += nb_bytes;
		head->pkt_len += nb_bytes;
		from->offset += nb_bytes;
		len -= nb_bytes;
	}
	return 0;
}

static void
copy_metadata(struct rte_mbuf *to, const struct rte_mbuf *from)
{
	to->port = from->port;
	to->vlan_tci = from->vlan_tci;
	to->vlan_tci_outer = from->vlan_tci_outer;
	to->packet_type = from->packet_type;
	to->hash = from->hash;
	to->tx_offload = from->tx_offload;
	rte_mbuf_dynfield_copy(to, from);
}

struct rte_mbuf *
airlock_offload_copy(const struct airlock_offload *ctx, const struct rte_mbuf *m)
{
	struct cursor from = {.m = m};
	struct rte_mbuf *copy;

	copy = rte_pktmbuf_alloc(ctx->frames);
	if (copy == NULL)
		return NULL;
	copy_metadata(copy, m);
	copy->ol_flags |= m->ol_flags & ~OFFLOAD_MEMORY_FLAGS;
	if (append(ctx->frames, copy, &from, m->pkt_len) < 0) {
		rte_pktmbuf_free(copy);
		return NULL;
	}
	return copy;
}

/* Returns the sum of the pseudo-header. */
static uint16_t
fix_ipv4(struct rte_mbuf *segment, uint16_t index)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(segment, void *, segment->l2_len);

	ip->total_length = rte_cpu_to_be_16(segment->pkt_len - segment->l2_len);
	ip->packet_id = rte_cpu_to_be_16(rte_be_to_cpu_16(ip->packet_id) + index);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = ~rte_raw_cksum(ip, segment->l3_len);
	return rte_ipv4_phdr_cksum(ip, 0);
}

/* Returns the sum of the pseudo-header. */
static uint16_t
fix_ipv6(struct rte_mbuf *segment)
{
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(segment, void *, segment->l2_len);

	ip->payload_len = rte_cpu_to_be_16(segment->pkt_len - segment->l2_len - segment->l3_len);
	return rte_ipv6_phdr_cksum(ip, 0);
}

/* Headers of the packet become those of its segment *index*, *done* bytes behind the first one. */
static void
fix_headers(struct rte_mbuf *segment, uint32_t done, uint16_t index, bool is_last)
{
	struct rte_tcp_hdr *tcp =
		rte_pktmbuf_mtod_offset(segment, void *, segment->l2_len + segment->l3_len);

	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + done);
	if (index > 0)
		tcp->tcp_flags &= ~RTE_TCP_CWR_FLAG;
	if (!is_last)
		tcp->tcp_flags &= ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	tcp->cksum = (segment->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? fix_ipv6(segment)
								   : fix_ipv4(segment, index);
}

/* Fill an empty frame, and more where it is too small, with a segment but for its own headers. */
static int
fill_segment(struct rte_mempool *frames, struct rte_mbuf *segment, struct cursor *payload,
	uint32_t nb_bytes, const struct rte_mbuf *m)
{
	struct cursor headers = {.m = m};

	copy_metadata(segment, m);
	segment->tso_segsz = 0;
	segment->ol_flags |= m->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	segment->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	if (append(frames, segment, &headers, m->l2_len + m->l3_len + m->l4_len) < 0)
		return -ENOMEM;
	return append(frames, segment, payload, nb_bytes);
}

int
offload_segment(const struct airlock_offload *ctx, const struct rte_mbuf *m, struct rte_mbuf **out,
	uint16_t size)
{
	const uint32_t headers_bytes = m->l2_len + m->l3_len + m->l4_len;
	const uint32_t payload_bytes = m->pkt_len - headers_bytes;
	const uint32_t unit_bytes = m->tso_segsz;
	const uint32_t nb_segments = (payload_bytes + unit_bytes - 1) / unit_bytes;
	struct cursor payload = {.m = m, .offset = headers_bytes};
	uint32_t done = 0;

	if (headers_bytes > m->data_len || nb_segments > size)
		return -EINVAL;
	if (rte_pktmbuf_alloc_bulk(ctx->frames, out, nb_segments) != 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < nb_segments; i++) {
		const uint32_t nb_bytes = RTE_MIN(unit_bytes, payload_bytes - done);

		if (fill_segment(ctx->frames, out[i], &payload, nb_bytes, m) < 0)
			goto free_segments;
		fix_headers(out[i], done, i, i == nb_segments - 1);
		done += nb_bytes;
	}
	return nb_segments;

free_segments:
	rte_pktmbuf_free_bulk(out, nb_segments);
	return -ENOMEM;
}
