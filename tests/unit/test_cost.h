/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_COST_H
#define TEST_COST_H

#include "airlock_cost.h"

#define FRAME ((uint32_t)AIRLOCK_PAGE_SIZE)

/* Of the kind that hosts have: one page 300 + 900 ns, 64 pages 60 + 20 ns a page. */
static inline struct airlock_cost
made_up(void)
{
	return (struct airlock_cost){
		.map_ns = {300, 400, 600, 900, 1400, 2300, 3840},
		.unmap_ns = {900, 950, 1000, 1050, 1100, 1200, 1280},
		.copy_warm_ns = {4, 8, 40, 110, 300, 600},
		.copy_cold_ns = {20, 40, 160, 400, 900, 1600},
		.scrub_byte_ns = 0.02,
	};
}

#endif /* TEST_COST_H */
