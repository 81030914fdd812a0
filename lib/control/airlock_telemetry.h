/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_TELEMETRY_H
#define AIRLOCK_TELEMETRY_H

/**
 * @file
 * What rte_telemetry tells of a pipeline: /airlock/uplinks, /airlock/vms, /airlock/vm,NAME,
 * /airlock/pages, /airlock/pages/verify, /airlock/lcores, /airlock/balance, /airlock/cost.
 *
 * Thread rule: main thread; the answers are made in telemetry's own threads.
 */

struct airlock_pipeline;

/**
 * Register the commands. DPDK cannot take them back.
 *
 * @return 0, or what rte_telemetry_register_cmd() said
 */
int airlock_telemetry_init(struct airlock_pipeline *pipeline);

/** Answer no more: on return no answer uses the pipeline. */
void airlock_telemetry_fini(void);

#endif /* AIRLOCK_TELEMETRY_H */
