/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef FDB_PRIV_H
#define FDB_PRIV_H

#include <stdatomic.h>
#include <stdint.h>

#include "airlock_fdb.h"

#define FDB_NB_DOMAINS (AIRLOCK_FDB_MAX_UPLINKS * AIRLOCK_FDB_MAX_VLANS)

/** The flood groups of all domains. Writer: the database's. Readers: lcores, under RCU. */
struct fdb_flood {
	_Atomic(struct airlock_fdb_group *) groups[FDB_NB_DOMAINS];
};

/** @return all domains empty, for fdb_flood_destroy(); NULL: no memory */
struct fdb_flood *fdb_flood_create(int socket_id);

/** Free with all groups. NULL is ignored. */
void fdb_flood_destroy(struct fdb_flood *flood);

/** The group of a domain, or NULL. Writer or reader. */
static inline struct airlock_fdb_group *
fdb_flood_get(const struct fdb_flood *flood, uint16_t domain)
{
	/* Pairs with the release in fdb_flood_set(): a reader sees the group as it was filled. */
	return atomic_load_explicit(&flood->groups[domain], memory_order_acquire);
}

/** Publish a group, or NULL. The one before stays the caller's, who frees it after RCU. */
static inline void
fdb_flood_set(struct fdb_flood *flood, uint16_t domain, struct airlock_fdb_group *group)
{
	atomic_store_explicit(&flood->groups[domain], group, memory_order_release);
}

/** A new group: *old* (may be NULL) and one VM more. @return for rte_free(); NULL: no memory */
struct airlock_fdb_group *fdb_group_with(const struct airlock_fdb_group *old, uint16_t vm_id);

/** A new group: *old*, of two VMs or more, without one. @return for rte_free(); NULL: no memory */
struct airlock_fdb_group *fdb_group_without(const struct airlock_fdb_group *old, uint16_t vm_id);

/** Take a VM out of a group of two or more, which no reader has. */
void fdb_group_remove(struct airlock_fdb_group *group, uint16_t vm_id);

#endif /* FDB_PRIV_H */
