/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef VNIC_RING_PRIV_H
#define VNIC_RING_PRIV_H

/*
 * The RX rings that airlock serves itself, as vnic_ring.c (rings) and vnic_memory.c (guest memory
 * and window) know them. All under *lock*, unless a comment says otherwise.
 */

#include <pthread.h>

#include "vnic_priv.h"

/* As many as rte_vhost takes. */
#define MAX_REGIONS 8

/* Guest memory; written while no ring is visible. */
struct region {
	uint64_t guest_addr;
	uint64_t vmm_addr;
	uint64_t bytes;
	uint8_t *host; /* NULL: the pool's file */
};

/* A ring. */
struct ring {
	struct airlock_rxring *engine; /* for the NIC's life */
	struct airlock_vnic *vnic; /* lcores read it, too, and the next */
	uint16_t queue_id;
	bool attached;
	bool enabled; /* rte_vhost says that it is ready */
	bool broken; /* that was logged */
	struct airlock_page_partition partition; /* of the window */
};

struct vnic_rings {
	pthread_mutex_t lock;
	int vid; /* negative: the device is not up; lcores read it while a ring is visible */
	bool has_memory;
	uint32_t nb_regions;
	struct region regions[MAX_REGIONS];
	struct airlock_vnic_window window;
	uint8_t *record; /* the mapping of vnic_record.c; NULL: none */
	size_t record_bytes;
	struct ring rings[AIRLOCK_VNIC_MAX_QUEUES];
};

static inline bool
ring_is_visible(const struct airlock_vnic *vnic, uint16_t queue_id)
{
	return atomic_load_explicit(&vnic->rings[queue_id].engine, memory_order_relaxed) != NULL;
}

/* vnic_ring.c: make rings first to last - 1 invisible, and wait. */
void rings_hide(struct airlock_vnic *vnic, uint16_t first, uint16_t last);
/* Make a ring that is attached visible; its guest is told of what it does not know yet. */
void ring_show(struct airlock_vnic *vnic, struct ring *ring);
/* Make visible what rte_vhost has ready; in its thread. */
void rings_show(struct airlock_vnic *vnic);

/* vnic_memory.c: look up guest memory; arg is a struct ring. */
void *ring_translate(void *arg, uint64_t guest_addr, uint64_t *len);

#endif /* VNIC_RING_PRIV_H */
