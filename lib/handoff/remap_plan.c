/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Which packets of a burst go to the VM by their frames; these are scrubbed, leased and mapped.
 *
 * Remapping costs by the run of neighbouring frames, not by the packet, so the burst is looked at
 * in runs: packets that can be remapped and whose frames are neighbours, in the order in which they
 * came. A run is remapped if its packets are long enough for a run of that length; how long that is
 * comes from the calibration (airlock_cost.h).
 *
 * Packets that are not worth it may fall to their frames later, if there is nothing to copy them
 * into. The frames come back as released ones, which the next such packets are copied into: so that
 * happens a few times, and not again for as long as the VM keeps them. It stops at half of the
 * quota, because beyond that the VM would come under pressure, and released frames be taken back
 * before they were of use. And it lasts for one shortage (remap_burst.c): a VM that is too slow all
 * the time has a full ring however, and frames between its private buffers, which it then gets in
 * another order, make it slower (measured: 9.6 million packets of 64 bytes a second, and 13.4
 * without).
 *
 * Thread rule: see remap_burst.c.
 */

#include <airlock_scrub.h>

#include "remap_burst.h"

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

/* Whether any packet is long enough for a run of whatever length. */
static bool
any_long(const struct burst *b)
{
	uint32_t below = atomic_load_explicit(&b->remap->least_below, memory_order_relaxed);
	bool any = false;

	for (uint16_t i = 0; i < b->n; i++)
		any |= b->mbufs[i]->pkt_len >= below;
	return any;
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

void
burst_plan(struct burst *b)
{
	uint32_t room, bytes, taken;
	uint16_t len;

	b->planned = b->tag != 0 && any_long(b);
	for (uint16_t i = 0; i < b->n; i++) {
		b->frames[i] = b->planned ? candidate(b, b->mbufs[i]) : NO_FRAME;
		b->kept[i] = false;
	}
	if (!b->planned)
		return;
	room = remap_room(b->remap);
	for (uint16_t i = 0; i < b->n; i += len) {
		len = 1;
		if (b->frames[i] == NO_FRAME)
			continue;
		len = run_length(b, i, &bytes);
		if (bytes < threshold(b->remap, len) * (uint64_t)len) {
			give_up(b, i, len, NO_FRAME);
			continue;
		}
		taken = RTE_MIN(len, room);
		room -= taken;
		give_up(b, i + taken, len - taken, OVER_QUOTA);
		airlock_count(&b->queue->counters.over_quota, len - taken);
	}
}

void
burst_fall(struct burst *b, uint16_t first)
{
	uint32_t half = atomic_load_explicit(&b->remap->quota, memory_order_relaxed) / 2;
	uint32_t room = remap_room(b->remap);

	b->fell = true;
	if (b->tag == 0 || atomic_load_explicit(&b->remap->copy_only, memory_order_relaxed))
		return;
	for (uint16_t i = first; i < b->n && room > half && b->queue->spills_left > 0; i++) {
		if (b->frames[i] != NO_FRAME || b->kept[i])
			continue;
		b->frames[i] = candidate(b, b->mbufs[i]);
		if (b->frames[i] == NO_FRAME)
			continue;
		room--;
		b->queue->spills_left--;
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

/* Runs before *first_run* are mapped already. */
static void
add_to_runs(struct burst *b, uint16_t first_run, uint16_t i, uint32_t frame)
{
	struct airlock_run *next = &b->runs[b->nb_runs];

	if (b->nb_runs > first_run && next[-1].first_frame + next[-1].nb_frames == frame) {
		next[-1].nb_frames++;
	} else {
		*next = (struct airlock_run){frame, 1};
		b->nb_runs++;
	}
	b->run_of[i] = b->nb_runs - 1;
}

void
burst_map(struct burst *b, uint16_t first)
{
	uint16_t first_run = b->nb_runs, nb_runs, mapped;

	for (uint16_t i = first; i < b->n; i++) {
		if (b->frames[i] >= OVER_QUOTA || b->kept[i])
			continue;
		b->kept[i] = true;
		lease(b, b->mbufs[i], b->frames[i]);
		add_to_runs(b, first_run, i, b->frames[i]);
	}
	nb_runs = b->nb_runs - first_run;
	if (nb_runs == 0)
		return;
	mapped = airlock_dmatable_map(b->remap->table, b->queue_id, &b->runs[first_run], nb_runs);
	if (likely(mapped == nb_runs))
		return;
	for (uint16_t i = first; i < b->n; i++) {
		if (b->frames[i] < OVER_QUOTA && b->run_of[i] >= first_run + mapped)
			b->frames[i] = NO_FRAME;
	}
}
