/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Flood groups: for each broadcast domain the VMs that are in it, in the order they came. fdb.c
 * keeps them in step with its table.
 *
 * A group that readers can get is never changed, only replaced by a changed copy: a reader walks
 * the one it got, and the writer frees it when no reader can be walking it any more.
 *
 * Thread rule: one writer at a time; readers under RCU.
 */

#include <rte_malloc.h>

#include "fdb_priv.h"

struct fdb_flood *
fdb_flood_create(int socket_id)
{
	return rte_zmalloc_socket(
		"fdb_flood", sizeof(struct fdb_flood), RTE_CACHE_LINE_SIZE, socket_id);
}

void
fdb_flood_destroy(struct fdb_flood *flood)
{
	if (flood == NULL)
		return;
	for (unsigned int i = 0; i < FDB_NB_DOMAINS; i++)
		rte_free(fdb_flood_get(flood, i));
	rte_free(flood);
}

static struct airlock_fdb_group *
group_alloc(unsigned int nb_vms)
{
	struct airlock_fdb_group *group;

	return rte_malloc("fdb_group", sizeof(*group) + nb_vms * sizeof(group->vm_ids[0]), 0);
}

struct airlock_fdb_group *
fdb_group_with(const struct airlock_fdb_group *old, uint16_t vm_id)
{
	const uint16_t nb_old = old == NULL ? 0 : old->nb_vms;
	struct airlock_fdb_group *group = group_alloc(nb_old + 1);

	if (group == NULL)
		return NULL;
	group->nb_vms = nb_old + 1;
	for (unsigned int i = 0; i < nb_old; i++)
		group->vm_ids[i] = old->vm_ids[i];
	group->vm_ids[nb_old] = vm_id;
	return group;
}

struct airlock_fdb_group *
fdb_group_without(const struct airlock_fdb_group *old, uint16_t vm_id)
{
	struct airlock_fdb_group *group = group_alloc(old->nb_vms - 1);

	if (group == NULL)
		return NULL;
	group->nb_vms = 0;
	for (unsigned int i = 0; i < old->nb_vms; i++) {
		if (old->vm_ids[i] != vm_id)
			group->vm_ids[group->nb_vms++] = old->vm_ids[i];
	}
	return group;
}

void
fdb_group_remove(struct airlock_fdb_group *group, uint16_t vm_id)
{
	uint16_t nb_vms = 0;

	for (unsigned int i = 0; i < group->nb_vms; i++) {
		if (group->vm_ids[i] != vm_id)
			group->vm_ids[nb_vms++] = group->vm_ids[i];
	}
	group->nb_vms = nb_vms;
}
