/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TELEMETRY_PRIV_H
#define TELEMETRY_PRIV_H

/* What telemetry's files share. Thread rule: telemetry's threads. */

#include <rte_telemetry.h>

#include <airlock_pipeline.h>

/* "<what>_packets" and "<what>_bytes". */
void telemetry_add_flow(
	struct rte_tel_data *dict, const char *what, const struct airlock_flow_value *flow);

/* A dictionary of its own, "window". */
void telemetry_add_window(struct rte_tel_data *dict, const struct airlock_remap_stats *window);

/* The pool's pages, and whether all who know of them agree. */
int telemetry_answer_pages(struct airlock_pipeline *pipeline, struct rte_tel_data *dict);
int telemetry_answer_verify(struct airlock_pipeline *pipeline, struct rte_tel_data *dict);

/* Of the host, as it was measured at the start. */
void telemetry_add_cost(struct rte_tel_data *dict, const struct airlock_cost *cost);

#endif /* TELEMETRY_PRIV_H */
