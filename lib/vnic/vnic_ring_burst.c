/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Bursts into an RX ring that airlock serves itself, by copy. When lcores have such a ring is
 * decided in vnic_ring.c.
 *
 * Thread rule: the lcore that owns the ring, until its next quiescent state.
 */

#include <sys/eventfd.h>

#include "vnic_priv.h"

/* Descriptors looked at before a burst: a packet may take several buffers. */
#define POLL_DESCS 256

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

uint16_t
vnic_ring_enqueue_burst(
	struct airlock_vnic *vnic, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	struct airlock_rxring *engine = airlock_vnic_rxring(vnic, queue_id);
	uint32_t frames[POLL_DESCS];
	uint16_t sent = 0;

	if (unlikely(engine == NULL))
		return 0;
	airlock_rxring_poll(engine, frames, POLL_DESCS);
	while (sent < n && airlock_rxring_put_copy(engine, mbufs[sent]) == 0)
		sent++;
	if (airlock_rxring_publish(engine))
		airlock_vnic_kick(vnic, queue_id);
	return sent;
}

bool
vnic_ring_has_buffers(struct airlock_vnic *vnic, uint16_t queue_id)
{
	const struct airlock_rxring *engine = airlock_vnic_rxring(vnic, queue_id);

	return engine != NULL && airlock_rxring_nb_private(engine) > 0;
}
