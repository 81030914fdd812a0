/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Kicks of TX rings: the eventfds by which a guest wakes the lcore that takes its packets, if that
 * sleeps. Here it is said which rings can be waited for; vnic_arm.c is the lcore's side.
 *
 * A ring can be *armed* while rte_vhost has it set up, and a copy of its eventfd is watched for the
 * lcore. To arm it the lcore writes into the ring: rte_vhost_enable_guest_notification() would do
 * that under a lock that rte_vhost's thread may hold for as long as a message takes. So before
 * rte_vhost handles a message that changes memory or the ring (vnic_message.c), the ring is taken
 * out of kick_mask, and a look that is under way is waited for (vnic_look.h); after it, it is put
 * back if all is there.
 *
 * A ring of which there is no eventfd that can be watched, as with a VMM that asks for polling, has
 * its lcore take short naps instead of waiting.
 *
 * Thread rule: rte_vhost's thread, or the one that stops the NIC, when that has no more messages.
 */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "vnic_look.h"
#include "vnic_priv.h"

static bool
is_shown(const struct airlock_vnic *vnic, uint16_t queue_id)
{
	return vnic->kickfds[queue_id] >= 0;
}

static void
show(struct airlock_vnic *vnic, uint16_t queue_id)
{
	uint32_t enabled = atomic_load_explicit(&vnic->tx_mask, memory_order_relaxed);
	struct rte_vhost_vring vring = {.kickfd = -1};
	int fd;

	if (vnic->kick_vid < 0 || (enabled & RTE_BIT32(queue_id)) == 0 || is_shown(vnic, queue_id))
		return;
	if (rte_vhost_get_vhost_vring(vnic->kick_vid, queue_id * 2 + 1, &vring) < 0 ||
		vring.desc == NULL || vring.avail == NULL || vring.used == NULL || vring.kickfd < 0)
		return;
	fd = fcntl(vring.kickfd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (vnic->kick(vnic, queue_id, fd, true, vnic->arg) < 0) {
		close(fd);
		return;
	}
	vnic->kickfds[queue_id] = fd;
	/* Pairs with the load in vnic_arm.c: what it looks at is there. */
	atomic_fetch_or_explicit(&vnic->kick_mask, RTE_BIT32(queue_id), memory_order_release);
}

/* Once no lcore looks at the ring. */
static void
forget(struct airlock_vnic *vnic, uint16_t queue_id)
{
	if (!is_shown(vnic, queue_id))
		return;
	vnic->kick(vnic, queue_id, vnic->kickfds[queue_id], false, vnic->arg);
	close(vnic->kickfds[queue_id]);
	vnic->kickfds[queue_id] = -1;
}

static void
hide(struct airlock_vnic *vnic, uint16_t first, uint16_t last)
{
	for (uint16_t q = first; q < last; q++) {
		atomic_fetch_and_explicit(&vnic->kick_mask, ~RTE_BIT32(q), memory_order_relaxed);
		look_wait(&vnic->tx[q].looks);
		forget(vnic, q);
	}
}

void
vnic_kicks_init(struct airlock_vnic *vnic)
{
	vnic->kick_vid = -1;
	for (uint16_t q = 0; q < AIRLOCK_VNIC_MAX_QUEUES; q++)
		vnic->kickfds[q] = -1;
}

void
vnic_kicks_up(struct airlock_vnic *vnic, int vid)
{
	if (vnic->kick == NULL)
		return;
	vnic->kick_vid = vid;
	vnic_kicks_give(vnic);
}

void
vnic_kicks_down(struct airlock_vnic *vnic)
{
	if (vnic->kick == NULL)
		return;
	vnic->kick_vid = -1;
	hide(vnic, 0, vnic->nb_queues);
}

void
vnic_kick_changed(struct airlock_vnic *vnic, uint16_t queue_id, bool enabled)
{
	if (vnic->kick == NULL)
		return;
	/* Its eventfd may be another one. */
	hide(vnic, queue_id, queue_id + 1);
	if (enabled)
		show(vnic, queue_id);
	/* Without an eventfd, too: the lcore has to come and see that. */
	vnic->kick(vnic, queue_id, -1, true, vnic->arg);
}

void
vnic_kicks_take(struct airlock_vnic *vnic, uint16_t queue_id)
{
	bool all = queue_id == AIRLOCK_VNIC_MAX_QUEUES;

	if (vnic->kick != NULL)
		hide(vnic, all ? 0 : queue_id, all ? vnic->nb_queues : queue_id + 1);
}

void
vnic_kicks_give(struct airlock_vnic *vnic)
{
	if (vnic->kick == NULL || vnic->kick_vid < 0)
		return;
	for (uint16_t q = 0; q < vnic->nb_queues; q++) {
		if (is_shown(vnic, q))
			continue;
		show(vnic, q);
		vnic->kick(vnic, q, -1, true, vnic->arg);
	}
}
