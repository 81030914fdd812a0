/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef VNIC_PRIV_H
#define VNIC_PRIV_H

/* What the control side's files of a virtual NIC share. Thread rules as in each file. */

#include <rte_log.h>
#include <rte_vhost.h>

#include "airlock_vnic.h"

extern int vnic_logtype;
#define VNIC_LOG(level, ...) rte_log(RTE_LOG_##level, vnic_logtype, "vnic: " __VA_ARGS__)

/* vnic.c: the NIC of a rte_vhost device, or NULL. */
struct airlock_vnic *vnic_of(int vid);

/* What is noted of a connection is that of the latest: an earlier one has no say any more. */
static inline bool
vnic_is_latest(const struct airlock_vnic *vnic, int vid)
{
	return atomic_load_explicit(&vnic->latest_vid, memory_order_relaxed) == vid;
}

/* vnic_ring.c: the RX rings that airlock serves; all ignore a NIC without such rings. */
int vnic_rings_create(struct airlock_vnic *vnic, const char *record_path);
void vnic_rings_destroy(struct airlock_vnic *vnic);
void vnic_rings_connect(struct airlock_vnic *vnic);
void vnic_rings_up(struct airlock_vnic *vnic, int vid);
void vnic_rings_hide(struct airlock_vnic *vnic); /* the caller waits for lcores then */
void vnic_rings_down(struct airlock_vnic *vnic);
void vnic_rings_poll(struct airlock_vnic *vnic); /* for rings that the guest broke */
void vnic_ring_changed(struct airlock_vnic *vnic, uint16_t queue_id, bool enabled);
/* Before rte_vhost takes away memory, log or rings; queue_id AIRLOCK_VNIC_MAX_QUEUES: of all. */
void vnic_rings_take(struct airlock_vnic *vnic, uint16_t queue_id);

/* vnic_memory.c: as above */
void vnic_rings_forget_memory(struct airlock_vnic *vnic);
/* After such a message; *memory*: the table that is valid now, or NULL: the one that was. */
void vnic_rings_give(struct airlock_vnic *vnic, const struct rte_vhost_memory *memory);

/* vnic_record.c: what outlives airlock; a NIC without it works, too */
void vnic_record_open(struct airlock_vnic *vnic, const char *path);
void vnic_record_close(struct airlock_vnic *vnic);

/* vnic_message.c: watch the messages of a connection. */
int vnic_watch(int vid);
int vnic_offer(const char *path); /* the protocol's features that are supported; 0 or -EINVAL */
void vnic_looks_give(struct airlock_vnic *vnic); /* lcores may look at RX rings of rte_vhost's */
bool vnic_is_pool(const struct airlock_vnic *vnic, const struct rte_vhost_mem_region *region);

/* vnic_lost.c: memory of the guest's that is gone while it is mapped. */
int vnic_guard_open(struct airlock_vnic *vnic); /* for the NIC's life; 0 or -ENOSPC */
void vnic_guard_close(struct airlock_vnic *vnic);
void vnic_guard_connect(struct airlock_vnic *vnic);
/* From now until *down* lcores may use the memory that rte_vhost has; -EFAULT: it is lost. */
int vnic_guard_up(struct airlock_vnic *vnic, int vid);
void vnic_guard_down(struct airlock_vnic *vnic);
/* Whose messages this thread handles from now on; NULL: nobody's. */
void vnic_guard_message(struct airlock_vnic *vnic);
void vnic_guard_tell(struct airlock_vnic *vnic); /* log it, once */

/* vnic_kick.c: the kicks of TX rings; all ignore a NIC whose lcores never sleep. */
void vnic_kicks_init(struct airlock_vnic *vnic);
void vnic_kicks_up(struct airlock_vnic *vnic, int vid);
void vnic_kicks_down(struct airlock_vnic *vnic);
void vnic_kick_changed(struct airlock_vnic *vnic, uint16_t queue_id, bool enabled);
/* Around a message that changes what the ring lies in; as vnic_rings_take(), vnic_rings_give(). */
void vnic_kicks_take(struct airlock_vnic *vnic, uint16_t queue_id);
void vnic_kicks_give(struct airlock_vnic *vnic);

#endif /* VNIC_PRIV_H */
