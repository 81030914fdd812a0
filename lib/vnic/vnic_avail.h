/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef VNIC_AVAIL_H
#define VNIC_AVAIL_H

/*
 * What a guest has made available in a ring that rte_vhost serves, as the datapath sees it. Thread
 * rule: the lcore that owns the ring.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_vhost.h>

/*
 * A descriptor of a packed ring that the guest made available and airlock has not used (VIRTIO 1.2,
 * 2.8.1); *position* is as rte_vhost_get_vring_base() has it.
 */
static inline bool
vnic_packed_is_available(const struct rte_vhost_vring *vring, uint16_t position)
{
	bool wrap = (position & RTE_BIT32(15)) != 0, avail, used;
	uint16_t idx = position & ~RTE_BIT32(15), flags;

	if (idx >= vring->size)
		return false;
	flags = __atomic_load_n(&vring->desc_packed[idx].flags, __ATOMIC_ACQUIRE);
	avail = (flags & RTE_BIT32(VRING_PACKED_DESC_F_AVAIL)) != 0;
	used = (flags & RTE_BIT32(VRING_PACKED_DESC_F_USED)) != 0;
	return avail == wrap && used != wrap;
}

/* Whether there is a descriptor that rte_vhost has not taken. */
static inline bool
vnic_has_available(uint64_t features, const struct rte_vhost_vring *vring, uint16_t last_avail)
{
	if ((features & RTE_BIT64(VIRTIO_F_RING_PACKED)) != 0)
		return vnic_packed_is_available(vring, last_avail);
	return __atomic_load_n(&vring->avail->idx, __ATOMIC_ACQUIRE) != last_avail;
}

#endif /* VNIC_AVAIL_H */
