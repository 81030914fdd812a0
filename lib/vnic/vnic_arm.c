/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A TX ring is armed: its guest is asked to kick, by the lcore that is about to sleep. Which rings
 * can be armed, and why this is not left to rte_vhost, is in vnic_kick.c.
 *
 * With VIRTIO_F_EVENT_IDX the guest is told the index beyond which it is to kick, and does so once:
 * so such a ring is armed again before each sleep, and there is nothing to take back. Without, the
 * guest kicks for every batch as long as it is asked to (VIRTIO 1.2, 2.7.10 and 2.8.10).
 *
 * Thread rule: the lcore that owns the ring; as in vnic_burst.c, and a ring that it found in
 * kick_mask stays until the end of its look (vnic_look.h).
 */

#include <linux/virtio_ring.h>
#include <rte_vhost.h>

#include "vnic_avail.h"
#include "vnic_look.h"
#include "vnic_priv.h"

/* A TX ring as it is now. */
struct tx_ring {
	uint64_t features;
	uint16_t last_avail;
	struct rte_vhost_vring vring;
};

static void
tx_look_end(struct airlock_vnic *vnic, uint16_t queue_id)
{
	look_end(&vnic->tx[queue_id].looks);
}

/* If it is true, tx_look_end() is due. */
static bool
tx_look(struct airlock_vnic *vnic, uint16_t queue_id, struct tx_ring *ring)
{
	uint16_t vring_id = queue_id * 2 + 1, last_used;
	int vid;

	if (!look_begin(&vnic->tx[queue_id].looks, &vnic->kick_mask, RTE_BIT32(queue_id)))
		return false;
	vid = atomic_load_explicit(&vnic->vid, memory_order_acquire);
	ring->features = atomic_load_explicit(&vnic->features, memory_order_relaxed);
	if (vid >= 0 && rte_vhost_get_vhost_vring(vid, vring_id, &ring->vring) == 0 &&
		rte_vhost_get_vring_base(vid, vring_id, &ring->last_avail, &last_used) == 0)
		return true;
	tx_look_end(vnic, queue_id);
	return false;
}

static bool
has_event_idx(const struct tx_ring *ring)
{
	return (ring->features & RTE_BIT64(VIRTIO_RING_F_EVENT_IDX)) != 0;
}

static void
ask_split(const struct tx_ring *ring, bool kick)
{
	struct vring_used *used = ring->vring.used;

	if (!has_event_idx(ring))
		__atomic_store_n(&used->flags, kick ? 0 : VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	else if (kick)
		__atomic_store_n((uint16_t *)&used->ring[ring->vring.size], ring->last_avail,
			__ATOMIC_RELAXED);
}

static void
ask_packed(const struct tx_ring *ring, bool kick)
{
	struct vring_packed_desc_event *event = ring->vring.device_event;
	uint16_t flags = VRING_PACKED_EVENT_FLAG_DISABLE;

	if (kick && has_event_idx(ring)) {
		__atomic_store_n(&event->off_wrap, ring->last_avail, __ATOMIC_RELAXED);
		flags = VRING_PACKED_EVENT_FLAG_DESC;
	} else if (kick) {
		flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	/* The guest reads the flags first, and then the place. */
	__atomic_store_n(&event->flags, flags, __ATOMIC_RELEASE);
}

static void
ask(const struct tx_ring *ring, bool kick)
{
	if ((ring->features & RTE_BIT64(VIRTIO_F_RING_PACKED)) != 0)
		ask_packed(ring, kick);
	else
		ask_split(ring, kick);
}

bool
airlock_vnic_arm(struct airlock_vnic *vnic, uint16_t queue_id)
{
	uint32_t enabled = atomic_load_explicit(&vnic->tx_mask, memory_order_relaxed);
	struct tx_ring ring;

	if (!airlock_vnic_is_up(vnic) || (enabled & RTE_BIT32(queue_id)) == 0)
		return true;
	if (!tx_look(vnic, queue_id, &ring))
		return false;
	ask(&ring, true);
	tx_look_end(vnic, queue_id);
	return true;
}

void
airlock_vnic_disarm(struct airlock_vnic *vnic, uint16_t queue_id)
{
	struct tx_ring ring;

	if (!tx_look(vnic, queue_id, &ring))
		return;
	ask(&ring, false);
	tx_look_end(vnic, queue_id);
}

bool
airlock_vnic_tx_pending(struct airlock_vnic *vnic, uint16_t queue_id)
{
	struct tx_ring ring;
	bool pending;

	if (!tx_look(vnic, queue_id, &ring))
		return false;
	pending = vnic_has_available(ring.features, &ring.vring, ring.last_avail);
	tx_look_end(vnic, queue_id);
	return pending;
}
