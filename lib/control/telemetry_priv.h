/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TELEMETRY_PRIV_H
#define TELEMETRY_PRIV_H

/* What telemetry's files share. Thread rule: telemetry's threads. */

#include <rte_telemetry.h>

#include <airlock_card.h>
#include <airlock_pipeline.h>

/* "<what>_packets" and "<what>_bytes". */
void telemetry_add_flow(
	struct rte_tel_data *dict, const char *what, const struct airlock_flow_value *flow);

/* A dictionary of its own, "window". */
void telemetry_add_window(struct rte_tel_data *dict, const struct airlock_remap_stats *window);

/* A dictionary of its own, "cards": what they have of the pool, and what it costs. */
void telemetry_add_cards(
	struct rte_tel_data *dict, const struct airlock_card_stats *card, uint32_t nb_wrong);

/* Of the host, as it was measured at the start. */
void telemetry_add_cost(struct rte_tel_data *dict, const struct airlock_cost *cost);

#endif /* TELEMETRY_PRIV_H */
