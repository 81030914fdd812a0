/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * VMs come and go. A VM is added to the table before the forwarding database can lead to it, and
 * leaves in the opposite order; nothing is freed before every lcore has passed a quiescent state.
 *
 * Thread rule: control threads; vm_event() runs in rte_vhost's thread. The pipeline's lock is never
 * held while rte_vhost opens or closes a socket, because that runs vm_event(), which takes it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_vhost.h>

#include "pipeline_log.h"
#include "pipeline_priv.h"

static void
warn_if_far(const struct vm *vm)
{
	int vid = atomic_load_explicit(&vm->vnic->vid, memory_order_relaxed);
	int socket_id = rte_vhost_get_numa_node(vid);
	unsigned int lcore_id = vm->pipeline->lcores[vm->handoff_lcore[0]]->lcore_id;
	unsigned int lcore_socket = rte_lcore_to_socket_id(lcore_id);

	if (socket_id >= 0 && (unsigned int)socket_id != lcore_socket)
		PIPELINE_LOG(WARNING,
			"vm %s: its memory is on NUMA node %d, lcore %u that serves it on node "
			"%u\n",
			vm->vnic->name, socket_id, lcore_id, lcore_socket);
}

void
vm_event(struct airlock_vnic *vnic, bool up, void *arg)
{
	struct vm *vm = arg;
	struct airlock_pipeline *pl = vm->pipeline;
	int ret;

	pthread_mutex_lock(&pl->lock);
	ret = plan_publish(pl);
	if (ret < 0) {
		/* The old plans stay; what they lead to must still not be in use on return. */
		PIPELINE_LOG(ERR, "vm %s: no memory for new plans\n", vnic->name);
		rte_rcu_qsbr_synchronize(pl->qsv, RTE_QSBR_THRID_INVALID);
	}
	if (up)
		warn_if_far(vm);
	pthread_mutex_unlock(&pl->lock);
	if (!up)
		vm_window_down(vm);
}

/* No lock: rte_vhost's thread may come here with locks of its own. */
static void
vm_quiesce(struct airlock_vnic *vnic, void *arg)
{
	const struct vm *vm = arg;

	vm_window_quiesce(vm->pipeline);
}

static void
vm_free(struct vm *vm)
{
	if (vm == NULL)
		return;
	vm_window_destroy(vm);
	airlock_vnic_destroy(vm->vnic);
	pthread_mutex_destroy(&vm->window_lock);
	vm_limit_free(vm);
	rte_free(atomic_load_explicit(&vm->net, memory_order_relaxed));
	rte_free(vm->blocks);
	rte_free(vm);
}

/* The pool's file by which a window is known in a VM's memory. */
static void
fill_window_conf(struct airlock_vnic_conf *vnic_conf, const struct airlock_pipeline *pl,
	const struct airlock_pipeline_vm *conf)
{
	uint64_t bytes;

	airlock_pool_file(pl->pool, &vnic_conf->pool_dev, &vnic_conf->pool_ino, &bytes);
	vnic_conf->window = conf->deliver != AIRLOCK_DELIVER_COPY;
	vnic_conf->record = vnic_conf->window ? conf->record : NULL;
	vnic_conf->quiesce = vm_quiesce;
	vnic_conf->kick = pl->lcores[0]->idle.adaptive ? idle_kick : NULL;
}

static struct vm *
vm_alloc(struct airlock_pipeline *pl, const struct airlock_pipeline_vm *conf)
{
	struct airlock_vnic_conf vnic_conf = {
		.name = conf->name,
		.path = conf->socket,
		.server = conf->server,
		.nb_queues = conf->nb_queues,
		.frames = frames_of(pl),
		.pages = airlock_pool_table(pl->pool),
		.event = vm_event,
	};
	struct vm *vm;
	int ret = -ENOMEM;

	vm = rte_zmalloc("airlock_vm", sizeof(*vm), RTE_CACHE_LINE_SIZE);
	if (vm == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	pthread_mutex_init(&vm->window_lock, NULL);
	vm->pipeline = pl;
	/* The VM as a whole is published later. */
	atomic_init(&vm->net, vm_net_create(&conf->net));
	vm->blocks =
		rte_zmalloc("airlock_vm", pl->nb_lcores * sizeof(*vm->blocks), RTE_CACHE_LINE_SIZE);
	if (vm->blocks == NULL || vm_net_get(vm) == NULL || vm_limit(vm, &conf->limits) < 0)
		goto free_vm;
	vnic_conf.arg = vm;
	fill_window_conf(&vnic_conf, pl, conf);
	vm->vnic = airlock_vnic_create(&vnic_conf);
	if (vm->vnic == NULL) {
		ret = -rte_errno;
		goto free_vm;
	}
	vm->to.vnic = vm->vnic;
	for (uint16_t i = 0; i < pl->nb_lcores; i++) {
		airlock_drops_init(&vm->blocks[i].rx_drops, &vm->vnic->point, AIRLOCK_OUT);
		airlock_drops_init(&vm->blocks[i].tx_drops, &vm->vnic->point, AIRLOCK_IN);
	}
	ret = vm_window_create(vm, conf);
	if (ret == 0)
		return vm;

free_vm:
	vm_free(vm);
	rte_errno = -ret;
	return NULL;
}

/* Into the table, then into the forwarding database. */
static int
vm_publish(struct airlock_pipeline *pl, struct vm *vm)
{
	const struct vm_net *net = vm_net_get(vm);
	unsigned int id = 0;
	int ret;

	while (id < AIRLOCK_FDB_MAX_VMS && vm_get(pl, id) != NULL)
		id++;
	if (id == AIRLOCK_FDB_MAX_VMS)
		return -ENOSPC;
	vm->id = id;
	vm->stamp = pl->next_stamp++;
	if (pl->running) {
		ret = plan_place_vm(pl, vm);
		if (ret < 0)
			return ret;
	}
	/* Pairs with the load in vm_get(). */
	atomic_store_explicit(&pl->vms[id], vm, memory_order_release);
	ret = airlock_fdb_add(pl->fdb, &net->mac, net->domain, id);
	if (ret < 0) {
		atomic_store_explicit(&pl->vms[id], NULL, memory_order_release);
		rte_rcu_qsbr_synchronize(pl->qsv, RTE_QSBR_THRID_INVALID);
	}
	return ret;
}

int
airlock_socket_allow(const char *path, const struct airlock_socket_access *access)
{
	/* In this order the mode never is another owner's or group's. */
	if (chown(path, access->uid, access->gid) < 0 || chmod(path, access->mode) < 0)
		return -errno;
	return 0;
}

int
vm_start(struct vm *vm)
{
	const struct airlock_pipeline *pl = vm->pipeline;
	int ret = vm->table != NULL ? airlock_dmatable_start(vm->table) : 0;

	if (ret == 0 && vm->table != NULL && pl->has_access)
		ret = airlock_socket_allow(vm->window_path, &pl->socket_access);
	if (ret == 0)
		ret = airlock_vnic_start(vm->vnic);
	if (ret == 0 && vm->vnic->server && pl->has_access)
		ret = airlock_socket_allow(vm->vnic->path, &pl->socket_access);
	return ret;
}

int
airlock_pipeline_add_vm(struct airlock_pipeline *pl, const struct airlock_pipeline_vm *conf)
{
	struct vm *vm;
	int ret;

	if (conf->nb_queues == 0 || conf->nb_queues > AIRLOCK_VNIC_MAX_QUEUES)
		return -EINVAL;
	vm = vm_alloc(pl, conf);
	if (vm == NULL)
		return -rte_errno;
	pthread_mutex_lock(&pl->lock);
	ret = vm_publish(pl, vm);
	vm_window_share_quotas(pl);
	pthread_mutex_unlock(&pl->lock);
	if (ret < 0) {
		vm_free(vm);
		return ret;
	}
	if (pl->running) {
		ret = vm_start(vm);
		if (ret < 0) {
			airlock_pipeline_del_vm(pl, vm->id);
			return ret;
		}
	}
	return vm->id;
}

static void
vm_retire(struct airlock_pipeline *pl, const struct vm *vm)
{
	struct airlock_pipeline_vm_stats stats;

	vm_stats_read(vm, &stats);
	pl->retired.taken += stats.taken.packets;
	pl->retired.delivered += stats.delivered.packets;
	pl->retired.dropped +=
		airlock_drops_total(&stats.rx_drops) + airlock_drops_total(&stats.tx_drops);
}

int
airlock_pipeline_del_vm(struct airlock_pipeline *pl, uint16_t vm_id)
{
	struct vm *vm;

	if (vm_id >= AIRLOCK_FDB_MAX_VMS)
		return -ENOENT;
	pthread_mutex_lock(&pl->lock);
	vm = vm_get(pl, vm_id);
	if (vm == NULL) {
		pthread_mutex_unlock(&pl->lock);
		return -ENOENT;
	}
	airlock_fdb_del(pl->fdb, &vm_net_get(vm)->mac, vm_net_get(vm)->domain);
	pthread_mutex_unlock(&pl->lock);

	/* Disconnects: the VM leaves the plans. */
	airlock_vnic_stop(vm->vnic);
	vm_window_stop(vm);

	pthread_mutex_lock(&pl->lock);
	rte_rcu_qsbr_synchronize(pl->qsv, RTE_QSBR_THRID_INVALID);
	vm_retire(pl, vm);
	atomic_store_explicit(&pl->vms[vm_id], NULL, memory_order_release);
	rte_rcu_qsbr_synchronize(pl->qsv, RTE_QSBR_THRID_INVALID);
	vm_window_share_quotas(pl);
	pthread_mutex_unlock(&pl->lock);
	airlock_captures_end(pl->captures, &vm->vnic->point);
	vm_free(vm);
	return 0;
}

int
airlock_pipeline_next_vm(struct airlock_pipeline *pl, unsigned int from)
{
	for (unsigned int id = from; id < AIRLOCK_FDB_MAX_VMS; id++) {
		if (vm_get(pl, id) != NULL)
			return id;
	}
	return -ENOENT;
}

int
airlock_pipeline_find_vm(struct airlock_pipeline *pl, const char *name)
{
	int id = -ENOENT;

	pthread_mutex_lock(&pl->lock);
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		const struct vm *vm = vm_get(pl, i);

		if (vm != NULL && strcmp(vm->vnic->name, name) == 0) {
			id = i;
			break;
		}
	}
	pthread_mutex_unlock(&pl->lock);
	return id;
}
