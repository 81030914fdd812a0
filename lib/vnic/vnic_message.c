/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What airlock has to see of the vhost-user messages that rte_vhost handles. Two things:
 *
 * rte_vhost changes memory, rings and log of a device that runs, and tells nobody; the rings that
 * airlock serves, or looks into, are taken away from the lcores before such a message, and given
 * back after it.
 *
 * A VMM with a window tells rte_vhost about it like about any other memory of its guest, so that a
 * guest could have rte_vhost read or write any page of the pool: it need only name its address in a
 * TX descriptor. So rte_vhost's mapping of the pool's file is replaced at once by memory that is
 * zero and that nobody else sees. A VM that was not meant to have a window is refused.
 *
 * Thread rule: rte_vhost's thread, which holds the locks of the device's rings meanwhile. Lcores
 * only try those of TX rings, but wait for those of RX rings that rte_vhost serves: so lcores may
 * be waited for here only for a NIC whose RX rings airlock serves.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "vnic_look.h"
#include "vnic_priv.h"

/* Requests of the vhost-user protocol. */
enum request {
	SET_FEATURES = 2,
	SET_MEM_TABLE = 5,
	SET_LOG_BASE = 6,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	SET_VRING_KICK = 12,
};

/*
 * Start of a message, as it came from the socket; the ring's number is that of SET_VRING_*, and of
 * SET_VRING_KICK its low byte.
 */
struct message {
	uint32_t request;
	uint32_t flags;
	uint32_t bytes;
	uint32_t vring_id;
};

bool
vnic_is_pool(const struct airlock_vnic *vnic, const struct rte_vhost_mem_region *region)
{
	struct stat st;

	return vnic->pool_ino != 0 && fstat(region->fd, &st) == 0 && st.st_dev == vnic->pool_dev &&
		st.st_ino == vnic->pool_ino;
}

static int
hide_region(const struct rte_vhost_mem_region *region)
{
	void *addr = mmap(region->mmap_addr, region->mmap_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

	return addr == MAP_FAILED ? -errno : 0;
}

static bool
is_inside(const struct rte_vhost_mem_region *region, const void *address)
{
	return (uintptr_t)address - (uintptr_t)region->mmap_addr < region->mmap_size;
}

/* rte_vhost has looked at a ring that is there already; what it saw may be from the pool. */
static bool
has_ring_inside(int vid, const struct rte_vhost_mem_region *region)
{
	struct rte_vhost_vring vring;

	for (uint16_t i = 0; i < rte_vhost_get_vring_num(vid); i++) {
		memset(&vring, 0, sizeof(vring));
		if (rte_vhost_get_vhost_vring(vid, i, &vring) == 0 &&
			(is_inside(region, vring.desc) || is_inside(region, vring.avail) ||
				is_inside(region, vring.used)))
			return true;
	}
	return false;
}

/* Returns whether the VM may stay. */
static bool
shield(const struct airlock_vnic *vnic, int vid, const struct rte_vhost_memory *memory)
{
	bool good = true;

	for (uint32_t i = 0; i < memory->nregions; i++) {
		const struct rte_vhost_mem_region *region = &memory->regions[i];
		int err;

		if (!vnic_is_pool(vnic, region))
			continue;
		err = hide_region(region);
		if (err < 0) {
			VNIC_LOG(ERR, "%s: pool of %" PRIu64 " bytes stays in sight: %s\n",
				vnic->name, region->mmap_size, strerror(-err));
			good = false;
		}
		if (vnic->own == NULL || has_ring_inside(vid, region))
			good = false;
	}
	return good;
}

static enum rte_vhost_msg_result
memory_changed(struct airlock_vnic *vnic, int vid)
{
	struct rte_vhost_memory *memory;
	bool good;

	if (rte_vhost_get_mem_table(vid, &memory) < 0)
		return RTE_VHOST_MSG_RESULT_ERR;
	good = shield(vnic, vid, memory);
	if (good) {
		vnic->refused = false;
		vnic_rings_give(vnic, memory);
		vnic_kicks_give(vnic);
	} else {
		vnic->refused = true;
		airlock_count(&vnic->nb_refused, 1);
		VNIC_LOG(ERR, "%s: refused: the VM has the pool in its memory, and %s\n",
			vnic->name,
			vnic->own == NULL ? "is not configured for a window"
					  : "cannot be kept from it");
	}
	free(memory);
	return good ? RTE_VHOST_MSG_RESULT_NOT_HANDLED : RTE_VHOST_MSG_RESULT_ERR;
}

/* Looks of lcores at RX rings that rte_vhost serves. */
static void
looks_take(struct airlock_vnic *vnic)
{
	atomic_store_explicit(&vnic->look_mask, 0, memory_order_relaxed);
	for (uint16_t q = 0; q < vnic->nb_queues; q++)
		look_wait(&vnic->rx[q].looks);
}

void
vnic_looks_give(struct airlock_vnic *vnic)
{
	/* Pairs with the load in look_begin(): what is looked at is there. */
	if (vnic->own == NULL)
		atomic_store_explicit(&vnic->look_mask, UINT32_MAX, memory_order_release);
}

static void
ring_taken(struct airlock_vnic *vnic, uint32_t vring_id)
{
	if (vring_id / 2 >= vnic->nb_queues)
		return;
	looks_take(vnic);
	if (vring_id % 2 == 0)
		vnic_rings_take(vnic, vring_id / 2);
	else
		vnic_kicks_take(vnic, vring_id / 2);
}

static enum rte_vhost_msg_result
message_comes(int vid, void *msg)
{
	const struct message *message = msg;
	struct airlock_vnic *vnic = vnic_of(vid);

	if (vnic == NULL)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	/* Ends the connection. */
	if (!vnic_is_latest(vnic, vid))
		return RTE_VHOST_MSG_RESULT_ERR;
	switch (message->request) {
	case SET_FEATURES:
	case SET_MEM_TABLE:
	case SET_LOG_BASE:
		looks_take(vnic);
		vnic_rings_take(vnic, AIRLOCK_VNIC_MAX_QUEUES);
		vnic_kicks_take(vnic, AIRLOCK_VNIC_MAX_QUEUES);
		if (message->request == SET_MEM_TABLE)
			vnic_rings_forget_memory(vnic);
		break;
	case SET_VRING_NUM:
	case SET_VRING_ADDR:
	case SET_VRING_BASE:
		ring_taken(vnic, message->vring_id);
		break;
	case SET_VRING_KICK:
		if (message->vring_id % 2 != 0)
			ring_taken(vnic, message->vring_id & UINT8_MAX);
		break;
	default:
		break;
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static enum rte_vhost_msg_result
message_done(int vid, void *msg)
{
	const struct message *message = msg;
	struct airlock_vnic *vnic = vnic_of(vid);

	if (vnic == NULL)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	vnic_looks_give(vnic);
	if (message->request == SET_MEM_TABLE)
		return memory_changed(vnic, vid);
	vnic_rings_give(vnic, NULL);
	vnic_kicks_give(vnic);
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops message_ops = {
	.pre_msg_handle = message_comes,
	.post_msg_handle = message_done,
};

int
vnic_watch(const struct airlock_vnic *vnic, int vid)
{
	if (vnic->own == NULL && vnic->pool_ino == 0)
		return 0;
	return rte_vhost_extern_callback_register(vid, &message_ops, NULL);
}
