/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Scrubbing a frame, by ordinary stores: a partition's frames stay in the caches, and there they
 * are faster than stores that bypass them (tests/unit/test_scrub_perf.c). Those win where the pool
 * is much larger than the caches.
 */

#include <string.h>

#include "airlock_scrub.h"

uint32_t
airlock_scrub(void *frame, uint32_t frame_bytes, uint32_t head_bytes, uint32_t tail_start)
{
	uint8_t *bytes = frame;

	memset(bytes, 0, head_bytes);
	memset(bytes + tail_start, 0, frame_bytes - tail_start);
	return head_bytes + frame_bytes - tail_start;
}
