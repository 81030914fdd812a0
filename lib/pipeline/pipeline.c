/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pipeline's life: made, filled with uplinks and VMs, started, drained, stopped, taken apart in
 * reverse. VMs are in vm.c, placement in plan.c, statistics in totals.c; lcore.c and the files that
 * it names are the datapath.
 *
 * Thread rule: control threads, see airlock_pipeline.h.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_malloc.h>

#include "pipeline_log.h"
#include "pipeline_priv.h"

#define INBOX_PACKETS 4096

RTE_LOG_REGISTER(pipeline_logtype, airlock.pipeline, INFO);

static const struct rte_mbuf_dynfield target_field = {
	.name = "airlock_dynfield_target",
	.size = sizeof(struct target),
	.align = __alignof__(struct target),
};

static void
lcore_free(struct lcore *lc)
{
	if (lc == NULL)
		return;
	plan_free(atomic_load_explicit(&lc->plan, memory_order_relaxed));
	airlock_offload_destroy(lc->handoff.offload);
	rte_ring_free(lc->inbox);
	idle_destroy(lc);
	rte_free(lc);
}

static struct lcore *
lcore_create(struct airlock_pipeline *pl, const struct airlock_pipeline_conf *conf, uint16_t idx)
{
	unsigned int lcore_id = conf->lcore_ids[idx];
	int socket_id = rte_lcore_to_socket_id(lcore_id);
	char name[RTE_RING_NAMESIZE];
	struct lcore *lc;

	lc = rte_zmalloc_socket("airlock_lcore", sizeof(*lc), RTE_CACHE_LINE_SIZE, socket_id);
	if (lc == NULL)
		return NULL;
	lc->pipeline = pl;
	lc->idx = idx;
	lc->lcore_id = lcore_id;
	lc->handoff.retries = conf->retries;
	lc->handoff.tap = airlock_captures_tap(pl->captures);
	snprintf(name, sizeof(name), "airlock_inbox_%u", lcore_id);
	/* RTS: a producer that was preempted must not stall the others; lcores may share a CPU. */
	lc->inbox =
		rte_ring_create(name, INBOX_PACKETS, socket_id, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	lc->handoff.offload = airlock_offload_create(frames_of(pl), socket_id);
	if (idle_create(lc, &conf->idle) < 0 || lc->inbox == NULL || lc->handoff.offload == NULL) {
		lcore_free(lc);
		return NULL;
	}
	return lc;
}

static int
rcu_create(struct airlock_pipeline *pl)
{
	size_t size = rte_rcu_qsbr_get_memsize(pl->nb_lcores);

	pl->qsv = rte_zmalloc("airlock_rcu", size, RTE_CACHE_LINE_SIZE);
	if (pl->qsv == NULL)
		return -ENOMEM;
	rte_rcu_qsbr_init(pl->qsv, pl->nb_lcores);
	return 0;
}

struct airlock_pipeline *
airlock_pipeline_create(const struct airlock_pipeline_conf *conf)
{
	struct airlock_pipeline *pl;

	if (conf->nb_lcores == 0 || conf->nb_lcores > AIRLOCK_PIPELINE_MAX_LCORES) {
		rte_errno = EINVAL;
		return NULL;
	}
	pl = rte_zmalloc("airlock_pipeline", sizeof(*pl), RTE_CACHE_LINE_SIZE);
	if (pl == NULL)
		goto no_memory;
	pthread_mutex_init(&pl->lock, NULL);
	pl->pool = conf->pool;
	pl->nb_lcores = conf->nb_lcores;
	pl->copy_below = conf->copy_below;
	pl->has_access = conf->socket_access != NULL;
	if (pl->has_access)
		pl->socket_access = *conf->socket_access;
	pl->has_cost = conf->cost != NULL;
	if (pl->has_cost)
		pl->cost = *conf->cost;
	pl->target_offset = rte_mbuf_dynfield_register(&target_field);
	if (pl->target_offset < 0 || rcu_create(pl) < 0)
		goto destroy;
	pl->captures = airlock_captures_create(pl->qsv);
	pl->fdb = airlock_fdb_create("airlock_fdb", pl->qsv, SOCKET_ID_ANY);
	if (pl->captures == NULL || pl->fdb == NULL)
		goto destroy;
	for (uint16_t i = 0; i < conf->nb_lcores; i++) {
		pl->lcores[i] = lcore_create(pl, conf, i);
		if (pl->lcores[i] == NULL)
			goto destroy;
	}
	if (plan_publish(pl) < 0)
		goto destroy;
	return pl;

destroy:
	airlock_pipeline_destroy(pl);
no_memory:
	rte_errno = ENOMEM;
	return NULL;
}

static void
port_free(struct port *port)
{
	if (port == NULL)
		return;
	airlock_uplink_destroy(port->uplink);
	rte_free(port->storm);
	rte_free(port->blocks);
	rte_free(port);
}

void
airlock_pipeline_destroy(struct airlock_pipeline *pl)
{
	int id;

	if (pl == NULL)
		return;
	while ((id = airlock_pipeline_next_vm(pl, 0)) >= 0)
		airlock_pipeline_del_vm(pl, id);
	airlock_captures_destroy(pl->captures);
	for (uint16_t i = 0; i < pl->nb_ports; i++)
		port_free(pl->ports[i]);
	for (uint16_t i = 0; i < pl->nb_lcores; i++)
		lcore_free(pl->lcores[i]);
	airlock_fdb_destroy(pl->fdb);
	rte_free(pl->qsv);
	free(pl->shares);
	pthread_mutex_destroy(&pl->lock);
	rte_free(pl);
}

int
airlock_pipeline_add_uplink(struct airlock_pipeline *pl, const struct airlock_pipeline_uplink *conf)
{
	struct airlock_uplink_conf uplink_conf = {
		.port_id = conf->port_id,
		.nb_rxq = conf->nb_queues,
		.nb_txq = pl->nb_lcores,
		.nb_desc = conf->nb_desc,
		.mtu = conf->mtu,
		.interrupts = pl->lcores[0]->idle.adaptive,
		.pool = pl->pool,
	};
	struct port *port;
	int ret;

	if (pl->nb_ports == AIRLOCK_FDB_MAX_UPLINKS)
		return -ENOSPC;
	port = rte_zmalloc("airlock_port", sizeof(*port), RTE_CACHE_LINE_SIZE);
	if (port == NULL)
		return -ENOMEM;
	port->id = pl->nb_ports;
	port->nb_desc = conf->nb_desc;
	port->blocks = rte_zmalloc(
		"airlock_port", pl->nb_lcores * sizeof(*port->blocks), RTE_CACHE_LINE_SIZE);
	if (port->blocks == NULL) {
		ret = -ENOMEM;
		goto free_port;
	}
	ret = port_limit(port, conf->storm_pps);
	if (ret < 0)
		goto free_port;
	port->uplink = airlock_uplink_create(&uplink_conf);
	if (port->uplink == NULL) {
		ret = -rte_errno;
		goto free_port;
	}
	for (uint16_t i = 0; i < pl->nb_lcores; i++) {
		airlock_drops_init(&port->blocks[i].rx_drops, &port->uplink->point, AIRLOCK_IN);
		airlock_drops_init(&port->blocks[i].tx_drops, &port->uplink->point, AIRLOCK_OUT);
	}
	pl->ports[pl->nb_ports++] = port;
	vm_window_share_quotas(pl);
	return port->id;

free_port:
	port_free(port);
	return ret;
}

/* Of one stage, and none for all. */
static bool
same_queues(const struct airlock_pipeline_share *a, const struct airlock_pipeline_share *b)
{
	if (a->stage == AIRLOCK_STAGE_RX ? a->uplink_id != b->uplink_id : strcmp(a->vm, b->vm) != 0)
		return false;
	return a->all_queues || b->all_queues || a->queue_id == b->queue_id;
}

int
airlock_pipeline_share(struct airlock_pipeline *pl, const struct airlock_pipeline_share *share)
{
	struct airlock_pipeline_share *shares;

	if (share->lcore_idx >= pl->nb_lcores || share->stage >= AIRLOCK_STAGE_MAX)
		return -EINVAL;
	for (uint16_t i = 0; i < pl->nb_shares; i++) {
		const struct airlock_pipeline_share *other = &pl->shares[i];

		if (share->all != other->all || share->stage != other->stage)
			continue;
		if (share->all ? share->lcore_idx == other->lcore_idx : same_queues(share, other))
			return -EEXIST;
	}
	shares = realloc(pl->shares, (pl->nb_shares + 1) * sizeof(*shares));
	if (shares == NULL)
		return -ENOMEM;
	shares[pl->nb_shares++] = *share;
	pl->shares = shares;
	return 0;
}

static int
lcores_launch(struct airlock_pipeline *pl)
{
	for (uint16_t i = 0; i < pl->nb_lcores; i++) {
		struct lcore *lc = pl->lcores[i];
		int ret;

		atomic_store_explicit(&lc->stop, false, memory_order_relaxed);
		ret = rte_eal_remote_launch(lcore_main, lc, lc->lcore_id);
		if (ret < 0) {
			PIPELINE_LOG(ERR, "lcore %u: cannot launch: %s\n", lc->lcore_id,
				rte_strerror(-ret));
			return ret;
		}
	}
	return 0;
}

static void
lcores_stop(struct airlock_pipeline *pl)
{
	for (uint16_t i = 0; i < pl->nb_lcores; i++) {
		atomic_store_explicit(&pl->lcores[i]->stop, true, memory_order_relaxed);
		lcore_wake(pl->lcores[i]);
	}
	for (uint16_t i = 0; i < pl->nb_lcores; i++)
		rte_eal_wait_lcore(pl->lcores[i]->lcore_id);
}

static int
vms_start(struct airlock_pipeline *pl)
{
	for (int id = 0; (id = airlock_pipeline_next_vm(pl, id)) >= 0; id++) {
		struct vm *vm = vm_get(pl, id);
		int ret = vm_start(vm);

		if (ret < 0) {
			PIPELINE_LOG(ERR, "vm %s: cannot open socket %s%s: %s\n", vm->vnic->name,
				vm->vnic->path, vm->table != NULL ? ", or its window's" : "",
				rte_strerror(-ret));
			return ret;
		}
	}
	return 0;
}

int
airlock_pipeline_start(struct airlock_pipeline *pl)
{
	uint16_t nb_started;
	int ret;

	ret = plan_place(pl);
	if (ret < 0)
		return ret;
	for (nb_started = 0; nb_started < pl->nb_ports; nb_started++) {
		ret = airlock_uplink_start(pl->ports[nb_started]->uplink);
		if (ret < 0)
			goto stop_uplinks;
		idle_watch_port(pl, pl->ports[nb_started]);
	}
	pl->running = true;
	pl->draining = false;
	ret = plan_publish(pl);
	if (ret < 0)
		goto stop_uplinks;
	ret = lcores_launch(pl);
	if (ret < 0)
		goto stop_lcores;
	ret = vms_start(pl);
	if (ret < 0)
		goto stop_lcores;
	return 0;

stop_lcores:
	lcores_stop(pl);
stop_uplinks:
	pl->running = false;
	while (nb_started-- > 0)
		airlock_uplink_stop(pl->ports[nb_started]->uplink);
	return ret;
}

/* Inboxes empty themselves: what cannot be delivered is dropped. */
static void
inboxes_wait_empty(const struct airlock_pipeline *pl)
{
	bool empty;

	do {
		empty = true;
		for (uint16_t i = 0; i < pl->nb_lcores; i++)
			empty &= rte_ring_empty(pl->lcores[i]->inbox) == 1;
		/* What was taken from an inbox has arrived when its lcore has gone round once. */
		rte_rcu_qsbr_synchronize(pl->qsv, RTE_QSBR_THRID_INVALID);
	} while (!empty);
}

void
airlock_pipeline_stop(struct airlock_pipeline *pl)
{
	if (!pl->running)
		return;
	pthread_mutex_lock(&pl->lock);
	pl->draining = true;
	/* Without memory for empty plans nothing is drained; what waits is lost, but counted. */
	if (plan_publish(pl) == 0)
		inboxes_wait_empty(pl);
	pthread_mutex_unlock(&pl->lock);
	lcores_stop(pl);
	for (uint16_t i = 0; i < pl->nb_ports; i++)
		airlock_uplink_stop(pl->ports[i]->uplink);
	pl->running = false;
}

void
airlock_pipeline_poll(struct airlock_pipeline *pl)
{
	for (uint16_t i = 0; i < pl->nb_ports; i++)
		port_poll(pl, pl->ports[i]);
	pthread_mutex_lock(&pl->lock);
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		const struct vm *vm = vm_get(pl, i);

		if (vm == NULL)
			continue;
		airlock_vnic_poll(vm->vnic);
		if (vm->to.remap != NULL)
			airlock_remap_correct(vm->to.remap);
	}
	pthread_mutex_unlock(&pl->lock);
}
