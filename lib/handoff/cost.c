/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The model: what a packet costs by copy and by remap, and where the two meet. cost_measure.c gets
 * its figures from the host, cost_correct.c corrects them while packets flow.
 *
 * A copy costs what its bytes cost. A remap costs a frame's pages, mapped and unmapped, whatever
 * the packet's length; and the scrubbing of what the packet leaves over of the frame, if another
 * owner had it. So with a packet's length the one rises and the other falls, and they meet once at
 * most. What both have to do, such as the work on the ring, cancels out.
 *
 * How much a page costs depends on how many neighbours are mapped with it, so run lengths decide
 * more than anything else. Between measured lengths a whole run's cost is taken as a straight line,
 * beyond the longest the cost by the page stays.
 *
 * Thread rule: no state.
 */

#include <string.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include "airlock_cost.h"
#include "cost_priv.h"

const uint32_t airlock_cost_sizes[AIRLOCK_COST_SIZES] = {64, 256, 1514, 4096, 9000, 16384};

static void
smooth_runs(double ns[static AIRLOCK_COST_RUNS])
{
	for (unsigned int i = 1; i < AIRLOCK_COST_RUNS; i++)
		ns[i] = RTE_MIN(ns[i], 2 * ns[i - 1]);
}

void
airlock_cost_smooth(struct airlock_cost *cost)
{
	smooth_runs(cost->map_ns);
	smooth_runs(cost->unmap_ns);
	for (unsigned int i = 0; i < AIRLOCK_COST_SIZES; i++) {
		if (i > 0) {
			cost->copy_warm_ns[i] =
				RTE_MAX(cost->copy_warm_ns[i], cost->copy_warm_ns[i - 1]);
			cost->copy_cold_ns[i] =
				RTE_MAX(cost->copy_cold_ns[i], cost->copy_cold_ns[i - 1]);
		}
		cost->copy_cold_ns[i] = RTE_MAX(cost->copy_cold_ns[i], cost->copy_warm_ns[i]);
	}
}

static double
between(double x, double x0, double y0, double x1, double y1)
{
	return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

/* Cost of one page in a run. */
static double
page_ns(const double ns[static AIRLOCK_COST_RUNS], double run_pages)
{
	for (unsigned int i = 1; i < AIRLOCK_COST_RUNS; i++) {
		double shorter = 1u << (i - 1), longer = 1u << i;

		if (run_pages <= shorter)
			return ns[i - 1] / shorter;
		if (run_pages < longer)
			return between(run_pages, shorter, ns[i - 1], longer, ns[i]) / run_pages;
	}
	return ns[AIRLOCK_COST_RUNS - 1] / (1u << (AIRLOCK_COST_RUNS - 1));
}

double
airlock_cost_map_page(const struct airlock_cost *cost, double run_pages)
{
	return page_ns(cost->map_ns, run_pages);
}

double
airlock_cost_unmap_page(const struct airlock_cost *cost, double run_pages)
{
	return page_ns(cost->unmap_ns, run_pages);
}

static double
copy_mean_ns(const struct airlock_cost *cost, unsigned int i)
{
	return (cost->copy_warm_ns[i] + cost->copy_cold_ns[i]) / 2;
}

double
airlock_cost_copy(const struct airlock_cost *cost, uint32_t bytes)
{
	unsigned int i = 1;

	if (bytes <= airlock_cost_sizes[0])
		return copy_mean_ns(cost, 0);
	/* A copy longer than the longest goes on along the last line. */
	while (i < AIRLOCK_COST_SIZES - 1 && bytes > airlock_cost_sizes[i])
		i++;
	return between(bytes, airlock_cost_sizes[i - 1], copy_mean_ns(cost, i - 1),
		airlock_cost_sizes[i], copy_mean_ns(cost, i));
}

static bool
remap_is_cheaper(const struct cost_remap *remap, const struct airlock_cost *cost,
	double copy_factor, uint32_t bytes)
{
	double frame_pages = (double)remap->frame_bytes / AIRLOCK_PAGE_SIZE;
	double scrub_bytes = remap->scrub_share * (remap->frame_bytes - bytes);
	double remap_ns = frame_pages * remap->page_ns + scrub_bytes * remap->scrub_byte_ns;

	return remap_ns <= copy_factor * airlock_cost_copy(cost, bytes);
}

uint32_t
cost_threshold(const struct cost_remap *remap, const struct airlock_cost *cost, double copy_factor)
{
	uint32_t low = 0, high = remap->frame_bytes - RTE_PKTMBUF_HEADROOM;

	if (remap->page_ns <= 0 || !remap_is_cheaper(remap, cost, copy_factor, high))
		return UINT32_MAX;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (remap_is_cheaper(remap, cost, copy_factor, middle))
			high = middle;
		else
			low = middle + 1;
	}
	return high;
}

uint32_t
airlock_cost_threshold(
	const struct airlock_cost *cost, double run_pages, uint32_t frame_bytes, double scrub_share)
{
	double run = RTE_MAX(run_pages, (double)frame_bytes / AIRLOCK_PAGE_SIZE);
	struct cost_remap remap = {
		.frame_bytes = frame_bytes,
		.page_ns = airlock_cost_map_page(cost, run) + airlock_cost_unmap_page(cost, run),
		.scrub_byte_ns = cost->scrub_byte_ns,
		.scrub_share = RTE_MIN(RTE_MAX(scrub_share, 0.0), 1.0),
	};

	return cost_threshold(&remap, cost, 1);
}

static void
print_runs(const char *what, const double ns[static AIRLOCK_COST_RUNS], FILE *stream)
{
	fprintf(stream, "%-26s", what);
	for (unsigned int i = 0; i < AIRLOCK_COST_RUNS; i++)
		fprintf(stream, "%8.1f", ns[i] / (1u << i));
	fprintf(stream, "\n");
}

static void
print_copies(const char *what, const double ns[static AIRLOCK_COST_SIZES], FILE *stream)
{
	fprintf(stream, "%-26s", what);
	for (unsigned int i = 0; i < AIRLOCK_COST_SIZES; i++)
		fprintf(stream, "%8.1f", ns[i]);
	fprintf(stream, "\n");
}

void
airlock_cost_print(const struct airlock_cost *cost, FILE *stream)
{
	fprintf(stream, "%-26s", "cost: pages of a run");
	for (unsigned int i = 0; i < AIRLOCK_COST_RUNS; i++)
		fprintf(stream, "%8u", 1u << i);
	fprintf(stream, "\n");
	print_runs("cost: map, ns per page", cost->map_ns, stream);
	print_runs("cost: unmap, ns per page", cost->unmap_ns, stream);
	fprintf(stream, "%-26s", "cost: bytes of a packet");
	for (unsigned int i = 0; i < AIRLOCK_COST_SIZES; i++)
		fprintf(stream, "%8u", airlock_cost_sizes[i]);
	fprintf(stream, "\n");
	print_copies("cost: copy warm, ns", cost->copy_warm_ns, stream);
	print_copies("cost: copy cold, ns", cost->copy_cold_ns, stream);
	fprintf(stream, "%-26s%8.1f\n", "cost: scrub, ns per page",
		cost->scrub_byte_ns * AIRLOCK_PAGE_SIZE);
}
