/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What airlock has to see of the vhost-user messages that rte_vhost handles:
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
 * rte_vhost takes requests that nobody offered, those for block and crypto devices among them; a
 * NIC's front end has no use for them, and one that tries is cut off. So is one whose log rte_vhost
 * would miss, and one whose memory is gone (vnic_lost.c).
 *
 * The eventfd by which a guest is told is the VMM's; it is made non-blocking.
 *
 * Thread rule: rte_vhost's thread, which holds the locks of the device's rings meanwhile. Lcores
 * only try those of TX rings, but wait for those of RX rings that rte_vhost serves: so lcores may
 * be waited for here only for a NIC whose RX rings airlock serves.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "vnic_look.h"
#include "vnic_priv.h"

/* Requests of the vhost-user protocol. */
enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_LOG_BASE = 6,
	SET_LOG_FD = 7,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
	SEND_RARP = 19,
	NET_SET_MTU = 20,
	SET_STATUS = 39,
	GET_STATUS = 40,
};

/* Those that a NIC needs. rte_vhost knows more, and takes them though nobody offered them. */
#define NEEDED \
	(RTE_BIT64(GET_FEATURES) | RTE_BIT64(SET_FEATURES) | RTE_BIT64(SET_OWNER) | \
		RTE_BIT64(SET_MEM_TABLE) | RTE_BIT64(SET_LOG_BASE) | RTE_BIT64(SET_LOG_FD) | \
		RTE_BIT64(SET_VRING_NUM) | RTE_BIT64(SET_VRING_ADDR) | RTE_BIT64(SET_VRING_BASE) | \
		RTE_BIT64(GET_VRING_BASE) | RTE_BIT64(SET_VRING_KICK) | \
		RTE_BIT64(SET_VRING_CALL) | RTE_BIT64(SET_VRING_ERR) | \
		RTE_BIT64(GET_PROTOCOL_FEATURES) | RTE_BIT64(SET_PROTOCOL_FEATURES) | \
		RTE_BIT64(GET_QUEUE_NUM) | RTE_BIT64(SET_VRING_ENABLE) | RTE_BIT64(SEND_RARP) | \
		RTE_BIT64(NET_SET_MTU) | RTE_BIT64(SET_STATUS) | RTE_BIT64(GET_STATUS))

/* The protocol's features that need no request but these. */
#define OFFERED \
	(RTE_BIT64(VHOST_USER_PROTOCOL_F_MQ) | RTE_BIT64(VHOST_USER_PROTOCOL_F_LOG_SHMFD) | \
		RTE_BIT64(VHOST_USER_PROTOCOL_F_RARP) | \
		RTE_BIT64(VHOST_USER_PROTOCOL_F_REPLY_ACK) | \
		RTE_BIT64(VHOST_USER_PROTOCOL_F_NET_MTU) | \
		RTE_BIT64(VHOST_USER_PROTOCOL_F_STATUS))

/* Flags of a message: it is an answer; or the front end waits for one, be it that all is well. */
#define IS_REPLY   RTE_BIT32(2)
#define NEED_REPLY RTE_BIT32(3)

/* Start of a message, as it came from the socket. */
struct message {
	uint32_t request;
	uint32_t flags;
	uint32_t bytes;
	union {
		uint32_t vring_id; /* of SET_VRING_*; of SET_VRING_KICK and _CALL its low byte */
		uint32_t log[4]; /* of SET_LOG_BASE: bytes and offset, low halves first */
	};
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

/* Returns whether the pool is out of its reach, and was not to be in it. */
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

/* Whether the VM may stay, with this memory. */
static bool
memory_is_good(struct airlock_vnic *vnic, int vid, const struct rte_vhost_memory *memory)
{
	vnic->refused = !shield(vnic, vid, memory);
	if (!vnic->refused)
		return true;
	airlock_count(&vnic->nb_refused, 1);
	VNIC_LOG(ERR, "%s: refused: the VM has the pool in its memory, and %s\n", vnic->name,
		vnic->own == NULL ? "is not configured for a window" : "cannot be kept from it");
	return false;
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

static bool
is_good(const struct airlock_vnic *vnic, const struct message *message)
{
	if (message->request >= 64 || (NEEDED & RTE_BIT64(message->request)) == 0) {
		VNIC_LOG(ERR,
			"%s: vhost-user request %" PRIu32 " is not for a NIC: connection ended\n",
			vnic->name, message->request);
		return false;
	}
	/* rte_vhost maps the file from the offset on, and adds the offset to where that is. */
	if (message->request == SET_LOG_BASE && (message->log[2] | message->log[3]) != 0) {
		VNIC_LOG(ERR, "%s: its log does not begin with its file: connection ended\n",
			vnic->name);
		return false;
	}
	return true;
}

/* The ring's eventfd is the VMM's: a full one must not stop the lcore that writes to it. */
static void
call_changed(const struct airlock_vnic *vnic, int vid, uint16_t vring_id)
{
	struct rte_vhost_vring vring = {.callfd = -1};
	int flags;

	if (rte_vhost_get_vhost_vring(vid, vring_id, &vring) < 0 || vring.callfd < 0)
		return;
	flags = fcntl(vring.callfd, F_GETFL);
	if (flags < 0 || fcntl(vring.callfd, F_SETFL, flags | O_NONBLOCK) < 0)
		VNIC_LOG(WARNING, "%s: ring %u: its eventfd may block: %s\n", vnic->name, vring_id,
			strerror(errno));
}

static enum rte_vhost_msg_result
message_comes(int vid, void *msg)
{
	struct message *message = msg;
	struct airlock_vnic *vnic = vnic_of(vid);

	vnic_guard_message(vnic);
	if (vnic == NULL)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	/*
	 * An error ends the connection only if nobody waits for an answer; and a device must not go
	 * on whose message has failed halfway.
	 */
	vnic->need_reply = message->flags & NEED_REPLY;
	message->flags &= ~NEED_REPLY;
	if (!vnic_is_latest(vnic, vid) || airlock_vnic_is_lost(vnic) || !is_good(vnic, message))
		return RTE_VHOST_MSG_RESULT_ERR;
	switch (message->request) {
	case SET_FEATURES:
	case SET_MEM_TABLE:
	case SET_LOG_BASE:
		looks_take(vnic);
		vnic_rings_take(vnic, AIRLOCK_VNIC_MAX_QUEUES);
		vnic_kicks_take(vnic, AIRLOCK_VNIC_MAX_QUEUES);
		if (message->request == SET_MEM_TABLE) {
			vnic_rings_forget_memory(vnic);
			vnic_guard_down(vnic);
		}
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

static bool
is_done_well(struct airlock_vnic *vnic, int vid, const struct message *message)
{
	struct rte_vhost_memory *memory = NULL;
	bool good = true;

	/* First of all: lcores that wait for rte_vhost's locks use it next, come what may. */
	if (airlock_vnic_is_up(vnic))
		vnic_guard_up(vnic, vid);
	if (message->request == SET_MEM_TABLE)
		good = rte_vhost_get_mem_table(vid, &memory) == 0 &&
			memory_is_good(vnic, vid, memory);
	good = good && !airlock_vnic_is_lost(vnic);
	if (good) {
		vnic_looks_give(vnic);
		vnic_rings_give(vnic, memory);
		vnic_kicks_give(vnic);
	}
	free(memory);
	return good;
}

static enum rte_vhost_msg_result
message_done(int vid, void *msg)
{
	struct message *message = msg;
	struct airlock_vnic *vnic = vnic_of(vid);

	if (vnic == NULL)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	if (message->request == SET_VRING_CALL)
		call_changed(vnic, vid, message->vring_id & UINT8_MAX);
	if (!is_done_well(vnic, vid, message))
		return RTE_VHOST_MSG_RESULT_ERR;
	/* Where rte_vhost has answered, the answer stands in place of the message. */
	if ((message->flags & IS_REPLY) == 0)
		message->flags |= vnic->need_reply;
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops message_ops = {
	.pre_msg_handle = message_comes,
	.post_msg_handle = message_done,
};

int
vnic_offer(const char *path)
{
	uint64_t features;

	if (rte_vhost_driver_get_protocol_features(path, &features) < 0 ||
		rte_vhost_driver_set_protocol_features(path, features & OFFERED) < 0)
		return -EINVAL;
	return 0;
}

int
vnic_watch(int vid)
{
	return rte_vhost_extern_callback_register(vid, &message_ops, NULL);
}
