/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Statistics as the control socket tells them: since the last stats.reset.
 *
 * A counter has one writer, its lcore; nobody else sets it to 0. So a reset keeps the values that
 * all counters have then, and from there on they are subtracted from what is told here. Telemetry
 * does not know of it: there, counters only go up.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdlib.h>

#include <airlock_pipeline.h>

#include "rpc_priv.h"

struct rpc_baseline {
	/* By identifier; NULL: all 0, as of a VM that came later. */
	struct airlock_pipeline_vm_stats *vms[AIRLOCK_FDB_MAX_VMS];
	struct airlock_pipeline_uplink_stats uplinks[AIRLOCK_FDB_MAX_UPLINKS];
	struct airlock_pipeline_lcore_stats lcores[AIRLOCK_PIPELINE_MAX_LCORES];
};

struct rpc_baseline *
rpc_baseline_create(void)
{
	return calloc(1, sizeof(struct rpc_baseline));
}

void
rpc_baseline_destroy(struct rpc_baseline *baseline)
{
	if (baseline == NULL)
		return;
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++)
		free(baseline->vms[i]);
	free(baseline);
}

void
rpc_baseline_forget(struct rpc_baseline *baseline, unsigned int vm_id)
{
	free(baseline->vms[vm_id]);
	baseline->vms[vm_id] = NULL;
}

static void
sub_flow(struct airlock_flow_value *flow, const struct airlock_flow_value *base)
{
	flow->packets -= base->packets;
	flow->bytes -= base->bytes;
}

static void
sub_drops(struct airlock_drops_value *drops, const struct airlock_drops_value *base)
{
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++)
		drops->by_reason[i] -= base->by_reason[i];
}

/* What is held and how things stand is no counter, and stays. */
static void
sub_table(struct airlock_dmatable_stats *table, const struct airlock_dmatable_stats *base)
{
	table->mapped -= base->mapped;
	table->map_calls -= base->map_calls;
	table->map_tsc -= base->map_tsc;
	table->map_errors -= base->map_errors;
	table->unmapped -= base->unmapped;
	table->unmap_runs -= base->unmap_runs;
	table->unmap_requests -= base->unmap_requests;
	table->unmap_tsc -= base->unmap_tsc;
	table->unmap_ns -= base->unmap_ns;
	table->nb_windows -= base->nb_windows;
	table->refused -= base->refused;
	table->resumed -= base->resumed;
	table->strays -= base->strays;
}

static void
sub_window(struct airlock_remap_stats *window, const struct airlock_remap_stats *base)
{
	sub_flow(&window->remapped, &base->remapped);
	sub_flow(&window->copied, &base->copied);
	sub_flow(&window->timed, &base->timed);
	window->copy_tsc -= base->copy_tsc;
	window->renewed -= base->renewed;
	window->scrubbed_bytes -= base->scrubbed_bytes;
	window->scrub_tsc -= base->scrub_tsc;
	window->interrupts -= base->interrupts;
	window->over_quota -= base->over_quota;
	for (unsigned int i = 0; i < AIRLOCK_RXRING_REFUSALS; i++)
		window->refused[i] -= base->refused[i];
	sub_table(&window->table, &base->table);
}

static void
sub_vm(struct airlock_pipeline_vm_stats *stats, const struct airlock_pipeline_vm_stats *base)
{
	stats->nb_connects -= base->nb_connects;
	stats->nb_memory_lost -= base->nb_memory_lost;
	sub_window(&stats->window, &base->window);
	sub_flow(&stats->delivered, &base->delivered);
	sub_flow(&stats->taken, &base->taken);
	sub_drops(&stats->rx_drops, &base->rx_drops);
	sub_drops(&stats->tx_drops, &base->tx_drops);
	for (uint16_t q = 0; q < stats->nb_queues; q++) {
		sub_flow(&stats->queues[q].delivered, &base->queues[q].delivered);
		sub_flow(&stats->queues[q].taken, &base->queues[q].taken);
		sub_drops(&stats->queues[q].rx_drops, &base->queues[q].rx_drops);
	}
}

int
rpc_vm_stats(const struct rpc_env *env, unsigned int vm_id, struct airlock_pipeline_vm_stats *stats)
{
	int ret = airlock_pipeline_vm_stats(env->pipeline, vm_id, stats);

	if (ret == 0 && env->baseline->vms[vm_id] != NULL)
		sub_vm(stats, env->baseline->vms[vm_id]);
	return ret;
}

void
rpc_uplink_stats(
	const struct rpc_env *env, uint16_t uplink_id, struct airlock_pipeline_uplink_stats *stats)
{
	const struct airlock_pipeline_uplink_stats *base = &env->baseline->uplinks[uplink_id];

	airlock_pipeline_uplink_stats(env->pipeline, uplink_id, stats);
	sub_flow(&stats->received, &base->received);
	sub_flow(&stats->sent, &base->sent);
	sub_drops(&stats->rx_drops, &base->rx_drops);
	sub_drops(&stats->tx_drops, &base->tx_drops);
	stats->hw.missed -= base->hw.missed;
	stats->hw.rx_error -= base->hw.rx_error;
	stats->hw.no_page -= base->hw.no_page;
	stats->hw.tx_error -= base->hw.tx_error;
}

void
rpc_lcore_stats(
	const struct rpc_env *env, uint16_t lcore_idx, struct airlock_pipeline_lcore_stats *stats)
{
	const struct airlock_pipeline_lcore_stats *base = &env->baseline->lcores[lcore_idx];

	airlock_pipeline_lcore_stats(env->pipeline, lcore_idx, stats);
	stats->iterations -= base->iterations;
	stats->idle_iterations -= base->idle_iterations;
	stats->busy_tsc -= base->busy_tsc;
	stats->idle_tsc -= base->idle_tsc;
	stats->sleeps -= base->sleeps;
	stats->sleep_tsc -= base->sleep_tsc;
	for (unsigned int i = 0; i < AIRLOCK_WORK_MAX; i++) {
		stats->work[i].packets -= base->work[i].packets;
		stats->work[i].tsc -= base->work[i].tsc;
	}
	for (unsigned int i = 0; i <= AIRLOCK_BURST; i++)
		stats->bursts[i] -= base->bursts[i];
	sub_drops(&stats->drops, &base->drops);
}

/* Room first, so that a reset is one of all. */
static int
make_room(struct rpc_baseline *baseline, struct airlock_pipeline *pipeline)
{
	for (int id = airlock_pipeline_next_vm(pipeline, 0); id >= 0;
		id = airlock_pipeline_next_vm(pipeline, id + 1)) {
		if (baseline->vms[id] == NULL)
			baseline->vms[id] = calloc(1, sizeof(*baseline->vms[id]));
		if (baseline->vms[id] == NULL)
			return -ENOMEM;
	}
	return 0;
}

int
rpc_stats_reset(struct rpc_call *call)
{
	struct rpc_baseline *baseline = call->env->baseline;
	struct airlock_pipeline *pl = call->env->pipeline;

	if (make_room(baseline, pl) < 0)
		return rpc_fail(call, RPC_INTERNAL_ERROR, "out of memory");
	for (int id = airlock_pipeline_next_vm(pl, 0); id >= 0;
		id = airlock_pipeline_next_vm(pl, id + 1))
		airlock_pipeline_vm_stats(pl, id, baseline->vms[id]);
	for (uint16_t i = 0; i < airlock_pipeline_nb_uplinks(pl); i++)
		airlock_pipeline_uplink_stats(pl, i, &baseline->uplinks[i]);
	for (uint16_t i = 0; i < airlock_pipeline_nb_lcores(pl); i++)
		airlock_pipeline_lcore_stats(pl, i, &baseline->lcores[i]);
	call->result = json_true();
	return 0;
}
