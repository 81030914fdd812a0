/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The hand-off. It stands between the pipeline, which knows which VM a packet is for, and the
 * virtual NIC, which knows how to put it into a ring. A VM with a window is served by
 * remap_burst.c; here is the delivery by copy to all others.
 *
 * A ring that is full is tried again a bounded number of times, because the guest may be emptying
 * it right now; then the rest is dropped, so that a slow guest holds up nobody. A packet that is
 * longer than the buffers that the guest posts would block those behind it for good: if the packet
 * at the head does not go although there are buffers, it is dropped as too long.
 *
 * Thread rule: the lcore that owns the context and the ring; no lock but rte_vhost's own, which
 * only rte_vhost's thread ever contends for.
 */

#include <rte_pause.h>

#include <airlock_offload.h>

#include "remap_priv.h"

/* Every guest posts buffers that hold this much: an untagged frame at the standard MTU. */
#define ALWAYS_FITS_BYTES 1514

void
airlock_handoff_free(struct rte_mempool *frames, struct rte_mbuf **mbufs, uint16_t n)
{
	bool plain = true;

	for (uint16_t i = 0; i < n; i++)
		plain &= mbufs[i]->pool == frames && mbufs[i]->nb_segs == 1 &&
			rte_mbuf_refcnt_read(mbufs[i]) == 1;
	if (likely(plain))
		rte_mempool_put_bulk(frames, (void **)mbufs, n);
	else
		rte_pktmbuf_free_bulk(mbufs, n);
}

static uint64_t
burst_bytes(struct rte_mbuf *const *mbufs, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += mbufs[i]->pkt_len;
	return bytes;
}

/* Returns packets that went, from the first on. */
static uint16_t
enqueue_with_retries(const struct airlock_handoff *handoff, struct airlock_vnic *vnic,
	uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t sent = airlock_vnic_enqueue_burst(vnic, queue_id, mbufs, n);

	for (uint32_t i = 0; unlikely(sent < n) && i < handoff->retries; i++) {
		rte_pause();
		sent += airlock_vnic_enqueue_burst(vnic, queue_id, mbufs + sent, n - sent);
	}
	return sent;
}

/* Copy as many as go, and count all; nothing is freed. */
static void
copy_burst(const struct airlock_handoff *handoff, struct airlock_vnic *vnic, uint16_t queue_id,
	struct rte_mbuf **mbufs, uint16_t n)
{
	struct airlock_vnic_rx *rx = &vnic->rx[queue_id];
	enum airlock_drop reason;
	uint16_t sent;

	for (;;) {
		sent = enqueue_with_retries(handoff, vnic, queue_id, mbufs, n);
		airlock_capture_burst(handoff->tap, &vnic->point, AIRLOCK_OUT, mbufs, sent);
		airlock_flow_count(&rx->delivered, sent, burst_bytes(mbufs, sent));
		mbufs += sent;
		n -= sent;
		if (likely(n == 0))
			return;
		if (mbufs[0]->pkt_len <= ALWAYS_FITS_BYTES ||
			!airlock_vnic_is_too_long(vnic, queue_id))
			break;
		airlock_capture_drop(handoff->tap, &rx->drops, AIRLOCK_DROP_TOO_LONG, mbufs, 1);
		mbufs++;
		n--;
		if (n == 0)
			return;
	}
	reason = airlock_vnic_is_up(vnic) ? AIRLOCK_DROP_RING_FULL : AIRLOCK_DROP_VM_DOWN;
	airlock_capture_drop(handoff->tap, &rx->drops, reason, mbufs, n);
}

/* Consumes all. */
static void
give(struct airlock_handoff *handoff, const struct airlock_receiver *to, uint16_t queue_id,
	struct rte_mbuf **mbufs, uint16_t n)
{
	if (to->remap != NULL) {
		remap_burst(handoff, to->remap, queue_id, mbufs, n);
		return;
	}
	copy_burst(handoff, to->vnic, queue_id, mbufs, n);
	airlock_handoff_free(to->vnic->frames, mbufs, n);
}

/* One packet that asks for what the guest cannot do. */
static void
hand_off_misfit(struct airlock_handoff *handoff, const struct airlock_receiver *to,
	uint16_t queue_id, struct rte_mbuf *m, uint32_t caps)
{
	struct rte_mbuf *parts[AIRLOCK_OFFLOAD_MAX_SEGMENTS];
	int nb_parts;

	nb_parts = airlock_offload_fit(handoff->offload, m, caps, parts, RTE_DIM(parts));
	if (nb_parts < 0) {
		airlock_capture_drop(handoff->tap, &to->vnic->rx[queue_id].drops,
			nb_parts == -ENOMEM ? AIRLOCK_DROP_NO_PAGE : AIRLOCK_DROP_BAD_OFFLOAD, &m,
			1);
		rte_pktmbuf_free(m);
		return;
	}
	if (nb_parts > 1) {
		airlock_count(&handoff->split, 1);
		airlock_count(&handoff->parts, nb_parts);
	}
	for (int i = 0; i < nb_parts; i += AIRLOCK_HANDOFF_MAX_BURST)
		give(handoff, to, queue_id, &parts[i],
			RTE_MIN(nb_parts - i, AIRLOCK_HANDOFF_MAX_BURST));
}

static bool
all_fit(struct rte_mbuf *const *mbufs, uint16_t n, uint32_t caps)
{
	bool fit = true;

	for (uint16_t i = 0; i < n; i++)
		fit &= airlock_offload_fits(mbufs[i], caps);
	return fit;
}

void
airlock_handoff_burst(struct airlock_handoff *handoff, const struct airlock_receiver *to,
	uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	uint32_t caps = airlock_vnic_caps(to->vnic);
	uint16_t first = 0;

	if (likely(all_fit(mbufs, n, caps))) {
		give(handoff, to, queue_id, mbufs, n);
		return;
	}
	/* Runs that fit go as bursts, a misfit alone: the order stays. */
	for (uint16_t i = 0; i <= n; i++) {
		if (i < n && airlock_offload_fits(mbufs[i], caps))
			continue;
		if (i > first)
			give(handoff, to, queue_id, &mbufs[first], i - first);
		if (i < n)
			hand_off_misfit(handoff, to, queue_id, mbufs[i], caps);
		first = i + 1;
	}
}

void
airlock_handoff_copy(struct airlock_handoff *handoff, const struct airlock_receiver *to,
	uint16_t queue_id, struct rte_mbuf *m)
{
	if (to->remap != NULL)
		remap_copy(handoff, to->remap, queue_id, m);
	else
		copy_burst(handoff, to->vnic, queue_id, &m, 1);
}
