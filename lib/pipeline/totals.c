/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Statistics: counters that lcores keep, summed up for whoever asks, and the balance over all.
 *
 * Thread rule: any thread but lcores. The pipeline's lock keeps a VM from being freed while its
 * counters are read.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <rte_string_fns.h>

#include "mirror.h"
#include "pipeline_priv.h"

static const char *const stage_names[] = {
	[AIRLOCK_STAGE_RX] = "rx",
	[AIRLOCK_STAGE_HANDOFF] = "handoff",
	[AIRLOCK_STAGE_TX] = "tx",
};
static_assert(RTE_DIM(stage_names) == AIRLOCK_STAGE_MAX, "every stage has a name");

static const char *const work_names[] = {
	[AIRLOCK_WORK_RX] = "rx",
	[AIRLOCK_WORK_TX] = "tx",
	[AIRLOCK_WORK_CLASSIFY] = "classify",
	[AIRLOCK_WORK_HANDOFF] = "handoff",
};
static_assert(RTE_DIM(work_names) == AIRLOCK_WORK_MAX, "every kind of work has a name");

static const char *const deliver_names[] = {
	[AIRLOCK_DELIVER_COPY] = "copy",
	[AIRLOCK_DELIVER_AUTO] = "auto",
	[AIRLOCK_DELIVER_REMAP] = "remap",
};

const char *
airlock_deliver_name(enum airlock_deliver deliver)
{
	return deliver_names[deliver];
}

static const char *const direction_names[] = {
	[AIRLOCK_MIRROR_BOTH] = "both",
	[AIRLOCK_MIRROR_RX] = "rx",
	[AIRLOCK_MIRROR_TX] = "tx",
};

const char *
airlock_mirror_direction_name(enum airlock_mirror_direction direction)
{
	return direction_names[direction];
}

const char *
airlock_stage_name(enum airlock_stage stage)
{
	return stage_names[stage];
}

const char *
airlock_work_name(enum airlock_work work)
{
	return work_names[work];
}

uint16_t
airlock_pipeline_nb_uplinks(const struct airlock_pipeline *pl)
{
	return pl->nb_ports;
}

const struct airlock_cost *
airlock_pipeline_cost(const struct airlock_pipeline *pl)
{
	return pl->has_cost ? &pl->cost : NULL;
}

uint16_t
airlock_pipeline_nb_lcores(const struct airlock_pipeline *pl)
{
	return pl->nb_lcores;
}

const struct airlock_pool *
airlock_pipeline_pool(const struct airlock_pipeline *pl)
{
	return pl->pool;
}

static void
mirror_read(const struct vm *vm, struct airlock_pipeline_vm_stats *stats)
{
	const struct mirror mirror = mirror_get(vm);
	const struct vm *to = vm_get(vm->pipeline, mirror.vm_id);

	if (mirror.directions == 0 || to == NULL || to->stamp != mirror.stamp)
		return;
	rte_strscpy(stats->mirror, to->vnic->name, sizeof(stats->mirror));
	if (mirror.directions != (MIRROR_RX | MIRROR_TX))
		stats->mirror_direction =
			mirror.directions == MIRROR_RX ? AIRLOCK_MIRROR_RX : AIRLOCK_MIRROR_TX;
}

struct airlock_captures *
airlock_pipeline_captures(const struct airlock_pipeline *pl)
{
	return pl->captures;
}

const struct airlock_point *
airlock_pipeline_vm_point(struct airlock_pipeline *pl, uint16_t vm_id)
{
	const struct vm *vm = vm_id < AIRLOCK_FDB_MAX_VMS ? vm_get(pl, vm_id) : NULL;

	return vm != NULL ? &vm->vnic->point : NULL;
}

const struct airlock_point *
airlock_pipeline_uplink_point(const struct airlock_pipeline *pl, uint16_t uplink_id)
{
	return &pl->ports[uplink_id]->uplink->point;
}

void
vm_stats_read(const struct vm *vm, struct airlock_pipeline_vm_stats *stats)
{
	const struct airlock_vnic *vnic = vm->vnic;
	const struct vm_net *net = vm_net_get(vm);

	memset(stats, 0, sizeof(*stats));
	rte_strscpy(stats->name, vnic->name, sizeof(stats->name));
	stats->mac = net->mac;
	stats->vlan_id = net->vlan_id;
	stats->uplink_id = net->uplink_id;
	stats->nb_queues = vnic->nb_queues;
	stats->limits = vm->limits;
	mirror_read(vm, stats);
	stats->up = airlock_vnic_is_up(vnic) && !airlock_vnic_is_lost(vnic);
	stats->features = airlock_vnic_features(vnic);
	stats->nb_connects = airlock_count_get(&vnic->nb_connects);
	stats->nb_memory_lost = airlock_vnic_memory_lost(vnic);
	if (vm->to.remap != NULL) {
		stats->deliver = vm->to.remap->deliver;
		airlock_remap_stats(vm->to.remap, &stats->window);
	}
	for (uint16_t q = 0; q < vnic->nb_queues; q++) {
		airlock_flow_sum(&stats->queues[q].delivered, &vnic->rx[q].delivered);
		airlock_flow_sum(&stats->queues[q].taken, &vnic->tx[q].taken);
		airlock_drops_sum(&stats->queues[q].rx_drops, &vnic->rx[q].drops);
		airlock_flow_sum(&stats->delivered, &vnic->rx[q].delivered);
		airlock_flow_sum(&stats->taken, &vnic->tx[q].taken);
		airlock_drops_sum(&stats->rx_drops, &vnic->rx[q].drops);
	}
	for (uint16_t i = 0; i < vm->pipeline->nb_lcores; i++) {
		airlock_drops_sum(&stats->rx_drops, &vm->blocks[i].rx_drops);
		airlock_drops_sum(&stats->tx_drops, &vm->blocks[i].tx_drops);
	}
}

int
airlock_pipeline_vm_stats(
	struct airlock_pipeline *pl, uint16_t vm_id, struct airlock_pipeline_vm_stats *stats)
{
	const struct vm *vm;

	if (vm_id >= AIRLOCK_FDB_MAX_VMS)
		return -ENOENT;
	pthread_mutex_lock(&pl->lock);
	vm = vm_get(pl, vm_id);
	if (vm != NULL)
		vm_stats_read(vm, stats);
	pthread_mutex_unlock(&pl->lock);
	return vm != NULL ? 0 : -ENOENT;
}

void
airlock_pipeline_uplink_stats(const struct airlock_pipeline *pl, uint16_t uplink_id,
	struct airlock_pipeline_uplink_stats *stats)
{
	const struct port *port = pl->ports[uplink_id];
	struct airlock_uplink *uplink = port->uplink;

	memset(stats, 0, sizeof(*stats));
	airlock_uplink_setup_get(uplink, &stats->setup);
	stats->state = airlock_uplink_state_get(uplink);
	airlock_uplink_hw_stats(uplink, &stats->hw);
	for (uint16_t i = 0; i < pl->nb_lcores; i++) {
		airlock_flow_sum(&stats->received, &port->blocks[i].received);
		airlock_flow_sum(&stats->sent, &port->blocks[i].sent);
		airlock_drops_sum(&stats->rx_drops, &port->blocks[i].rx_drops);
		airlock_drops_sum(&stats->tx_drops, &port->blocks[i].tx_drops);
	}
}

/* Does the lcore own a queue of the stage? */
static bool
lcore_runs(struct airlock_pipeline *pl, uint16_t idx, enum airlock_stage stage)
{
	if (pl->nb_shares == 0)
		return true;
	for (uint16_t i = 0; i < pl->nb_shares; i++) {
		if (pl->shares[i].lcore_idx == idx && pl->shares[i].stage == stage)
			return true;
	}
	return false;
}

void
airlock_pipeline_lcore_stats(
	struct airlock_pipeline *pl, uint16_t lcore_idx, struct airlock_pipeline_lcore_stats *stats)
{
	const struct lcore *lc = pl->lcores[lcore_idx];
	const struct plan *plan;

	memset(stats, 0, sizeof(*stats));
	stats->lcore_id = lc->lcore_id;
	for (unsigned int i = 0; i < AIRLOCK_STAGE_MAX; i++)
		stats->stages[i] = lcore_runs(pl, lcore_idx, i);
	pthread_mutex_lock(&pl->lock);
	plan = atomic_load_explicit(&lc->plan, memory_order_relaxed);
	stats->nb_rx_queues = plan->nb_rx;
	stats->nb_tx_queues = plan->nb_tx;
	pthread_mutex_unlock(&pl->lock);
	stats->iterations = airlock_count_get(&lc->iterations);
	stats->idle_iterations = airlock_count_get(&lc->idle_iterations);
	stats->busy_tsc = airlock_count_get(&lc->busy_tsc);
	stats->idle_tsc = airlock_count_get(&lc->idle_tsc);
	stats->sleeps = airlock_count_get(&lc->sleeps);
	stats->sleep_tsc = airlock_count_get(&lc->sleep_tsc);
	for (unsigned int i = 0; i < AIRLOCK_WORK_MAX; i++) {
		stats->work[i].packets = airlock_count_get(&lc->work[i].packets);
		stats->work[i].tsc = airlock_count_get(&lc->work[i].tsc);
	}
	for (unsigned int i = 0; i <= AIRLOCK_BURST; i++)
		stats->bursts[i] = airlock_count_get(&lc->bursts[i]);
	airlock_drops_sum(&stats->drops, &lc->orphans);
	stats->inbox = rte_ring_count(lc->inbox);
}

static void
balance_vms(struct airlock_pipeline *pl, struct airlock_pipeline_balance *balance)
{
	struct airlock_pipeline_vm_stats stats;

	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		if (airlock_pipeline_vm_stats(pl, i, &stats) < 0)
			continue;
		balance->received += stats.taken.packets;
		balance->delivered += stats.delivered.packets;
		balance->dropped +=
			airlock_drops_total(&stats.rx_drops) + airlock_drops_total(&stats.tx_drops);
	}
	balance->received += pl->retired.taken;
	balance->delivered += pl->retired.delivered;
	balance->dropped += pl->retired.dropped;
}

static void
balance_uplinks(const struct airlock_pipeline *pl, struct airlock_pipeline_balance *balance)
{
	struct airlock_pipeline_uplink_stats stats;

	for (uint16_t i = 0; i < pl->nb_ports; i++) {
		airlock_pipeline_uplink_stats(pl, i, &stats);
		balance->received += stats.received.packets;
		balance->delivered += stats.sent.packets;
		balance->dropped +=
			airlock_drops_total(&stats.rx_drops) + airlock_drops_total(&stats.tx_drops);
	}
}

static void
balance_lcores(const struct airlock_pipeline *pl, struct airlock_pipeline_balance *balance)
{
	for (uint16_t i = 0; i < pl->nb_lcores; i++) {
		const struct lcore *lc = pl->lcores[i];
		struct airlock_drops_value orphans = {0};

		airlock_drops_sum(&orphans, &lc->orphans);
		balance->dropped += airlock_drops_total(&orphans);
		balance->split += airlock_count_get(&lc->handoff.split);
		balance->parts += airlock_count_get(&lc->handoff.parts);
		balance->in_flight += rte_ring_count(lc->inbox);
	}
}

int
airlock_pipeline_balance(struct airlock_pipeline *pl, struct airlock_pipeline_balance *balance)
{
	struct airlock_pipeline_balance sums = {0};

	balance_vms(pl, &sums);
	balance_uplinks(pl, &sums);
	balance_lcores(pl, &sums);
	if (balance != NULL)
		*balance = sums;
	return sums.received + sums.parts ==
			sums.delivered + sums.dropped + sums.split + sums.in_flight
		? 0
		: -EBADMSG;
}
