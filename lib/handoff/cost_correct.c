/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Corrects a VM's costs by what is measured while packets flow. The calibration at the start
 * (cost_measure.c) knows neither how long this VM's runs are, nor what its agent pays for unmapping
 * beside running vCPUs, nor how warm its buffers are.
 *
 * Every estimate moves towards what a second has shown. What a second has not shown (nothing was
 * remapped, say, because the threshold is too high for this VM's packets) goes back towards the
 * calibration, slowly, so that a bad minute is not a verdict for ever: the loop always comes
 * to try again. The threshold itself moves in steps of an eighth and more, so that noise in the
 * estimates does not make packets of one size go now this way, now that.
 *
 * Thread rule: the caller's; control.
 */

#include <rte_common.h>

#include "airlock_cost.h"
#include "cost_priv.h"

/* Less than this in a second says little. */
#define MIN_PACKETS	512
#define MIN_PAGES	512
#define MIN_SCRUB_BYTES (256 * 1024)
/* Of shorter packets the ring takes more than the bytes. */
#define MIN_COPY_BYTES 512

#define MAX_STEP	 8.0 /* times, up or down, in one sample */
#define WEIGHT_SEEN	 (1.0 / 2)
#define WEIGHT_NOT_SEEN	 (1.0 / 128)
#define MAX_COPY_FACTOR	 4.0
#define HYSTERESIS	 (1.0 / 8)
#define HYSTERESIS_BYTES 64

static double
limit(double value, double low, double high)
{
	return RTE_MIN(RTE_MAX(value, low), high);
}

static void
blend(double *estimate, double to, double weight)
{
	*estimate += weight * (to - *estimate);
}

/* Estimates of costs are greater than 0, so a bound of so many times themselves is one. */
static void
learn(double *estimate, double seen)
{
	blend(estimate, limit(seen, *estimate / MAX_STEP, *estimate * MAX_STEP), WEIGHT_SEEN);
}

static void
forget(double *estimate, double calibrated)
{
	blend(estimate, calibrated, WEIGHT_NOT_SEEN);
}

static void
correct_pages(struct airlock_cost_feedback *f, const struct airlock_cost_sample *s)
{
	if (s->mapped_pages >= MIN_PAGES)
		learn(&f->map_page_ns, (double)s->map_ns / s->mapped_pages);
	else
		forget(&f->map_page_ns, airlock_cost_map_page(&f->host, f->run_pages));
	if (s->unmapped_pages >= MIN_PAGES)
		learn(&f->unmap_page_ns, (double)s->unmap_ns / s->unmapped_pages);
	else
		forget(&f->unmap_page_ns, airlock_cost_unmap_page(&f->host, f->run_pages));
}

static void
correct_scrub(struct airlock_cost_feedback *f, const struct airlock_cost_sample *s)
{
	double frames_bytes = (double)s->remapped_packets * f->frame_bytes;
	double share;

	if (s->scrubbed_bytes >= MIN_SCRUB_BYTES)
		learn(&f->scrub_byte_ns, (double)s->scrub_ns / s->scrubbed_bytes);
	else
		forget(&f->scrub_byte_ns, f->host.scrub_byte_ns);
	if (s->remapped_packets < MIN_PACKETS) {
		forget(&f->scrub_share, 1);
		return;
	}
	/* Packets that fill their frames leave nothing over, and say nothing. */
	if (frames_bytes - s->remapped_bytes < MIN_SCRUB_BYTES)
		return;
	share = limit(s->scrubbed_bytes / (frames_bytes - s->remapped_bytes), 0, 1);
	blend(&f->scrub_share, share, WEIGHT_SEEN);
}

static void
correct_copy(struct airlock_cost_feedback *f, const struct airlock_cost_sample *s)
{
	double expected_ns;

	if (s->copied_packets < MIN_PACKETS || s->copy_ns == 0 ||
		s->copied_bytes / s->copied_packets < MIN_COPY_BYTES) {
		forget(&f->copy_factor, 1);
		return;
	}
	expected_ns = s->copied_packets *
		airlock_cost_copy(&f->host, s->copied_bytes / s->copied_packets);
	learn(&f->copy_factor,
		limit(s->copy_ns / expected_ns, 1 / MAX_COPY_FACTOR, MAX_COPY_FACTOR));
}

static uint32_t
threshold(const struct airlock_cost_feedback *f)
{
	struct cost_remap remap = {
		.frame_bytes = f->frame_bytes,
		.page_ns = f->map_page_ns + f->unmap_page_ns,
		.scrub_byte_ns = f->scrub_byte_ns,
		.scrub_share = f->scrub_share,
	};

	return cost_threshold(&remap, &f->host, f->copy_factor);
}

/* "Never" counts as a frame's length: no packet has that. */
static bool
is_another(const struct airlock_cost_feedback *f, uint32_t copy_below)
{
	double now = RTE_MIN(f->copy_below, f->frame_bytes);
	double then = RTE_MIN(copy_below, f->frame_bytes);
	double tolerated = RTE_MAX(now * HYSTERESIS, (double)HYSTERESIS_BYTES);

	return then > now + tolerated || then < now - tolerated;
}

void
airlock_cost_feedback_init(struct airlock_cost_feedback *feedback, const struct airlock_cost *cost,
	uint32_t frame_bytes, double run_pages)
{
	double run = RTE_MAX(run_pages, (double)frame_bytes / AIRLOCK_PAGE_SIZE);

	*feedback = (struct airlock_cost_feedback){
		.host = *cost,
		.frame_bytes = frame_bytes,
		.run_pages = run,
		.map_page_ns = airlock_cost_map_page(cost, run),
		.unmap_page_ns = airlock_cost_unmap_page(cost, run),
		.scrub_byte_ns = cost->scrub_byte_ns,
		.scrub_share = 1,
		.copy_factor = 1,
	};
	feedback->copy_below = threshold(feedback);
}

uint32_t
airlock_cost_correct(
	struct airlock_cost_feedback *feedback, const struct airlock_cost_sample *sample)
{
	uint32_t copy_below;

	if (sample->remapped_packets + sample->copied_packets < MIN_PACKETS)
		return feedback->copy_below;
	correct_pages(feedback, sample);
	correct_scrub(feedback, sample);
	correct_copy(feedback, sample);
	copy_below = threshold(feedback);
	if (is_another(feedback, copy_below))
		feedback->copy_below = copy_below;
	return feedback->copy_below;
}
