/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The virtual NIC's datapath: bursts into and out of a VM. Its life cycle is in vnic.c.
 *
 * Ring, descriptors and guest memory are read by rte_vhost, which checks them; what it hands out is
 * a packet in a frame of the pool. The RX rings of a VM that may get a window are airlock's own:
 * the hand-off fills them by their engine (airlock_rxring.h), and here the guest is told.
 *
 * Thread rule: the lcore that owns the ring. The loads of vid (acquire) pair with its store
 * (release) in vnic.c, after the device's other fields were set. An lcore that read a vid may use
 * it until its next quiescent state: vnic.c waits for that before the device goes.
 */

#include <sys/eventfd.h>

#include <rte_vhost.h>

#include "vnic_avail.h"
#include "vnic_look.h"
#include "vnic_priv.h"

uint16_t
airlock_vnic_enqueue_burst(
	struct airlock_vnic *vnic, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	int vid = atomic_load_explicit(&vnic->vid, memory_order_acquire);

	if (unlikely(vid < 0))
		return 0;
	return rte_vhost_enqueue_burst(vid, queue_id * 2, mbufs, n);
}

void
airlock_vnic_kick(struct airlock_vnic *vnic, uint16_t queue_id)
{
	const struct airlock_vnic_ring *slot = &vnic->rings[queue_id];
	/* A ring that broke meanwhile, too: what was published before counts. */
	struct airlock_rxring *engine = atomic_load_explicit(&slot->engine, memory_order_acquire);

	if (unlikely(engine == NULL))
		return;
	if (slot->callfd >= 0)
		eventfd_write(slot->callfd, 1);
	airlock_rxring_kicked(engine);
}

/* The lcore looks at the ring meanwhile. */
static bool
has_buffers(const struct airlock_vnic *vnic, uint16_t queue_id, uint64_t features)
{
	int vid = atomic_load_explicit(&vnic->vid, memory_order_acquire);
	uint16_t last_avail, last_used;
	struct rte_vhost_vring vring;

	return vid >= 0 && rte_vhost_get_vhost_vring(vid, queue_id * 2, &vring) == 0 &&
		rte_vhost_get_vring_base(vid, queue_id * 2, &last_avail, &last_used) == 0 &&
		vring.desc != NULL && vnic_has_available(features, &vring, last_avail);
}

bool
airlock_vnic_is_too_long(struct airlock_vnic *vnic, uint16_t queue_id)
{
	uint64_t features = atomic_load_explicit(&vnic->features, memory_order_relaxed);
	_Atomic bool *looks = &vnic->rx[queue_id].looks;
	bool too_long;

	if ((features & RTE_BIT64(VIRTIO_NET_F_MRG_RXBUF)) != 0 ||
		!look_begin(looks, &vnic->look_mask, RTE_BIT32(queue_id)))
		return false;
	too_long = has_buffers(vnic, queue_id, features);
	look_end(looks);
	return too_long;
}

uint16_t
airlock_vnic_dequeue_burst(
	struct airlock_vnic *vnic, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	int vid = atomic_load_explicit(&vnic->vid, memory_order_acquire);
	uint32_t enabled = atomic_load_explicit(&vnic->tx_mask, memory_order_relaxed);
	uint16_t nb;

	/* A guest may have fewer queues than it was given room for; rte_vhost logs a wrong one. */
	if (unlikely(vid < 0 || (enabled & RTE_BIT32(queue_id)) == 0))
		return 0;
	nb = rte_vhost_dequeue_burst(vid, queue_id * 2 + 1, vnic->frames, mbufs, n);
	if (nb > 0)
		airlock_page_receive(vnic->pages, mbufs, nb);
	return nb;
}
