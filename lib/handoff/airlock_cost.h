/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_COST_H
#define AIRLOCK_COST_H

/**
 * @file
 * What it costs on this host to map, unmap, scrub and copy, and from which length on it is cheaper
 * to remap a packet than to copy it.
 *
 * The costs are measured once, at the start, and corrected for each VM by what its hand-off and its
 * agent really take. Costs of all parties count alike: it is no gain to spare the lcore what the
 * VM's CPU then pays.
 *
 * Thread rule: no state but the caller's; the main thread measures, before lcores start.
 */

#include <stdint.h>
#include <stdio.h>

#include <airlock_pool.h>

/** Lengths of runs that are measured: 1, 2, 4, ... 64 pages. */
#define AIRLOCK_COST_RUNS 7
/** Sizes of copies that are measured: airlock_cost_sizes. */
#define AIRLOCK_COST_SIZES 6

/** Bytes of the copies that are measured, ascending. */
extern const uint32_t airlock_cost_sizes[AIRLOCK_COST_SIZES];

/** Costs in nanoseconds. All zero: not known. */
struct airlock_cost {
	double map_ns[AIRLOCK_COST_RUNS]; /**< of a run of 2^i pages: the whole run */
	double unmap_ns[AIRLOCK_COST_RUNS]; /**< the same */
	double copy_warm_ns[AIRLOCK_COST_SIZES]; /**< source and destination in the nearest cache */
	double copy_cold_ns[AIRLOCK_COST_SIZES]; /**< neither used for some MiB of other copies */
	double scrub_byte_ns; /**< of one byte, in pages not used for some time */
};

/**
 * Measure. It takes some ten milliseconds and, meanwhile, 8 MiB.
 *
 * It maps a part of the pool once more into this process. The first 512 pages are scrubbed on the
 * way, nothing else is written; all frames must be FREE, and no lcore may run. On failure the log
 * says why, and *cost* is all zero: nothing can be remapped.
 *
 * @return 0; -EPERM (this process may have no userfaultfd); -ENOTSUP (a kernel before 5.14, or
 *         a file system without minor faults); -ENOMEM; or what mmap(2), userfaultfd(2) or its
 *         ioctls said
 */
int airlock_cost_measure(const struct airlock_pool *pool, struct airlock_cost *cost);

/** Print costs as lines of a table. */
void airlock_cost_print(const struct airlock_cost *cost, FILE *stream);

/**
 * Make measured costs plausible, whatever noise there was: a longer run costs no more by the page
 * (in all it may cost less: past some length the kernel flushes the whole TLB), a longer copy no
 * less, a cold copy no less than a warm one.
 */
void airlock_cost_smooth(struct airlock_cost *cost);

/** Nanoseconds to map one page in runs of *run_pages*, 1 or more; between measured ones. */
double airlock_cost_map_page(const struct airlock_cost *cost, double run_pages);

/** Nanoseconds to unmap one page in runs of *run_pages*, 1 or more. */
double airlock_cost_unmap_page(const struct airlock_cost *cost, double run_pages);

/** Nanoseconds to copy a packet: the mean of warm and cold. */
double airlock_cost_copy(const struct airlock_cost *cost, uint32_t bytes);

/**
 * Bytes of a packet from which it is cheaper to remap than to copy it.
 *
 * @param run_pages    mean length of the runs that are mapped; less than a frame counts as a frame
 * @param frame_bytes  of which a packet can have all but the headroom
 * @param scrub_share  of remapped frames, those that another owner had before: 0 to 1
 * @return UINT32_MAX: no packet that fits a frame is long enough
 */
uint32_t airlock_cost_threshold(const struct airlock_cost *cost, double run_pages,
	uint32_t frame_bytes, double scrub_share);

/** What one VM's hand-off did and took since the last sample; all are differences. */
struct airlock_cost_sample {
	uint64_t mapped_pages;
	uint64_t map_ns;
	uint64_t unmapped_pages;
	uint64_t unmap_ns; /**< in the agent */
	uint64_t scrubbed_bytes;
	uint64_t scrub_ns;
	uint64_t remapped_packets;
	uint64_t remapped_bytes; /**< of these packets */
	uint64_t copied_packets;
	uint64_t copied_bytes;
	uint64_t copy_ns; /**< of the copying alone, without the ring; 0 if it is not measured */
};

/** A VM's own costs. Written by airlock_cost_correct() alone, but for the start. */
struct airlock_cost_feedback {
	struct airlock_cost host; /**< what was measured at the start */
	uint32_t frame_bytes;
	double run_pages; /**< mean length of runs, as long as nothing else is known */
	double map_page_ns;
	double unmap_page_ns;
	double scrub_byte_ns;
	double scrub_share;
	double copy_factor; /**< against the host's */
	uint32_t copy_below; /**< the threshold; UINT32_MAX: copy always */
};

/**
 * Begin with the host's costs.
 *
 * @param run_pages  the length of runs to begin with: 1 or more
 */
void airlock_cost_feedback_init(struct airlock_cost_feedback *feedback,
	const struct airlock_cost *cost, uint32_t frame_bytes, double run_pages);

/**
 * Take one second's figures into account.
 *
 * An estimate moves half of the way to what was measured, and never to more than 8 times or less
 * than an eighth of itself at once. What was not seen in a sample goes back to the host's figure,
 * slowly: so a VM that only copies tries to remap again after a minute or two. A sample with few
 * packets changes nothing. The threshold stays as it is until it is wrong by an eighth.
 *
 * @return the threshold, also in feedback->copy_below
 */
uint32_t airlock_cost_correct(
	struct airlock_cost_feedback *feedback, const struct airlock_cost_sample *sample);

#endif /* AIRLOCK_COST_H */
