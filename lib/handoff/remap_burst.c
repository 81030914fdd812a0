/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A burst for a VM with a window: remap or copy, packet by packet. It goes in three steps:
 *
 *     plan   which packets can go by their frames, and which of their runs are worth it
 *     map    scrub what is another's, lease, map the runs
 *     put    in the order of the packets: name the frame, or copy; then publish and kick
 *
 * The first two are in remap_plan.c. A copy goes into a private buffer; if there is none, into a
 * frame that the VM has released and that is still mapped for it. If there is no such frame either,
 * the ring is looked at again a bounded number of times; then a packet that can goes by its frame
 * though that costs more, and any other is dropped.
 *
 * Thread rule: the lcore that owns the RX ring. The loads of *tag* (acquire) pair with its stores
 * (release) in remap.c: an lcore that read a tag may use window and table until its next quiescent
 * state.
 */

#include <errno.h>

#include <rte_pause.h>

#include "remap_burst.h"

/* The packets before *end* that were put: the guest may write what it has been told of. */
static void
capture_put(struct burst *b, uint16_t end)
{
	struct rte_mbuf *put[AIRLOCK_HANDOFF_MAX_BURST];
	uint16_t n = 0;

	if (unlikely(airlock_capture_is_on(b->handoff->tap))) {
		for (uint16_t i = b->seen; i < end; i++) {
			if ((b->lost & RTE_BIT64(i)) == 0)
				put[n++] = b->mbufs[i];
		}
		airlock_capture_burst(b->handoff->tap, &b->remap->vnic->point, AIRLOCK_OUT, put, n);
	}
	b->seen = end;
}

/* Tell the guest of what was put before packet *end*. */
static void
publish(struct burst *b, uint16_t end)
{
	capture_put(b, end);
	if (airlock_rxring_publish(b->ring))
		airlock_vnic_kick(b->remap->vnic, b->queue_id);
}

/* A frame that is still mapped for the VM, and posted. */
static int
copy_into_released(struct burst *b, struct rte_mbuf *m)
{
	struct airlock_page_table *pages = b->remap->pages;
	uint32_t frame;
	int ret;

	/* Without a tag the window is on its way out, and these are no lcore's any more. */
	if (b->tag == 0 || b->queue->nb_released == 0 || b->queue->spills_left == 0)
		return -ENOBUFS;
	frame = b->queue->released[b->queue->nb_released - 1];
	/* Not posted any more, if the ring was taken away meanwhile. */
	if (!airlock_rxring_has_frame(b->ring, frame))
		return -ENOBUFS;
	ret = airlock_rxring_copy_to_frame(b->ring, m, frame);
	if (ret < 0)
		return ret;
	b->queue->nb_released--;
	b->queue->spills_left--;
	airlock_page_renew(pages, frame, b->tag);
	airlock_count(&b->queue->counters.renewed, 1);
	return 0;
}

static int
copy_one(struct burst *b, uint16_t i)
{
	struct rte_mbuf *m = b->mbufs[i];
	int ret;

	for (;;) {
		ret = airlock_rxring_put_copy(b->ring, m);
		if (likely(ret == 0) || copy_into_released(b, m) == 0)
			return 0;
		/* No wait makes the buffers longer. */
		if (b->tries == 0 || ret == -EMSGSIZE)
			return ret;
		b->tries--;
		b->timed = false;
		publish(b, i);
		rte_pause();
		remap_poll(b->remap, b->queue_id, b->ring, b->tag);
	}
}

/* By its frame, if that was mapped for it. */
static bool
put_frame(struct burst *b, uint16_t i)
{
	if (b->frames[i] >= OVER_QUOTA)
		return false;
	airlock_rxring_put_frame(b->ring, b->mbufs[i], b->frames[i]);
	b->remapped.packets++;
	b->remapped.bytes += b->mbufs[i]->pkt_len;
	return true;
}

/* Without anything to copy into, a frame is better than a drop. */
static bool
fall_to_frame(struct burst *b, uint16_t i)
{
	if (b->fell)
		return false;
	burst_fall(b, i);
	burst_map(b, i);
	return put_frame(b, i);
}

static void
drop_one(struct burst *b, uint16_t i, int err)
{
	enum airlock_drop reason = AIRLOCK_DROP_RING_FULL;

	if (!airlock_vnic_is_up(b->remap->vnic))
		reason = AIRLOCK_DROP_VM_DOWN;
	else if (b->frames[i] == OVER_QUOTA)
		reason = AIRLOCK_DROP_QUOTA;
	else if (err == -EMSGSIZE)
		reason = AIRLOCK_DROP_TOO_LONG;
	airlock_capture_drop(
		b->handoff->tap, &b->remap->vnic->rx[b->queue_id].drops, reason, &b->mbufs[i], 1);
	b->lost |= RTE_BIT64(i);
}

static void
put_burst(struct burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->mbufs[i];
		int ret;

		if (put_frame(b, i))
			continue;
		ret = copy_one(b, i);
		if (likely(ret == 0)) {
			b->copied.packets++;
			b->copied.bytes += m->pkt_len;
		} else if (!fall_to_frame(b, i)) {
			drop_one(b, i, ret);
		}
	}
}

static void
count_burst(struct burst *b)
{
	struct airlock_remap_counters *counters = &b->queue->counters;
	struct airlock_vnic_rx *rx = &b->remap->vnic->rx[b->queue_id];

	airlock_flow_count(&rx->delivered, b->remapped.packets + b->copied.packets,
		b->remapped.bytes + b->copied.bytes);
	airlock_flow_count(&counters->remapped, b->remapped.packets, b->remapped.bytes);
	airlock_flow_count(&counters->copied, b->copied.packets, b->copied.bytes);
}

/* What copies cost, from bursts that were copied as a whole and waited for nothing. */
static void
count_time(struct burst *b, uint64_t tsc)
{
	struct airlock_remap_counters *counters = &b->queue->counters;

	if (!b->timed || b->copied.packets != b->n)
		return;
	airlock_count(&counters->copy_tsc, tsc);
	airlock_flow_count(&counters->timed, b->copied.packets, b->copied.bytes);
}

/*
 * A frame that this guest has not posted: of this ring's partition, and nobody else has it. Of no
 * interest where nothing is remapped.
 */
static bool
is_cold(const struct burst *b, const struct rte_mbuf *m)
{
	return b->planned && m->pool == b->cold_pool && m->nb_segs == 1 &&
		rte_mbuf_refcnt_read(m) == 1 &&
		!airlock_rxring_has_frame(
			b->ring, airlock_page_frame(b->remap->pages, m->buf_addr));
}

/* Frames whose packets were copied go back; those that could not be mapped are made sure of. */
static void
free_burst(struct burst *b)
{
	struct rte_mbuf *loose[AIRLOCK_HANDOFF_MAX_BURST], *cold[AIRLOCK_HANDOFF_MAX_BURST];
	uint32_t failed[AIRLOCK_HANDOFF_MAX_BURST];
	uint16_t nb_loose = 0, nb_cold = 0, nb_failed = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		if (!b->kept[i] && is_cold(b, b->mbufs[i]))
			cold[nb_cold++] = b->mbufs[i];
		else if (!b->kept[i])
			loose[nb_loose++] = b->mbufs[i];
		else if (unlikely(b->frames[i] == NO_FRAME))
			failed[nb_failed++] =
				airlock_page_frame(b->remap->pages, b->mbufs[i]->buf_addr);
	}
	if (nb_loose > 0)
		airlock_handoff_free(b->remap->vnic->frames, loose, nb_loose);
	if (nb_cold > 0)
		airlock_page_put_cold(b->remap->pages, cold, nb_cold);
	if (unlikely(nb_failed > 0))
		airlock_dmatable_unmap(b->remap->table, failed, nb_failed);
}

/*
 * A shortage of private buffers is over when half of those that there can be are posted again. But
 * a guest that does not get a CPU of its own has one shortage after the other, and a frame alone
 * costs as much as dozens of copies: so the next one begins a while after the last one did.
 */
static void
spills_renew(struct burst *b)
{
	struct airlock_remap_queue *queue = b->queue;
	uint32_t quota = atomic_load_explicit(&b->remap->quota, memory_order_relaxed);
	uint64_t now;

	if (likely(queue->spills_left == quota) ||
		airlock_rxring_nb_private(b->ring) * 2 < airlock_rxring_most_private(b->ring))
		return;
	now = rte_rdtsc();
	if (now - queue->spills_tsc < rte_get_tsc_hz() / AIRLOCK_REMAP_SHORTAGES_PER_SECOND)
		return;
	queue->spills_tsc = now;
	queue->spills_left = quota;
}

static bool
burst_init(struct burst *b, struct airlock_handoff *handoff, struct airlock_remap *remap,
	uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	b->handoff = handoff;
	b->remap = remap;
	b->queue = &remap->queues[queue_id];
	b->queue_id = queue_id;
	b->mbufs = mbufs;
	b->n = n;
	b->nb_runs = 0;
	b->tries = handoff->retries;
	b->fell = false;
	b->seen = 0;
	b->lost = 0;
	b->timed = true;
	b->cold_pool = queue_id < airlock_pool_nb_partitions(remap->pool)
		? airlock_pool_mempool(remap->pool, queue_id)
		: NULL;
	b->remapped = (struct airlock_flow_value){0};
	b->copied = (struct airlock_flow_value){0};
	b->tag = atomic_load_explicit(&remap->tag, memory_order_acquire);
	b->ring = airlock_vnic_rxring(remap->vnic, queue_id);
	if (unlikely(b->ring == NULL)) {
		airlock_capture_drop(handoff->tap, &remap->vnic->rx[queue_id].drops,
			AIRLOCK_DROP_VM_DOWN, mbufs, n);
		return false;
	}
	remap_poll(remap, queue_id, b->ring, b->tag);
	spills_renew(b);
	return true;
}

void
remap_burst(struct airlock_handoff *handoff, struct airlock_remap *remap, uint16_t queue_id,
	struct rte_mbuf **mbufs, uint16_t n)
{
	struct burst b;
	uint64_t start;

	if (!burst_init(&b, handoff, remap, queue_id, mbufs, n)) {
		airlock_handoff_free(remap->vnic->frames, mbufs, n);
		return;
	}
	burst_plan(&b);
	burst_map(&b, 0);
	start = rte_rdtsc();
	put_burst(&b);
	count_time(&b, rte_rdtsc() - start);
	publish(&b, n);
	count_burst(&b);
	free_burst(&b);
}

void
remap_copy(struct airlock_handoff *handoff, struct airlock_remap *remap, uint16_t queue_id,
	struct rte_mbuf *m)
{
	struct burst b;

	if (!burst_init(&b, handoff, remap, queue_id, &m, 1))
		return;
	/* Others have the packet, too: it cannot fall to its frame. */
	b.planned = false;
	b.frames[0] = NO_FRAME;
	b.fell = true;
	put_burst(&b);
	publish(&b, 1);
	count_burst(&b);
}
