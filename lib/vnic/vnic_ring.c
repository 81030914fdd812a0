/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The RX rings that airlock serves itself: when the engine (rxring.c) is attached to a ring of
 * rte_vhost's, and when the lcores may use it: the hand-off, which fills it.
 *
 * A ring is *attached* from when the device is up and rte_vhost says that the ring is ready, until
 * the device goes or a message of the VMM's is about to move what the ring lies in
 * (vnic_message.c). Then all buffers go back, and rte_vhost learns the indexes, which it passes on
 * to the VMM: with nothing outstanding one index says all. A ring is *visible* to its lcore while
 * it is attached and enabled. Before anything is done to a ring it is made invisible, and the
 * lcores are waited for.
 *
 * rte_vhost would tell the guest by rte_vhost_vring_call(), under a lock that its thread may hold
 * while it waits for the lcores, and by the guest's wish, compared with indexes that it keeps
 * itself. Here the engine knows what the guest wishes; and a guest may have to be told against its
 * wish, when it holds too many frames. So each ring has a descriptor of its own for the VMM's
 * eventfd, renewed whenever the ring becomes visible: no lock, and nothing to be kept equal.
 *
 * Thread rule: rte_vhost's thread and the one that sets windows, under *lock*; the lcores never
 * take it. What is in rte_vhost (rings, memory, descriptors) is only asked for in rte_vhost's
 * thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vnic_ring_priv.h"

static void
log_write(void *arg, uint64_t guest_addr, uint64_t len)
{
	const struct ring *ring = arg;

	rte_vhost_log_write(ring->vnic->own->vid, guest_addr, len);
}

static void
log_used(void *arg, uint64_t offset, uint64_t len)
{
	const struct ring *ring = arg;

	rte_vhost_log_used_vring(ring->vnic->own->vid, ring->queue_id * 2, offset, len);
}

int
vnic_rings_create(struct airlock_vnic *vnic, const char *record_path)
{
	struct vnic_rings *own = calloc(1, sizeof(*own));

	if (own == NULL)
		return -ENOMEM;
	vnic->own = own;
	own->vid = -1;
	pthread_mutex_init(&own->lock, NULL);
	for (uint16_t q = 0; q < vnic->nb_queues; q++) {
		struct ring *ring = &own->rings[q];

		vnic->rings[q].callfd = -1;
		ring->vnic = vnic;
		ring->queue_id = q;
		ring->engine = airlock_rxring_create(vnic->pages);
		if (ring->engine == NULL) {
			vnic_rings_destroy(vnic);
			return -ENOMEM;
		}
	}
	if (record_path != NULL)
		vnic_record_open(vnic, record_path);
	return 0;
}

void
vnic_rings_destroy(struct airlock_vnic *vnic)
{
	if (vnic->own == NULL)
		return;
	vnic_record_close(vnic);
	for (uint16_t q = 0; q < vnic->nb_queues; q++)
		airlock_rxring_destroy(vnic->own->rings[q].engine);
	pthread_mutex_destroy(&vnic->own->lock);
	free(vnic->own);
	vnic->own = NULL;
}

static void
hide(struct airlock_vnic *vnic, uint16_t queue_id)
{
	/* The lcores are waited for afterwards; nothing is passed on by this store. */
	atomic_store_explicit(&vnic->rings[queue_id].engine, NULL, memory_order_relaxed);
}

void
rings_hide(struct airlock_vnic *vnic, uint16_t first, uint16_t last)
{
	bool was_visible = false;

	for (uint16_t q = first; q < last; q++) {
		was_visible |= ring_is_visible(vnic, q);
		hide(vnic, q);
	}
	if (was_visible)
		vnic->quiesce(vnic, vnic->arg);
}

static void
callfd_renew(struct airlock_vnic_ring *slot, int fd)
{
	if (slot->callfd >= 0)
		close(slot->callfd);
	slot->callfd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* An invisible ring: all buffers back; the guest is told, so that it posts them anew. */
static void
detach(struct airlock_vnic *vnic, struct ring *ring)
{
	struct airlock_vnic_ring *slot = &vnic->rings[ring->queue_id];
	uint16_t last_avail, last_used;

	if (!ring->attached)
		return;
	airlock_rxring_detach(ring->engine, &last_avail, &last_used);
	rte_vhost_set_vring_base(vnic->own->vid, ring->queue_id * 2, last_avail, last_used);
	if (slot->callfd >= 0)
		eventfd_write(slot->callfd, 1);
	callfd_renew(slot, -1);
	ring->attached = false;
	ring->broken = false;
}

/* Returns false if rte_vhost has no such ring, or not yet. */
static bool
attach(struct airlock_vnic *vnic, struct ring *ring, const struct rte_vhost_vring *from)
{
	struct airlock_rxring_vring vring = {
		.size = from->size,
		.translate = ring_translate,
		.arg = ring,
	};
	int vid = vnic->own->vid, err;

	if (from->desc == NULL || from->avail == NULL || from->used == NULL ||
		rte_vhost_get_negotiated_features(vid, &vring.features) < 0 ||
		rte_vhost_get_vring_base(
			vid, ring->queue_id * 2, &vring.last_avail, &vring.last_used) < 0)
		return false;
	vring.packed = (vring.features & RTE_BIT64(VIRTIO_F_RING_PACKED)) != 0;
	/* The three pointers share their place with those of a packed ring. */
	vring.desc = from->desc;
	vring.avail = from->avail;
	vring.used = from->used;
	if (RTE_VHOST_NEED_LOG(vring.features)) {
		vring.log_write = log_write;
		vring.log_used = log_used;
	}
	err = airlock_rxring_attach(ring->engine, &vring);
	if (err < 0)
		VNIC_LOG(ERR, "%s: RX ring %u of %u descriptors is not served: %s\n", vnic->name,
			ring->queue_id, from->size, strerror(-err));
	return err == 0;
}

void
ring_show(struct airlock_vnic *vnic, struct ring *ring)
{
	struct airlock_vnic_ring *slot = &vnic->rings[ring->queue_id];

	/* Of what the lcore published and found no descriptor for, or what went back since. */
	if (airlock_rxring_publish(ring->engine)) {
		if (slot->callfd >= 0)
			eventfd_write(slot->callfd, 1);
		airlock_rxring_kicked(ring->engine);
	}
	/* Pairs with the load in airlock_vnic_rxring(): all of the above first, and callfd. */
	atomic_store_explicit(&slot->engine, ring->engine, memory_order_release);
}

/* Attach the ring if it is not, and make it visible, as far as all is there for it. */
static void
show(struct airlock_vnic *vnic, struct ring *ring)
{
	struct vnic_rings *own = vnic->own;
	struct rte_vhost_vring vring = {.callfd = -1};

	if (own->vid < 0 || !own->has_memory || !ring->enabled ||
		ring_is_visible(vnic, ring->queue_id) ||
		rte_vhost_get_vhost_vring(own->vid, ring->queue_id * 2, &vring) < 0)
		return;
	if (!ring->attached)
		ring->attached = attach(vnic, ring, &vring);
	if (!ring->attached)
		return;
	callfd_renew(&vnic->rings[ring->queue_id], vring.callfd);
	ring_show(vnic, ring);
}

void
rings_show(struct airlock_vnic *vnic)
{
	for (uint16_t q = 0; q < vnic->nb_queues; q++)
		show(vnic, &vnic->own->rings[q]);
}

void
vnic_rings_connect(struct airlock_vnic *vnic)
{
	struct vnic_rings *own = vnic->own;

	if (own == NULL)
		return;
	pthread_mutex_lock(&own->lock);
	own->has_memory = false;
	own->nb_regions = 0;
	for (uint16_t q = 0; q < vnic->nb_queues; q++)
		own->rings[q].enabled = false;
	pthread_mutex_unlock(&own->lock);
}

void
vnic_rings_up(struct airlock_vnic *vnic, int vid)
{
	if (vnic->own == NULL)
		return;
	pthread_mutex_lock(&vnic->own->lock);
	vnic->own->vid = vid;
	rings_show(vnic);
	pthread_mutex_unlock(&vnic->own->lock);
}

void
vnic_rings_hide(struct airlock_vnic *vnic)
{
	if (vnic->own == NULL)
		return;
	pthread_mutex_lock(&vnic->own->lock);
	for (uint16_t q = 0; q < vnic->nb_queues; q++)
		hide(vnic, q);
	pthread_mutex_unlock(&vnic->own->lock);
}

void
vnic_rings_down(struct airlock_vnic *vnic)
{
	if (vnic->own == NULL)
		return;
	pthread_mutex_lock(&vnic->own->lock);
	for (uint16_t q = 0; q < vnic->nb_queues; q++)
		detach(vnic, &vnic->own->rings[q]);
	vnic->own->vid = -1;
	pthread_mutex_unlock(&vnic->own->lock);
}

void
vnic_ring_changed(struct airlock_vnic *vnic, uint16_t queue_id, bool enabled)
{
	struct ring *ring;

	if (vnic->own == NULL)
		return;
	ring = &vnic->own->rings[queue_id];
	pthread_mutex_lock(&vnic->own->lock);
	ring->enabled = enabled;
	if (enabled)
		show(vnic, ring);
	else
		rings_hide(vnic, queue_id, queue_id + 1);
	pthread_mutex_unlock(&vnic->own->lock);
}

void
vnic_rings_take(struct airlock_vnic *vnic, uint16_t queue_id)
{
	bool all = queue_id == AIRLOCK_VNIC_MAX_QUEUES;
	uint16_t first = all ? 0 : queue_id, last = all ? vnic->nb_queues : queue_id + 1;

	if (vnic->own == NULL)
		return;
	pthread_mutex_lock(&vnic->own->lock);
	rings_hide(vnic, first, last);
	for (uint16_t q = first; q < last; q++)
		detach(vnic, &vnic->own->rings[q]);
	pthread_mutex_unlock(&vnic->own->lock);
}

void
vnic_rings_poll(struct airlock_vnic *vnic)
{
	if (vnic->own == NULL)
		return;
	pthread_mutex_lock(&vnic->own->lock);
	for (uint16_t q = 0; q < vnic->nb_queues; q++) {
		struct ring *ring = &vnic->own->rings[q];

		if (!ring->attached || !airlock_rxring_is_broken(ring->engine))
			continue;
		atomic_fetch_and_explicit(&vnic->rx_mask, ~RTE_BIT32(q), memory_order_relaxed);
		if (!ring->broken)
			VNIC_LOG(ERR, "%s: broke its RX ring %u: down until it starts anew\n",
				vnic->name, q);
		ring->broken = true;
	}
	pthread_mutex_unlock(&vnic->own->lock);
}

uint64_t
airlock_vnic_refused_buffers(
	const struct airlock_vnic *vnic, uint16_t queue_id, enum airlock_rxring_refusal refusal)
{
	if (vnic->own == NULL)
		return 0;
	return airlock_rxring_refused(vnic->own->rings[queue_id].engine, refusal);
}
