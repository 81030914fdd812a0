/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef METRICS_TABLES_H
#define METRICS_TABLES_H

/* What an object of each kind is told by. Thread rule: constant data; any thread. */

#include "metrics_priv.h"

/** Of struct airlock_pipeline_vm_stats. */
extern const struct metrics_metric metrics_vm[];
extern const unsigned int metrics_nb_vm;
/** Of the same; queue i is queues[0] of a structure that begins i queues later. */
extern const struct metrics_metric metrics_queue[];
extern const unsigned int metrics_nb_queue;
/** Of struct airlock_pipeline_vm_stats of a VM with a window. */
extern const struct metrics_metric metrics_window[];
extern const unsigned int metrics_nb_window;
/** Of struct airlock_pipeline_uplink_stats. */
extern const struct metrics_metric metrics_uplink[];
extern const unsigned int metrics_nb_uplink;
/** Of struct airlock_pipeline_lcore_stats. */
extern const struct metrics_metric metrics_lcore[];
extern const unsigned int metrics_nb_lcore;
/** Of struct airlock_pool_stats. */
extern const struct metrics_metric metrics_pool[];
extern const unsigned int metrics_nb_pool;
/** Of the same, where cards do not have what VMs have. */
extern const struct metrics_metric metrics_cards[];
extern const unsigned int metrics_nb_cards;
/** Of struct airlock_pipeline_balance. */
extern const struct metrics_metric metrics_balance[];
extern const unsigned int metrics_nb_balance;

#endif /* METRICS_TABLES_H */
