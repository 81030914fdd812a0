/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Who runs what: queues are placed on lcores once, and each lcore gets a plan of those that it is
 * to poll now, replaced whenever a VM comes or goes.
 *
 * Placement: a share that names a queue, or an object with all its queues, decides. What is left
 * goes round the lcores that run the stage for all: queue q of uplink u to number u + q, queue q of
 * VM v to number v + q. So a VM with as many queues as there are lcores has one on each, and a
 * packet that comes in on one lcore goes out on the same. The RX ring q of a VM with a window takes
 * frames of partition q, which come by queue q of the uplink: it goes with that, to number u + q.
 *
 * Thread rule: control threads under the pipeline's lock.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include "pipeline_log.h"
#include "pipeline_priv.h"

/* A queue to be placed. */
struct work {
	enum airlock_stage stage;
	uint16_t uplink_id; /* rx */
	const char *vm; /* handoff, tx */
	uint16_t queue_id;
	uint32_t turn; /* among those that no share names */
};

static bool
share_names(const struct airlock_pipeline_share *share, const struct work *work)
{
	if (share->all || share->stage != work->stage)
		return false;
	if (work->stage == AIRLOCK_STAGE_RX ? share->uplink_id != work->uplink_id
					    : strcmp(share->vm, work->vm) != 0)
		return false;
	return share->all_queues || share->queue_id == work->queue_id;
}

/* The nth, counted round and round, of the lcores that run a stage for all. */
static uint16_t
lcore_round(const struct airlock_pipeline *pl, enum airlock_stage stage, uint32_t n)
{
	uint16_t general[AIRLOCK_PIPELINE_MAX_LCORES], nb = 0;

	if (pl->nb_shares == 0)
		return n % pl->nb_lcores;
	for (uint16_t i = 0; i < pl->nb_shares; i++) {
		if (pl->shares[i].all && pl->shares[i].stage == stage)
			general[nb++] = pl->shares[i].lcore_idx;
	}
	return nb == 0 ? NO_LCORE : general[n % nb];
}

static uint16_t
lcore_of(const struct airlock_pipeline *pl, const struct work *work)
{
	for (uint16_t i = 0; i < pl->nb_shares; i++) {
		if (share_names(&pl->shares[i], work))
			return pl->shares[i].lcore_idx;
	}
	return lcore_round(pl, work->stage, work->turn + work->queue_id);
}

static void
warn_if_far(const struct airlock_pipeline *pl, const char *what, int socket_id, uint16_t lcore_idx)
{
	unsigned int lcore_id = pl->lcores[lcore_idx]->lcore_id;
	unsigned int lcore_socket = rte_lcore_to_socket_id(lcore_id);

	if (socket_id >= 0 && (unsigned int)socket_id != lcore_socket)
		PIPELINE_LOG(WARNING, "%s is on NUMA node %d, lcore %u that serves it on node %u\n",
			what, socket_id, lcore_id, lcore_socket);
}

int
plan_place_vm(struct airlock_pipeline *pl, struct vm *vm)
{
	struct work handoff = {.stage = AIRLOCK_STAGE_HANDOFF, .vm = vm->vnic->name};
	struct work tx = {.stage = AIRLOCK_STAGE_TX, .vm = vm->vnic->name, .turn = vm->id};

	handoff.turn = vm->table != NULL ? vm_net_get(vm)->uplink_id : vm->id;
	for (uint16_t q = 0; q < vm->vnic->nb_queues; q++) {
		handoff.queue_id = tx.queue_id = q;
		vm->handoff_lcore[q] = lcore_of(pl, &handoff);
		vm->tx_lcore[q] = lcore_of(pl, &tx);
		if (vm->handoff_lcore[q] == NO_LCORE || vm->tx_lcore[q] == NO_LCORE) {
			PIPELINE_LOG(ERR, "vm %s queue %u: no lcore runs %s for it\n",
				vm->vnic->name, q,
				vm->handoff_lcore[q] == NO_LCORE ? "handoff" : "tx");
			return -EINVAL;
		}
		vm->local_mask[vm->handoff_lcore[q]] |= RTE_BIT32(q);
		atomic_fetch_or_explicit(
			&pl->handoff_mask, RTE_BIT64(vm->handoff_lcore[q]), memory_order_relaxed);
	}
	return 0;
}

static int
place_port(struct airlock_pipeline *pl, struct port *port)
{
	struct work rx = {.stage = AIRLOCK_STAGE_RX, .uplink_id = port->id, .turn = port->id};

	for (uint16_t q = 0; q < port->uplink->nb_rxq; q++) {
		rx.queue_id = q;
		port->rx_lcore[q] = lcore_of(pl, &rx);
		if (port->rx_lcore[q] == NO_LCORE) {
			PIPELINE_LOG(ERR, "uplink %u queue %u: no lcore runs rx for it\n",
				port->uplink->port_id, q);
			return -EINVAL;
		}
		warn_if_far(pl, port->uplink->name, port->uplink->socket_id, port->rx_lcore[q]);
	}
	return 0;
}

int
plan_place(struct airlock_pipeline *pl)
{
	int ret = 0;

	for (uint16_t i = 0; ret == 0 && i < pl->nb_ports; i++)
		ret = place_port(pl, pl->ports[i]);
	for (unsigned int i = 0; ret == 0 && i < AIRLOCK_FDB_MAX_VMS; i++) {
		struct vm *vm = vm_get(pl, i);

		if (vm != NULL)
			ret = plan_place_vm(pl, vm);
	}
	return ret;
}

void
plan_free(struct plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->rx);
	free(plan->tx);
	free(plan->windows);
	free(plan);
}

static void
plan_fill_rx(const struct airlock_pipeline *pl, uint16_t lcore_idx, struct plan *plan)
{
	for (uint16_t i = 0; i < pl->nb_ports; i++) {
		struct port *port = pl->ports[i];

		if (port->absent)
			continue;
		for (uint16_t q = 0; q < port->uplink->nb_rxq; q++) {
			if (port->rx_lcore[q] == lcore_idx)
				plan->rx[plan->nb_rx++] = (struct plan_rx){port, q};
		}
	}
}

static void
plan_fill_tx(struct airlock_pipeline *pl, uint16_t lcore_idx, struct plan *plan)
{
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		struct vm *vm = vm_get(pl, i);

		if (vm == NULL || !airlock_vnic_is_up(vm->vnic))
			continue;
		for (uint16_t q = 0; q < vm->vnic->nb_queues; q++) {
			if (vm->tx_lcore[q] == lcore_idx)
				plan->tx[plan->nb_tx++] = (struct plan_tx){vm, q};
		}
	}
}

static void
plan_fill_windows(struct airlock_pipeline *pl, uint16_t lcore_idx, struct plan *plan)
{
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		struct vm *vm = vm_get(pl, i);

		if (vm == NULL || vm->to.remap == NULL || !airlock_vnic_is_up(vm->vnic))
			continue;
		for (uint16_t q = 0; q < vm->vnic->nb_queues; q++) {
			if (vm->handoff_lcore[q] == lcore_idx)
				plan->windows[plan->nb_windows++] =
					(struct plan_window){vm->to.remap, q};
		}
	}
}

/* Also of VMs that are down: one may come up, without the lock, before the plan is filled. */
static unsigned int
count_vm_queues(struct airlock_pipeline *pl)
{
	unsigned int nb = 0;

	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		const struct vm *vm = vm_get(pl, i);

		if (vm != NULL)
			nb += vm->vnic->nb_queues;
	}
	return nb;
}

static struct plan *
plan_build(struct airlock_pipeline *pl, uint16_t lcore_idx)
{
	unsigned int max_rx = pl->nb_ports * AIRLOCK_UPLINK_MAX_QUEUES;
	unsigned int max_tx = count_vm_queues(pl);
	struct plan *plan;

	plan = calloc(1, sizeof(*plan));
	if (plan == NULL)
		return NULL;
	plan->generation = pl->generation;
	plan->rx = calloc(max_rx + 1, sizeof(*plan->rx));
	plan->tx = calloc(max_tx + 1, sizeof(*plan->tx));
	plan->windows = calloc(max_tx + 1, sizeof(*plan->windows));
	if (plan->rx == NULL || plan->tx == NULL || plan->windows == NULL) {
		plan_free(plan);
		return NULL;
	}
	if (pl->draining)
		return plan;
	plan_fill_rx(pl, lcore_idx, plan);
	plan_fill_tx(pl, lcore_idx, plan);
	plan_fill_windows(pl, lcore_idx, plan);
	return plan;
}

int
plan_publish(struct airlock_pipeline *pl)
{
	struct plan *plans[AIRLOCK_PIPELINE_MAX_LCORES];

	pl->generation++;
	for (uint16_t i = 0; i < pl->nb_lcores; i++) {
		plans[i] = plan_build(pl, i);
		if (plans[i] != NULL)
			continue;
		while (i-- > 0)
			plan_free(plans[i]);
		return -ENOMEM;
	}
	/* Pairs with the load in lcore_main(). */
	for (uint16_t i = 0; i < pl->nb_lcores; i++) {
		plans[i] = atomic_exchange_explicit(
			&pl->lcores[i]->plan, plans[i], memory_order_acq_rel);
		lcore_wake(pl->lcores[i]);
	}
	rte_rcu_qsbr_synchronize(pl->qsv, RTE_QSBR_THRID_INVALID);
	for (uint16_t i = 0; i < pl->nb_lcores; i++)
		plan_free(plans[i]);
	return 0;
}
