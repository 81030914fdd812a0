/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What of a VM may change while it runs, and others do. A burst on an lcore sees all of a change or
 * nothing of it: what belongs together is in one structure that is never written again once lcores
 * see it, but replaced by another, and freed when every lcore has passed a quiescent state.
 *
 * Thread rule: control threads.
 */

#include <errno.h>

#include <rte_malloc.h>

#include "pipeline_priv.h"

struct vm_net *
vm_net_create(const struct airlock_pipeline_vm_net *conf)
{
	struct vm_net *net = rte_zmalloc("airlock_vm_net", sizeof(*net), RTE_CACHE_LINE_SIZE);

	if (net == NULL)
		return NULL;
	*net = (struct vm_net){
		.domain = airlock_fdb_domain(conf->uplink_id, conf->vlan_id),
		.vlan_id = conf->vlan_id,
		.uplink_id = conf->uplink_id,
		.antispoof = conf->antispoof,
		.mac_word = airlock_fdb_key_mac(&conf->mac, 0),
		.mac = conf->mac,
	};
	return net;
}

/* The VM, with the pipeline's lock; NULL, without it: there is none. */
static struct vm *
vm_lock(struct airlock_pipeline *pl, uint16_t vm_id)
{
	struct vm *vm;

	if (vm_id >= AIRLOCK_FDB_MAX_VMS)
		return NULL;
	pthread_mutex_lock(&pl->lock);
	vm = vm_get(pl, vm_id);
	if (vm == NULL)
		pthread_mutex_unlock(&pl->lock);
	return vm;
}

static int
net_replace(struct airlock_pipeline *pl, struct vm *vm, struct vm_net *net)
{
	struct vm_net *old = atomic_load_explicit(&vm->net, memory_order_relaxed);
	int ret = airlock_fdb_move(pl->fdb, &old->mac, old->domain, &net->mac, net->domain);

	if (ret < 0)
		return ret;
	/* Pairs with the load in vm_net_get(). */
	atomic_store_explicit(&vm->net, net, memory_order_release);
	rte_rcu_qsbr_synchronize(pl->qsv, RTE_QSBR_THRID_INVALID);
	rte_free(old);
	return 0;
}

int
airlock_pipeline_set_vm_net(
	struct airlock_pipeline *pl, uint16_t vm_id, const struct airlock_pipeline_vm_net *conf)
{
	struct vm_net *net = vm_net_create(conf);
	struct vm *vm;
	int ret;

	if (net == NULL)
		return -ENOMEM;
	vm = vm_lock(pl, vm_id);
	if (vm == NULL) {
		rte_free(net);
		return -ENOENT;
	}
	ret = net_replace(pl, vm, net);
	pthread_mutex_unlock(&pl->lock);
	if (ret < 0)
		rte_free(net);
	return ret;
}

int
airlock_pipeline_set_vm_quota(struct airlock_pipeline *pl, uint16_t vm_id, uint32_t quota_pages)
{
	struct vm *vm = vm_lock(pl, vm_id);

	if (vm == NULL)
		return -ENOENT;
	vm->quota_frames = vm_window_quota(pl, quota_pages);
	vm_window_share_quotas(pl);
	pthread_mutex_unlock(&pl->lock);
	return 0;
}

int
airlock_pipeline_set_vm_deliver(
	struct airlock_pipeline *pl, uint16_t vm_id, enum airlock_deliver deliver)
{
	struct vm *vm = vm_lock(pl, vm_id);
	int ret = 0;

	if (vm == NULL)
		return -ENOENT;
	if ((deliver == AIRLOCK_DELIVER_COPY) != (vm->to.remap == NULL))
		ret = -ENOTSUP;
	else if (vm->to.remap != NULL)
		airlock_remap_set_deliver(vm->to.remap, deliver);
	pthread_mutex_unlock(&pl->lock);
	return ret;
}

int
airlock_pipeline_set_vm_stray(struct airlock_pipeline *pl, uint16_t vm_id, enum airlock_stray stray)
{
	struct vm *vm = vm_lock(pl, vm_id);

	if (vm == NULL)
		return -ENOENT;
	if (vm->table != NULL)
		airlock_dmatable_set_stray(vm->table, stray);
	pthread_mutex_unlock(&pl->lock);
	return 0;
}
