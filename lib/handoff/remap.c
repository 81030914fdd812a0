/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The control side of remapping: a VM's window comes and goes, its quota and its thresholds change.
 * The datapath is in remap_burst.c, remap_plan.c and remap_poll.c.
 *
 * While there is no window, *tag* is 0 and lcores only copy. It comes last when a window comes, and
 * goes first when it goes; between that and the rest lies a quiescent state of every lcore.
 *
 * Thread rule: control threads. Window and reclaim exclude each other by the pipeline's care: both
 * run with the VM's rings out of the lcores' hands.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "remap_priv.h"

/* Runs that a VM is thought to get until it was seen to get others. */
#define RUN_PAGES_UNKNOWN 16

static void
scale(double *costs, unsigned int nb, double factor)
{
	for (unsigned int i = 0; i < nb; i++)
		costs[i] *= factor;
}

/* The host's costs, as this VM was seen to differ from them. */
static void
cost_of_vm(const struct airlock_remap *remap, struct airlock_cost *cost)
{
	const struct airlock_cost_feedback *feedback = &remap->feedback;

	*cost = feedback->host;
	scale(cost->map_ns, RTE_DIM(cost->map_ns),
		feedback->map_page_ns / airlock_cost_map_page(cost, feedback->run_pages));
	scale(cost->unmap_ns, RTE_DIM(cost->unmap_ns),
		feedback->unmap_page_ns / airlock_cost_unmap_page(cost, feedback->run_pages));
	scale(cost->copy_warm_ns, RTE_DIM(cost->copy_warm_ns), feedback->copy_factor);
	scale(cost->copy_cold_ns, RTE_DIM(cost->copy_cold_ns), feedback->copy_factor);
	cost->scrub_byte_ns = feedback->scrub_byte_ns;
}

static void
publish_thresholds(struct airlock_remap *remap)
{
	uint32_t frame_pages = remap->frame_bytes / AIRLOCK_PAGE_SIZE;
	uint32_t least = UINT32_MAX;
	struct airlock_cost cost;

	cost_of_vm(remap, &cost);
	for (unsigned int i = 0; i < AIRLOCK_REMAP_RUNS; i++) {
		uint32_t below = remap->fixed_below;

		if (remap->deliver == AIRLOCK_DELIVER_REMAP || below == AIRLOCK_COPY_BELOW_NEVER)
			below = 0;
		else if (below == AIRLOCK_COPY_BELOW_AUTO)
			below = airlock_cost_threshold(&cost, RTE_BIT32(i) * frame_pages,
				remap->frame_bytes, remap->feedback.scrub_share);
		atomic_store_explicit(&remap->copy_below[i], below, memory_order_relaxed);
		least = RTE_MIN(least, below);
	}
	atomic_store_explicit(&remap->least_below, least, memory_order_relaxed);
}

void
airlock_remap_set_deliver(struct airlock_remap *remap, enum airlock_deliver deliver)
{
	bool copy_only =
		deliver == AIRLOCK_DELIVER_AUTO && remap->fixed_below == AIRLOCK_COPY_BELOW_ALWAYS;

	remap->deliver = deliver;
	/* A burst may see the one before and the other after the change: both are of use alone. */
	atomic_store_explicit(&remap->copy_only, copy_only, memory_order_relaxed);
	publish_thresholds(remap);
}

static int
queues_create(struct airlock_remap *remap)
{
	uint32_t nb_frames = remap->pages->nb_frames;

	for (uint16_t q = 0; q < remap->vnic->nb_queues; q++) {
		remap->queues[q].released = rte_malloc("airlock_remap",
			nb_frames * sizeof(remap->queues[q].released[0]), RTE_CACHE_LINE_SIZE);
		if (remap->queues[q].released == NULL)
			return -ENOMEM;
	}
	return 0;
}

struct airlock_remap *
airlock_remap_create(const struct airlock_remap_conf *conf)
{
	struct airlock_remap *remap;

	remap = rte_zmalloc("airlock_remap", sizeof(*remap), RTE_CACHE_LINE_SIZE);
	if (remap == NULL)
		goto no_memory;
	remap->vnic = conf->vnic;
	remap->table = conf->table;
	remap->pool = conf->pool;
	remap->pages = airlock_pool_table(conf->pool);
	remap->frame_bytes = remap->pages->frame.bytes;
	remap->fixed_below = conf->copy_below;
	airlock_cost_feedback_init(
		&remap->feedback, conf->cost, remap->frame_bytes, RUN_PAGES_UNKNOWN);
	airlock_remap_set_deliver(remap, conf->deliver);
	if (queues_create(remap) == 0)
		return remap;
	airlock_remap_destroy(remap);
no_memory:
	rte_errno = ENOMEM;
	return NULL;
}

void
airlock_remap_destroy(struct airlock_remap *remap)
{
	if (remap == NULL)
		return;
	for (uint16_t q = 0; q < AIRLOCK_VNIC_MAX_QUEUES; q++)
		rte_free(remap->queues[q].released);
	rte_free(remap);
}

static void
forget_released(struct airlock_remap *remap)
{
	for (uint16_t q = 0; q < AIRLOCK_VNIC_MAX_QUEUES; q++)
		remap->queues[q].nb_released = 0;
}

void
airlock_remap_set_window(struct airlock_remap *remap, const struct airlock_window_place *place,
	void (*quiesce)(void *arg), void *arg)
{
	struct airlock_vnic_window window = {0};

	/* Pairs with the loads in remap_burst.c and remap_poll.c. */
	atomic_store_explicit(&remap->tag, 0, memory_order_release);
	quiesce(arg);
	forget_released(remap);
	if (place != NULL)
		window = (struct airlock_vnic_window){
			.base = place->base,
			.bytes = place->bytes,
			.in_process = place->in_process,
			.owner = place->owner,
			.partitions = remap->pages->partitions,
			.nb_partitions = remap->pages->nb_partitions,
		};
	airlock_vnic_set_window(remap->vnic, &window);
	if (place != NULL)
		atomic_store_explicit(&remap->tag, place->tag, memory_order_release);
}

void
airlock_remap_reclaim(struct airlock_remap *remap)
{
	forget_released(remap);
	airlock_dmatable_unmap_all(remap->table);
}

bool
airlock_remap_may_resume(const struct airlock_remap *remap, uint32_t frame)
{
	/* Whatever its quota: it was within it before, and who waits for a frame releases none. */
	return airlock_vnic_was_given(remap->vnic, frame);
}

void
airlock_remap_set_quota(struct airlock_remap *remap, uint32_t nb_frames)
{
	atomic_store_explicit(&remap->quota, nb_frames, memory_order_relaxed);
}

static void
sum_queue(struct airlock_remap_stats *stats, const struct airlock_remap_counters *counters)
{
	airlock_flow_sum(&stats->remapped, &counters->remapped);
	airlock_flow_sum(&stats->copied, &counters->copied);
	airlock_flow_sum(&stats->timed, &counters->timed);
	stats->copy_tsc += airlock_count_get(&counters->copy_tsc);
	stats->renewed += airlock_count_get(&counters->renewed);
	stats->scrubbed_bytes += airlock_count_get(&counters->scrubbed_bytes);
	stats->scrub_tsc += airlock_count_get(&counters->scrub_tsc);
	stats->interrupts += airlock_count_get(&counters->interrupts);
	stats->over_quota += airlock_count_get(&counters->over_quota);
}

void
airlock_remap_stats(const struct airlock_remap *remap, struct airlock_remap_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->up = atomic_load_explicit(&remap->tag, memory_order_relaxed) != 0;
	stats->quota = atomic_load_explicit(&remap->quota, memory_order_relaxed);
	for (unsigned int i = 0; i < AIRLOCK_REMAP_RUNS; i++)
		stats->copy_below[i] =
			atomic_load_explicit(&remap->copy_below[i], memory_order_relaxed);
	for (uint16_t q = 0; q < remap->vnic->nb_queues; q++) {
		sum_queue(stats, &remap->queues[q].counters);
		for (unsigned int i = 0; i < AIRLOCK_RXRING_REFUSALS; i++)
			stats->refused[i] += airlock_vnic_refused_buffers(remap->vnic, q, i);
	}
	airlock_dmatable_stats(remap->table, &stats->table);
}

static uint64_t
tsc_to_ns(uint64_t tsc)
{
	return tsc * 1e9 / rte_get_tsc_hz();
}

void
airlock_remap_correct(struct airlock_remap *remap)
{
	uint32_t frame_pages = remap->frame_bytes / AIRLOCK_PAGE_SIZE;
	struct airlock_remap_stats now, *last = &remap->last;
	struct airlock_cost_sample sample;
	uint64_t map_calls;
	uint32_t before;

	airlock_remap_stats(remap, &now);
	sample = (struct airlock_cost_sample){
		.mapped_pages = (now.table.mapped - last->table.mapped) * frame_pages,
		.map_ns = tsc_to_ns(now.table.map_tsc - last->table.map_tsc),
		.unmapped_pages = (now.table.unmapped - last->table.unmapped) * frame_pages,
		.unmap_ns = now.table.unmap_ns - last->table.unmap_ns,
		.scrubbed_bytes = now.scrubbed_bytes - last->scrubbed_bytes,
		.scrub_ns = tsc_to_ns(now.scrub_tsc - last->scrub_tsc),
		.remapped_packets = now.remapped.packets - last->remapped.packets,
		.remapped_bytes = now.remapped.bytes - last->remapped.bytes,
		.copied_packets = now.timed.packets - last->timed.packets,
		.copied_bytes = now.timed.bytes - last->timed.bytes,
		.copy_ns = tsc_to_ns(now.copy_tsc - last->copy_tsc),
	};
	map_calls = now.table.map_calls - last->table.map_calls;
	if (map_calls > 0)
		remap->feedback.run_pages = RTE_MAX((double)sample.mapped_pages / map_calls, 1.0);
	*last = now;
	before = remap->feedback.copy_below;
	if (airlock_cost_correct(&remap->feedback, &sample) != before)
		publish_thresholds(remap);
}
