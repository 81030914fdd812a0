/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_COST_PRIV_H
#define AIRLOCK_COST_PRIV_H

#include <stdint.h>

struct airlock_cost;

/* What decides the cost of remapping a packet, but for its length. */
struct cost_remap {
	uint32_t frame_bytes;
	double page_ns; /* mapped and unmapped; 0: not known */
	double scrub_byte_ns;
	double scrub_share; /* 0 to 1 */
};

/* As airlock_cost_threshold(); a copy costs *copy_factor* times what *cost* says. */
uint32_t cost_threshold(
	const struct cost_remap *remap, const struct airlock_cost *cost, double copy_factor);

#endif /* AIRLOCK_COST_PRIV_H */
