/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A burst for a VM with a window: remap or copy, packet by packet.
 *
 * Remapping costs by the run of neighbouring frames, not by the packet, so the burst is looked at
 * in runs: packets that can be remapped and whose frames are neighbours, in the order in which they
 * came. A run is remapped if its packets are long enough for a run of that length; how long that is
 * comes from the calibration (airlock_cost.h). The burst goes in three steps:
 *
 *     plan   which packets can go by their frames, and which of their runs are worth it
 *     map    scrub what is another's, lease, map the runs
 *     put    in the order of the packets: name the frame, or copy; then publish and kick
 *
 * A copy goes into a private buffer; if there is none, into a frame that the VM has released and
 * that is still mapped for it.
 *
 * Thread rule: the lcore that owns the RX ring. The loads of *tag* (acquire) pair with its stores
 * (release) in remap.c: an lcore that read a tag may use window and table until its next quiescent
 * state.
 */

#include <errno.h>

#include <rte_pause.h>

#include <airlock_scrub.h>

#include "remap_priv.h"

/* No frame's number: the packet is copied, the second because the VM holds enough. */
#define NO_FRAME   UINT32_MAX
#define OVER_QUOTA (UINT32_MAX - 1)

/* A burst on its way through the steps. */
struct burst {
	struct airlock_handoff *handoff;
	struct airlock_remap *remap;
	struct airlock_remap_queue *queue;
	struct airlock_rxring *ring;
	uint32_t tag;
	uint16_t queue_id;
	uint16_t n;
	uint16_t nb_runs;
	struct rte_mbuf **mbufs;
	struct rte_mempool *cold_pool; /* of the ring's partition */
	uint32_t tries; /* that are left on a full ring */
	uint32_t frames[AIRLOCK_HANDOFF_MAX_BURST]; /* that a packet goes by; or as above */
	uint8_t run_of[AIRLOCK_HANDOFF_MAX_BURST]; /* the frame's place in runs[] */
	bool kept[AIRLOCK_HANDOFF_MAX_BURST]; /* the frame is leased: not the lcore's to free */
	struct airlock_run runs[AIRLOCK_HANDOFF_MAX_BURST];
	struct airlock_flow_value remapped;
	struct airlock_flow_value copied;
};

/* Alone in a frame of the pool that this guest has posted, where the guest expects it. */
static inline uint32_t
candidate(const struct burst *b, const struct rte_mbuf *m)
{
	uint32_t frame = airlock_page_frame(b->remap->pages, m->buf_addr);

	if (frame == UINT32_MAX || m->nb_segs != 1 || m->data_off != RTE_PKTMBUF_HEADROOM ||
		rte_mbuf_refcnt_read(m) != 1 ||
		airlock_page_state_get(b->remap->pages, frame) != AIRLOCK_PAGE_HOST ||
		!airlock_rxring_has_frame(b->ring, frame))
		return NO_FRAME;
	return frame;
}

/* Bytes from which on a packet in a run of so many is remapped. */
static inline uint32_t
threshold(const struct airlock_remap *remap, uint32_t run)
{
	uint32_t i = RTE_MIN(31u - __builtin_clz(run), AIRLOCK_REMAP_RUNS - 1u);

	return atomic_load_explicit(&remap->copy_below[i], memory_order_relaxed);
}

/* Packets from i on whose frames are neighbours. */
static uint16_t
run_length(const struct burst *b, uint16_t i, uint32_t *bytes)
{
	uint16_t end = i;

	*bytes = 0;
	do {
		*bytes += b->mbufs[end]->pkt_len;
		end++;
	} while (end < b->n && b->frames[end] == b->frames[end - 1] + 1);
	return end - i;
}

static void
give_up(struct burst *b, uint16_t i, uint16_t n, uint32_t why)
{
	for (uint16_t k = i; k < i + n; k++)
		b->frames[k] = why;
}

static void
plan_burst(struct burst *b)
{
	uint32_t room = remap_room(b->remap);
	uint32_t copies = airlock_rxring_nb_private(b->ring) + b->queue->nb_released;
	uint16_t len;

	for (uint16_t i = 0; i < b->n; i++)
		b->frames[i] = b->tag != 0 ? candidate(b, b->mbufs[i]) : NO_FRAME;
	for (uint16_t i = 0; i < b->n; i += len) {
		uint32_t bytes, taken;

		len = 1;
		if (b->frames[i] == NO_FRAME) {
			copies -= RTE_MIN(copies, 1u);
			continue;
		}
		len = run_length(b, i, &bytes);
		/* Without anything to copy into, a frame is better than a drop. */
		if (bytes < threshold(b->remap, len) * (uint64_t)len && copies >= len) {
			give_up(b, i, len, NO_FRAME);
			copies -= len;
			continue;
		}
		taken = RTE_MIN(len, room);
		room -= taken;
		give_up(b, i + taken, len - taken, OVER_QUOTA);
		airlock_count(&b->queue->counters.over_quota, len - taken);
	}
}

/* What is not the packet's, and may be another's, is cleared; then the frame is the VM's. */
static void
lease(struct burst *b, const struct rte_mbuf *m, uint32_t frame)
{
	struct airlock_page_table *pages = b->remap->pages;

	if (airlock_page_tag_get(pages, frame) != b->tag) {
		uint64_t start = rte_rdtsc();
		uint32_t bytes =
			airlock_scrub(airlock_page_addr(pages, frame), b->remap->frame_bytes,
				RTE_PKTMBUF_HEADROOM, RTE_PKTMBUF_HEADROOM + m->pkt_len);

		airlock_count(&b->queue->counters.scrubbed_bytes, bytes);
		airlock_count(&b->queue->counters.scrub_tsc, rte_rdtsc() - start);
	}
	airlock_page_lease(pages, frame, b->tag);
}

static void
add_to_runs(struct burst *b, uint16_t i, uint32_t frame)
{
	struct airlock_run *last = &b->runs[b->nb_runs - 1];

	if (b->nb_runs > 0 && last->first_frame + last->nb_frames == frame)
		last->nb_frames++;
	else
		b->runs[b->nb_runs++] = (struct airlock_run){frame, 1};
	b->run_of[i] = b->nb_runs - 1;
}

static void
map_burst(struct burst *b)
{
	uint16_t mapped;

	for (uint16_t i = 0; i < b->n; i++) {
		b->kept[i] = b->frames[i] < OVER_QUOTA;
		if (!b->kept[i])
			continue;
		lease(b, b->mbufs[i], b->frames[i]);
		add_to_runs(b, i, b->frames[i]);
	}
	if (b->nb_runs == 0)
		return;
	mapped = airlock_dmatable_map(b->remap->table, b->queue_id, b->runs, b->nb_runs);
	if (likely(mapped == b->nb_runs))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->kept[i] && b->run_of[i] >= mapped)
			b->frames[i] = NO_FRAME;
	}
}

static void
publish(struct burst *b)
{
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

	if (b->queue->nb_released == 0)
		return -ENOBUFS;
	frame = b->queue->released[b->queue->nb_released - 1];
	/* Not posted any more, if the ring was taken away meanwhile. */
	if (!airlock_rxring_has_frame(b->ring, frame))
		return -ENOBUFS;
	ret = airlock_rxring_copy_to_frame(b->ring, m, frame);
	if (ret < 0)
		return ret;
	b->queue->nb_released--;
	airlock_page_renew(pages, frame, b->tag);
	airlock_count(&b->queue->counters.renewed, 1);
	return 0;
}

static int
copy_one(struct burst *b, struct rte_mbuf *m)
{
	int ret, again;

	for (;;) {
		ret = airlock_rxring_put_copy(b->ring, m);
		if (likely(ret == 0))
			return 0;
		again = copy_into_released(b, m);
		if (again == 0 || b->tries == 0)
			return again == 0 ? 0 : ret;
		b->tries--;
		publish(b);
		rte_pause();
		remap_poll(b->remap, b->queue_id, b->ring, b->tag);
	}
}

static void
drop_one(struct burst *b, uint16_t i, int err)
{
	enum airlock_drop reason = AIRLOCK_DROP_RING_FULL;

	if (!airlock_vnic_is_up(b->remap->vnic))
		reason = AIRLOCK_DROP_VM_DOWN;
	else if (err == -EMSGSIZE)
		reason = AIRLOCK_DROP_TOO_LONG;
	else if (b->frames[i] == OVER_QUOTA)
		reason = AIRLOCK_DROP_QUOTA;
	airlock_drop_count(&b->remap->vnic->rx[b->queue_id].drops, reason, 1);
}

static void
put_burst(struct burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->mbufs[i];
		int ret;

		if (b->frames[i] < OVER_QUOTA) {
			airlock_rxring_put_frame(b->ring, m, b->frames[i]);
			b->remapped.packets++;
			b->remapped.bytes += m->pkt_len;
			continue;
		}
		ret = copy_one(b, m);
		if (unlikely(ret < 0)) {
			drop_one(b, i, ret);
			continue;
		}
		b->copied.packets++;
		b->copied.bytes += m->pkt_len;
	}
	publish(b);
}

static void
count_burst(struct burst *b, uint64_t start)
{
	struct airlock_remap_counters *counters = &b->queue->counters;
	struct airlock_vnic_rx *rx = &b->remap->vnic->rx[b->queue_id];

	airlock_flow_count(&rx->delivered, b->remapped.packets + b->copied.packets,
		b->remapped.bytes + b->copied.bytes);
	airlock_flow_count(&counters->remapped, b->remapped.packets, b->remapped.bytes);
	airlock_flow_count(&counters->copied, b->copied.packets, b->copied.bytes);
	/* Of a burst that was copied as a whole: putting frames would be in it, too. */
	if (b->remapped.packets == 0 && b->copied.packets == b->n) {
		airlock_count(&counters->copy_tsc, rte_rdtsc() - start);
		airlock_flow_count(&counters->timed, b->copied.packets, b->copied.bytes);
	}
}

/* A frame that this guest has not posted: of this ring's partition, and nobody else has it. */
static bool
is_cold(const struct burst *b, const struct rte_mbuf *m)
{
	return b->tag != 0 && m->pool == b->cold_pool && m->nb_segs == 1 &&
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
		airlock_dmatable_unmap(b->remap->table, b->queue_id, failed, nb_failed);
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
	b->cold_pool = queue_id < airlock_pool_nb_partitions(remap->pool)
		? airlock_pool_mempool(remap->pool, queue_id)
		: NULL;
	b->remapped = (struct airlock_flow_value){0};
	b->copied = (struct airlock_flow_value){0};
	b->tag = atomic_load_explicit(&remap->tag, memory_order_acquire);
	b->ring = airlock_vnic_rxring(remap->vnic, queue_id);
	if (unlikely(b->ring == NULL)) {
		airlock_drop_count(&remap->vnic->rx[queue_id].drops, AIRLOCK_DROP_VM_DOWN, n);
		return false;
	}
	remap_poll(remap, queue_id, b->ring, b->tag);
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
	plan_burst(&b);
	map_burst(&b);
	start = rte_rdtsc();
	put_burst(&b);
	count_burst(&b, start);
	free_burst(&b);
}

void
remap_copy(struct airlock_handoff *handoff, struct airlock_remap *remap, uint16_t queue_id,
	struct rte_mbuf *m)
{
	struct burst b;

	if (!burst_init(&b, handoff, remap, queue_id, &m, 1))
		return;
	b.frames[0] = NO_FRAME;
	put_burst(&b);
	count_burst(&b, rte_rdtsc());
}
