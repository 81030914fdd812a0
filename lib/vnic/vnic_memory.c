/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Guest memory, and the window in it, for the RX rings that airlock serves itself (vnic_ring.c).
 *
 * Guest memory is looked up in a copy of rte_vhost's table, without the pool's file, which
 * rte_vhost must not reach (vnic_message.c) and no private buffer lies in. The copy is made when
 * the VMM has told of new memory.
 *
 * A window's agent knows where the window is in the VMM; a guest in a VM posts addresses of its
 * own. The table of memory has both, because the window's device is memory of the VM like any
 * other. A window may come before the table or after it, so its place is worked out at both times.
 *
 * Thread rule: rte_vhost's thread and the one that sets windows, under *lock*. The table changes
 * only while no ring is visible, so lcores read it without a lock.
 */

#include <errno.h>
#include <string.h>

#include "vnic_ring_priv.h"

void *
ring_translate(void *arg, uint64_t guest_addr, uint64_t *len)
{
	const struct ring *ring = arg;
	const struct vnic_rings *own = ring->vnic->own;

	for (uint32_t i = 0; i < own->nb_regions; i++) {
		const struct region *region = &own->regions[i];
		uint64_t offset = guest_addr - region->guest_addr;

		if (offset < region->bytes && region->host != NULL) {
			*len = RTE_MIN(*len, region->bytes - offset);
			return region->host + offset;
		}
	}
	*len = 0;
	return NULL;
}

/* The window's address as the guest's descriptors have it; 0 bytes: not in its memory. */
static void
find_window(const struct vnic_rings *own, struct airlock_rxring_window *window)
{
	const struct airlock_vnic_window *place = &own->window;

	if (place->base == 0)
		return;
	window->owner = place->owner;
	if (place->in_process) {
		window->guest_addr = place->base;
		window->bytes = place->bytes;
		return;
	}
	for (uint32_t i = 0; i < own->nb_regions; i++) {
		const struct region *region = &own->regions[i];
		uint64_t offset = place->base - region->vmm_addr;

		if (offset >= region->bytes || region->bytes - offset < place->bytes)
			continue;
		window->guest_addr = region->guest_addr + offset;
		window->bytes = place->bytes;
		return;
	}
}

/* All rings are invisible. */
static void
place_window(struct airlock_vnic *vnic)
{
	struct airlock_rxring_window window = {0};

	find_window(vnic->own, &window);
	for (uint16_t q = 0; q < vnic->nb_queues; q++) {
		struct ring *ring = &vnic->own->rings[q];
		struct airlock_rxring_window part = {0};

		if (ring->partition.nb_frames != 0 && window.bytes != 0) {
			part = window;
			part.first_frame = ring->partition.first_frame;
			part.nb_frames = ring->partition.nb_frames;
		}
		if (airlock_rxring_set_window(ring->engine, &part) == 0)
			continue;
		VNIC_LOG(ERR, "%s: no memory for the window of RX ring %u\n", vnic->name, q);
		airlock_rxring_set_window(ring->engine, &(struct airlock_rxring_window){0});
	}
}

void
vnic_rings_forget_memory(struct airlock_vnic *vnic)
{
	if (vnic->own == NULL)
		return;
	pthread_mutex_lock(&vnic->own->lock);
	vnic->own->has_memory = false;
	vnic->own->nb_regions = 0;
	pthread_mutex_unlock(&vnic->own->lock);
}

static void
note_memory(struct airlock_vnic *vnic, const struct rte_vhost_memory *memory)
{
	struct vnic_rings *own = vnic->own;

	own->nb_regions = RTE_MIN(memory->nregions, (uint32_t)MAX_REGIONS);
	for (uint32_t i = 0; i < own->nb_regions; i++) {
		const struct rte_vhost_mem_region *from = &memory->regions[i];

		own->regions[i] = (struct region){
			.guest_addr = from->guest_phys_addr,
			.vmm_addr = from->guest_user_addr,
			.bytes = from->size,
			.host = vnic_is_pool(vnic, from)
				? NULL
				: (uint8_t *)(uintptr_t)from->host_user_addr,
		};
	}
	own->has_memory = true;
	place_window(vnic);
}

void
vnic_rings_give(struct airlock_vnic *vnic, const struct rte_vhost_memory *memory)
{
	if (vnic->own == NULL)
		return;
	pthread_mutex_lock(&vnic->own->lock);
	if (memory != NULL)
		note_memory(vnic, memory);
	rings_show(vnic);
	pthread_mutex_unlock(&vnic->own->lock);
}

int
airlock_vnic_set_window(struct airlock_vnic *vnic, const struct airlock_vnic_window *window)
{
	struct vnic_rings *own = vnic->own;
	uint32_t was_visible = 0;

	if (own == NULL)
		return -ENOTSUP;
	pthread_mutex_lock(&own->lock);
	for (uint16_t q = 0; q < vnic->nb_queues; q++)
		was_visible |= ring_is_visible(vnic, q) ? RTE_BIT32(q) : 0;
	rings_hide(vnic, 0, vnic->nb_queues);
	/* Rings that rte_vhost's thread has just hidden, which waits for the lcores only later. */
	if (was_visible == 0)
		vnic->quiesce(vnic, vnic->arg);
	own->window = *window;
	own->window.partitions = NULL;
	for (uint16_t q = 0; q < vnic->nb_queues; q++)
		own->rings[q].partition = q < window->nb_partitions
			? window->partitions[q]
			: (struct airlock_page_partition){0};
	place_window(vnic);
	/* Not by rings_show(): this is not rte_vhost's thread. */
	for (uint32_t left = was_visible; left != 0; left &= left - 1)
		ring_show(vnic, &own->rings[rte_bsf32(left)]);
	pthread_mutex_unlock(&own->lock);
	return 0;
}
