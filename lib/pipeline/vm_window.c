/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM's window: it comes and goes with the VM's agent, the device with the guest's driver, and
 * neither waits for the other. Here both are brought together, and the pool is shared among those
 * who have a window.
 *
 * Thread rule: control threads. window_event() runs in the unmap thread, vm_window_down() in
 * rte_vhost's; the VM's window_lock keeps the one from running into the other.
 */

#include <errno.h>
#include <inttypes.h>

#include <rte_errno.h>
#include <rte_string_fns.h>

#include "pipeline_log.h"
#include "pipeline_priv.h"

/* Frames of a partition that no VM may hold: an lcore's extent and burst, and the port's ring. */
#define RESERVE_PER_LCORE (64 + 2 * AIRLOCK_BURST)

void
vm_window_quiesce(void *arg)
{
	struct airlock_pipeline *pl = arg;

	rte_rcu_qsbr_synchronize(pl->qsv, RTE_QSBR_THRID_INVALID);
}

static void
window_event(struct airlock_dmatable *table, const struct airlock_window_place *place, void *arg)
{
	struct vm *vm = arg;

	pthread_mutex_lock(&vm->window_lock);
	airlock_remap_set_window(vm->to.remap, place, vm_window_quiesce, vm->pipeline);
	pthread_mutex_unlock(&vm->window_lock);
	if (place != NULL)
		PIPELINE_LOG(INFO, "vm %s: window of %" PRIu64 " MiB\n", vm->vnic->name,
			place->bytes >> 20);
	else
		PIPELINE_LOG(INFO, "vm %s: window gone, delivery by copy\n", vm->vnic->name);
}

static bool
window_resume(struct airlock_dmatable *table, uint32_t frame, void *arg)
{
	const struct vm *vm = arg;

	return airlock_remap_may_resume(vm->to.remap, frame);
}

/* In frames; 0 means a fair share. */
uint32_t
vm_window_quota(const struct airlock_pipeline *pl, uint32_t pages)
{
	uint32_t frames = pages / airlock_pool_table(pl->pool)->frame.pages;

	return pages == 0 ? 0 : RTE_MAX(frames, 1u);
}

int
vm_window_create(struct vm *vm, const struct airlock_pipeline_vm *conf)
{
	struct airlock_pipeline *pl = vm->pipeline;
	struct airlock_dmatable_conf table_conf = {
		.name = conf->name,
		.path = conf->window,
		.pool = pl->pool,
		.stray = conf->stray,
		.device = conf->device,
		.device_path = conf->device_socket,
		.iommu = conf->iommu,
		.event = window_event,
		.resume = window_resume,
		.arg = vm,
	};
	struct airlock_remap_conf remap_conf = {
		.vnic = vm->vnic,
		.pool = pl->pool,
		.deliver = conf->deliver,
		.copy_below = pl->copy_below,
		.cost = &pl->cost,
	};

	if (conf->deliver == AIRLOCK_DELIVER_COPY)
		return 0;
	if (!pl->has_cost)
		return -ENOTSUP;
	rte_strscpy(vm->window_path, conf->window, sizeof(vm->window_path));
	vm->quota_frames = vm_window_quota(pl, conf->quota_pages);
	vm->table = airlock_dmatable_create(&table_conf);
	if (vm->table == NULL)
		return -rte_errno;
	remap_conf.table = vm->table;
	vm->to.remap = airlock_remap_create(&remap_conf);
	return vm->to.remap != NULL ? 0 : -rte_errno;
}

void
vm_window_down(struct vm *vm)
{
	if (vm->to.remap == NULL)
		return;
	pthread_mutex_lock(&vm->window_lock);
	airlock_remap_reclaim(vm->to.remap);
	pthread_mutex_unlock(&vm->window_lock);
}

void
vm_window_stop(struct vm *vm)
{
	/* One round to the agent and back; what it does not answer for goes into quarantine. */
	if (vm->table != NULL)
		airlock_dmatable_stop(vm->table, 1000);
}

void
vm_window_destroy(struct vm *vm)
{
	airlock_dmatable_destroy(vm->table);
	airlock_remap_destroy(vm->to.remap);
}

/* The smallest partition less what ports and lcores need of it. */
static uint32_t
frames_to_share(const struct airlock_pipeline *pl)
{
	const struct airlock_page_table *table = airlock_pool_table(pl->pool);
	uint32_t frames = UINT32_MAX, reserve = pl->nb_lcores * RESERVE_PER_LCORE;

	for (uint32_t i = 0; i < table->nb_partitions; i++)
		frames = RTE_MIN(frames, table->partitions[i].nb_frames);
	for (uint16_t i = 0; i < pl->nb_ports; i++)
		reserve += pl->ports[i]->nb_desc;
	return frames > reserve ? frames - reserve : 0;
}

/* Quotas that were asked for come first, as far as there is anything left; the rest share it. */
void
vm_window_share_quotas(struct airlock_pipeline *pl)
{
	uint32_t left = frames_to_share(pl), nb_fair = 0, given;

	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		const struct vm *vm = vm_get(pl, i);

		if (vm == NULL || vm->to.remap == NULL)
			continue;
		nb_fair += vm->quota_frames == 0;
		given = RTE_MIN(left, vm->quota_frames);
		left -= given;
		if (given < vm->quota_frames)
			PIPELINE_LOG(WARNING, "vm %s: quota of %u frames, of which %u are left\n",
				vm->vnic->name, vm->quota_frames, given);
		if (vm->quota_frames != 0)
			airlock_remap_set_quota(vm->to.remap, given);
	}
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		const struct vm *vm = vm_get(pl, i);

		if (vm != NULL && vm->to.remap != NULL && vm->quota_frames == 0)
			airlock_remap_set_quota(vm->to.remap, left / nb_fair);
	}
}

static int
verify_window(struct airlock_pipeline *pl, struct vm *vm, struct airlock_pipeline_verdict *verdict)
{
	struct airlock_dmatable_fault fault;
	int nb_wrong = airlock_dmatable_verify(vm->table, &fault);

	if (nb_wrong < 0)
		return nb_wrong;
	verdict->nb_windows++;
	if (nb_wrong > 0 && verdict->nb_wrong == 0) {
		rte_strscpy(verdict->vm, vm->vnic->name, sizeof(verdict->vm));
		verdict->fault = fault;
	}
	verdict->nb_wrong += nb_wrong;
	return 0;
}

int
airlock_pipeline_verify(struct airlock_pipeline *pl, struct airlock_pipeline_verdict *verdict)
{
	int ret = 0;

	*verdict = (struct airlock_pipeline_verdict){0};
	verdict->pool_agrees = airlock_pool_verify(pl->pool, &verdict->pool) == 0;
	pthread_mutex_lock(&pl->lock);
	for (unsigned int i = 0; ret == 0 && i < AIRLOCK_FDB_MAX_VMS; i++) {
		struct vm *vm = vm_get(pl, i);

		if (vm != NULL && vm->table != NULL)
			ret = verify_window(pl, vm, verdict);
	}
	pthread_mutex_unlock(&pl->lock);
	if (ret < 0)
		return ret;
	return verdict->pool_agrees && verdict->nb_wrong == 0 ? 0 : -EBADMSG;
}
