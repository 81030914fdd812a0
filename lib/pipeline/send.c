/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Ways out of an lcore: to an uplink, and to another lcore's inbox.
 *
 * The lcore that classified a packet makes it fit the uplink: tag, checksum, segments. An uplink's
 * TX queue i belongs to lcore i; an lcore without one sends through the inbox of lcore i modulo the
 * number of queues.
 *
 * Thread rule: any lcore of the pipeline.
 */

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_pause.h>

#include "pipeline_priv.h"

#define TX_RETRIES 4

uint16_t
send_to_lcore(struct lcore *lc, uint16_t lcore_idx, const struct target *target,
	struct rte_mbuf **mbufs, uint16_t n)
{
	struct lcore *other = lc->pipeline->lcores[lcore_idx];
	uint16_t sent;

	for (uint16_t i = 0; i < n; i++)
		*target_of(lc->pipeline, mbufs[i]) = *target;
	sent = rte_ring_enqueue_burst(other->inbox, (void **)mbufs, n, NULL);
	lcore_wake(other);
	return sent;
}

/* Close up over packets that the port would never take: they must not hold up the others. */
static uint16_t
drop_refused(
	struct lcore *lc, struct port *port, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	struct airlock_drops *drops = &port->blocks[lc->idx].tx_drops;
	uint16_t ready = airlock_uplink_prepare_burst(port->uplink, queue_id, mbufs, n);

	while (unlikely(ready < n)) {
		drop(lc, drops, AIRLOCK_DROP_BAD_OFFLOAD, &mbufs[ready], 1);
		n--;
		memmove(&mbufs[ready], &mbufs[ready + 1], (n - ready) * sizeof(*mbufs));
		ready += airlock_uplink_prepare_burst(
			port->uplink, queue_id, &mbufs[ready], n - ready);
	}
	return n;
}

/* Put into the uplink's ring, count and free what does not go. */
static void
transmit(
	struct lcore *lc, struct port *port, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	struct port_block *block = &port->blocks[lc->idx];
	uint16_t sent = 0, now;
	uint64_t bytes;

	n = drop_refused(lc, port, queue_id, mbufs, n);
	/* Later they may be gone. */
	airlock_capture_burst(lc->handoff.tap, &port->uplink->point, AIRLOCK_OUT, mbufs, n);
	for (uint32_t i = 0; sent < n && i <= TX_RETRIES; i++) {
		/* A packet that was sent is the port's, and may be free already. */
		uint32_t lengths[AIRLOCK_BURST];

		for (uint16_t j = sent; j < n; j++)
			lengths[j] = mbufs[j]->pkt_len;
		now = airlock_uplink_tx_burst(port->uplink, queue_id, mbufs + sent, n - sent);
		bytes = 0;
		for (uint16_t j = sent; j < sent + now; j++)
			bytes += lengths[j];
		airlock_flow_count(&block->sent, now, bytes);
		sent += now;
		if (unlikely(sent < n))
			rte_pause();
	}
	if (unlikely(sent < n))
		drop(lc, &block->tx_drops, AIRLOCK_DROP_UPLINK_FULL, mbufs + sent, n - sent);
}

void
send_from_inbox(struct lcore *lc, struct port *port, struct rte_mbuf **mbufs, uint16_t n)
{
	/* They were on their way when it went. */
	if (unlikely(airlock_uplink_state_get(port->uplink) != AIRLOCK_UPLINK_UP)) {
		drop(lc, &port->blocks[lc->idx].tx_drops, AIRLOCK_DROP_UPLINK_DOWN, mbufs, n);
		return;
	}
	transmit(lc, port, lc->idx, mbufs, n);
}

/* Packets that fit the uplink, at most a burst. */
static void
send_ready(struct lcore *lc, struct port *port, struct rte_mbuf **mbufs, uint16_t n)
{
	struct target target = {.kind = TARGET_UPLINK, .id = port->id};
	uint16_t sent;

	if (likely(lc->idx < port->uplink->nb_txq)) {
		transmit(lc, port, lc->idx, mbufs, n);
		return;
	}
	sent = send_to_lcore(lc, lc->idx % port->uplink->nb_txq, &target, mbufs, n);
	if (unlikely(sent < n))
		drop(lc, &port->blocks[lc->idx].tx_drops, AIRLOCK_DROP_LCORE_FULL, mbufs + sent,
			n - sent);
}

/* One packet: what the uplink cannot do is done here. Returns packets in *out*, 0 if dropped. */
static int
make_fit(struct lcore *lc, struct port *port, struct rte_mbuf *m, struct rte_mbuf **out,
	uint16_t size)
{
	struct airlock_drops *drops = &port->blocks[lc->idx].tx_drops;
	int nb_parts;

	nb_parts = airlock_offload_fit(lc->handoff.offload, m, port->uplink->tx_caps, out, size);
	if (nb_parts < 0) {
		drop(lc, drops,
			nb_parts == -ENOMEM ? AIRLOCK_DROP_NO_PAGE : AIRLOCK_DROP_BAD_OFFLOAD, &m,
			1);
		return 0;
	}
	if (nb_parts > 1) {
		airlock_count(&lc->handoff.split, 1);
		airlock_count(&lc->handoff.parts, nb_parts);
	}
	return nb_parts;
}

/* rte_vlan_insert() refuses frames: their buffers are external, though nobody shares them. */
static bool
put_tag(struct rte_mbuf *m, uint16_t vlan_id)
{
	const uint8_t *from = rte_pktmbuf_mtod(m, const uint8_t *);
	struct rte_ether_hdr *eth = (void *)rte_pktmbuf_prepend(m, RTE_VLAN_HLEN);
	struct rte_vlan_hdr *tag = (void *)(eth + 1);

	if (unlikely(eth == NULL))
		return false;
	/* What was the type becomes the tag's: it stays where it is. */
	memmove(eth, from, 2 * RTE_ETHER_ADDR_LEN);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	tag->vlan_tci = rte_cpu_to_be_16(vlan_id);
	/* Of use to a packet that asks for an offload, and to no other. */
	m->l2_len += RTE_VLAN_HLEN;
	return true;
}

/* Why a packet may not go out, or AIRLOCK_DROP_MAX. The tag is in when it may. */
static enum airlock_drop
prepare(const struct port *port, uint16_t vlan_id, struct rte_mbuf *m)
{
	if (unlikely(m->pkt_len > port->uplink->max_frame_bytes &&
		    (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0))
		return AIRLOCK_DROP_TOO_LONG;
	return vlan_id == 0 || put_tag(m, vlan_id) ? AIRLOCK_DROP_MAX : AIRLOCK_DROP_NO_PAGE;
}

void
send_to_uplink(
	struct lcore *lc, struct port *port, uint16_t vlan_id, struct rte_mbuf **mbufs, uint16_t n)
{
	struct airlock_drops *drops = &port->blocks[lc->idx].tx_drops;
	struct rte_mbuf *parts[AIRLOCK_OFFLOAD_MAX_SEGMENTS], *ready[AIRLOCK_BURST];
	uint16_t nb_ready = 0;
	int nb_parts;

	if (unlikely(airlock_uplink_state_get(port->uplink) != AIRLOCK_UPLINK_UP)) {
		drop(lc, drops, AIRLOCK_DROP_UPLINK_DOWN, mbufs, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		enum airlock_drop reason = prepare(port, vlan_id, m);

		if (unlikely(reason != AIRLOCK_DROP_MAX)) {
			drop(lc, drops, reason, &m, 1);
			continue;
		}
		if (likely(airlock_offload_fits(m, port->uplink->tx_caps))) {
			ready[nb_ready++] = m;
			continue;
		}
		if (nb_ready > 0)
			send_ready(lc, port, ready, nb_ready);
		nb_ready = 0;
		nb_parts = make_fit(lc, port, m, parts, RTE_DIM(parts));
		for (int j = 0; j < nb_parts; j += AIRLOCK_BURST)
			send_ready(lc, port, &parts[j], RTE_MIN(nb_parts - j, AIRLOCK_BURST));
	}
	if (nb_ready > 0)
		send_ready(lc, port, ready, nb_ready);
}
