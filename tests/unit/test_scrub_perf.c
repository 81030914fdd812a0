/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Cycles to scrub a frame of one page: airlock_scrub() against stores that bypass the caches.
 *
 * The same 32 frames again and again: as warm as can be. 1024 frames: a partition, used all round.
 * 65536 frames: far more than any cache holds. Reading the packet's first line, as the
 * classifier does before, is counted.
 */

#include <stdlib.h>

#include <rte_atomic.h>
#include <rte_cycles.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "airlock_page.h"
#include "airlock_scrub.h"
#include "test.h"

#define HEAD_BYTES 116
#define NB_FRAMES  65536
#define NB_SCRUBS  65536
#define NB_REPS	   5

static uint8_t *area;

static int
setup(void)
{
	area = aligned_alloc(RTE_PGSIZE_2M, (size_t)NB_FRAMES << AIRLOCK_PAGE_SHIFT);
	TEST_ASSERT_NOT_NULL(area, "memory");
	memset(area, 1, (size_t)NB_FRAMES << AIRLOCK_PAGE_SHIFT);
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	free(area);
	area = NULL;
}

#if defined(__x86_64__)
/* Whole cache lines by non-temporal stores, the rest by ordinary ones. */
static void
clear_around_caches(uint8_t *from, uint8_t *to)
{
	uint8_t *start = RTE_PTR_ALIGN_CEIL(from, RTE_CACHE_LINE_SIZE);
	uint8_t *end = RTE_PTR_ALIGN_FLOOR(to, RTE_CACHE_LINE_SIZE);
	const __m128i zero = _mm_setzero_si128();

	if (start >= end) {
		memset(from, 0, to - from);
		return;
	}
	memset(from, 0, start - from);
	for (; start < end; start += sizeof(zero))
		_mm_stream_si128((__m128i *)start, zero);
	memset(end, 0, to - end);
}

static uint32_t
scrub_around_caches(void *frame, uint32_t frame_bytes, uint32_t head_bytes, uint32_t tail_start)
{
	uint8_t *bytes = frame;

	clear_around_caches(bytes, bytes + head_bytes);
	clear_around_caches(bytes + tail_start, bytes + frame_bytes);
	return head_bytes + frame_bytes - tail_start;
}
#endif

typedef uint32_t (*scrub_fn)(
	void *frame, uint32_t frame_bytes, uint32_t head_bytes, uint32_t tail_start);

/* @return cycles per frame: the best of some repetitions, others share the CPU */
static double
measure(scrub_fn scrub, uint32_t tail_bytes, uint32_t nb_frames)
{
	const uint32_t tail_start = AIRLOCK_PAGE_SIZE - tail_bytes;
	uint64_t start, cycles, best = UINT64_MAX, sum = 0;

	for (unsigned int rep = 0; rep < NB_REPS; rep++) {
		start = rte_rdtsc_precise();
		for (uint32_t i = 0; i < NB_SCRUBS; i++) {
			uint8_t *frame = area + (size_t)(i % nb_frames) * AIRLOCK_PAGE_SIZE;

			sum += frame[RTE_PKTMBUF_HEADROOM];
			sum += scrub(frame, AIRLOCK_PAGE_SIZE, HEAD_BYTES, tail_start);
		}
		rte_wmb();
		cycles = rte_rdtsc_precise() - start;
		best = RTE_MIN(best, cycles);
	}
	return sum != 0 ? (double)best / NB_SCRUBS : -1;
}

static int
print(const char *name, scrub_fn scrub)
{
	static const uint32_t tails[] = {60, 2454, 3936};

	for (unsigned int i = 0; i < RTE_DIM(tails); i++)
		printf("scrub_perf: %-13s tail of %4u bytes: 32 %6.0f, 1024 %6.0f, 65536 %6.0f "
		       "cycles/frame\n",
			name, tails[i], measure(scrub, tails[i], 32),
			measure(scrub, tails[i], 1024), measure(scrub, tails[i], NB_FRAMES));
	return TEST_SUCCESS;
}

static int
test_scrub_speed(void)
{
#if defined(__x86_64__)
	print("non-temporal", scrub_around_caches);
#endif
	return print("airlock_scrub", airlock_scrub);
}

static const struct unit_test_suite scrub_perf_suite = {
	.suite_name = "scrub_perf",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases =
		{
			TEST_CASE(test_scrub_speed),
			TEST_CASES_END(),
		},
};

static int
test_scrub_perf(void)
{
	return unit_test_suite_runner(&scrub_perf_suite);
}

REGISTER_PERF_TEST(scrub_perf_autotest, test_scrub_perf)
